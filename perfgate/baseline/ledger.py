"""The baselines of one series, and the gates between its commits, as the history has them now.

Nothing is held open in between: a gate takes minutes, and whoever comes back asks again.
"""

from __future__ import annotations

import getpass
import socket
import time
from dataclasses import dataclass, field

from perfgate.baseline.question import of_commits
from perfgate.builds.git import Commit
from perfgate.history.baselines import BASELINE, GOLDEN, Baseline, Series, Step, add_baseline, add_step, read_baselines
from perfgate.history.choice import Choice
from perfgate.history.database import opened, writing
from perfgate.history.location import Location
from perfgate.history.reader import summaries
from perfgate.history.summary import Summary


def own_name() -> str:
    """`user@host`: who is written beside what was done."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


@dataclass(frozen=True, slots=True)
class Ledger:
    """location: of the history. who: is written beside every change."""

    location: Location
    series: Series
    who: str = field(default_factory=own_name)

    def baselines(self) -> list[Baseline]:
        """Of this series, the oldest first."""
        with opened(self.location) as engine, engine.connect() as connection:
            return [one for one in read_baselines(connection) if one.series == self.series]

    def gates(self) -> list[Summary]:
        """Decided gates of commits, the oldest first."""
        choice = Choice(kind="gate", target=self.series.target)
        with opened(self.location) as engine, engine.connect() as connection:
            found = summaries(connection, choice)
        return of_commits(found, self.series.scenario, self.series.target)

    def make(
        self, role: str, kind: str, commit: Commit, why: str, before: Baseline | None,
        runs: tuple[str | None, str | None] = (None, None),
    ) -> Baseline:  # fmt: skip
        """A baseline to be written. before: the one of its role that was read; runs: the gates that made it so."""
        number = 1 if before is None else before.number + 1
        of = (self.series.scenario, self.series.target)
        return Baseline(*of, role, number, kind, commit.sha, commit.subject, time.time_ns(), why, self.who, *runs)

    def write(
        self, action: str, commit: str, text: str, new: tuple[Baseline, ...] = (),
        runs: tuple[str | None, str | None] = (None, None),
    ) -> None:  # fmt: skip
        """One transaction: the new baselines and the line of the log. Raises HistoryError where somebody else has changed
        them since they were read."""
        step = Step(self.series.scenario, self.series.target, 0, time.time_ns(), action, commit, text, self.who, *runs)
        with opened(self.location) as engine, writing(engine) as connection:
            for one in new:
                add_baseline(connection, one)
            add_step(connection, step)


def present(baselines: list[Baseline], role: str) -> Baseline | None:
    """The newest of a role. baselines: of one series, the oldest first."""
    return next((one for one in reversed(baselines) if one.role == role), None)


def former_anchors(baselines: list[Baseline]) -> frozenset[str]:
    """Commits that are or were golden, but for the one that is the baseline now."""
    base = present(baselines, BASELINE)
    return frozenset(one.commit_sha for one in baselines if one.role == GOLDEN) - {base.commit_sha if base else ""}
