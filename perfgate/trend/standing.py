"""How we stood against competitors, session by session: a series for each of their versions, metric by metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perfgate.history.competitions import Tracked
from perfgate.trend.outlook import MONTHLY_LIMIT, Outlook, look_at
from perfgate.trend.series import ROLLING_NS, Series


@dataclass(frozen=True, slots=True)
class Course:
    """sessions: of one series, the oldest first. newest: no later session measured the same competitor and metric in another
    series, which another version, host or scenario begins."""

    sessions: tuple[Tracked, ...]
    outlook: Outlook
    newest: bool

    @property
    def title(self) -> str:
        last = self.sessions[-1]
        return f"{last.metric} against {last.competitor} {last.version}".strip()


def courses(tracked: Sequence[Tracked], limit: float = MONTHLY_LIMIT, window_ns: float = ROLLING_NS) -> list[Course]:
    """Of the judged metrics; INVALID sessions are left out. Ratios are ours over theirs: growth is worse for us, whatever the
    metric. Newest series first, then by competitor and metric."""
    groups: dict[str, list[Tracked]] = {}
    for one in sorted(tracked, key=lambda one: one.wall_ns):
        if one.judged and one.verdict != "INVALID":
            groups.setdefault(one.series, []).append(one)
    last: dict[tuple[str, ...], str] = {}
    for series, sessions in sorted(groups.items(), key=lambda item: item[1][-1].wall_ns):
        last[_what(sessions[-1])] = series
    shown = len(last)
    found = [
        Course(
            tuple(sessions), look_at(_series(sessions), max(1, shown), limit, window_ns, changes=False),
            last[_what(sessions[-1])] == series,
        )
        for series, sessions in groups.items()
    ]  # fmt: skip
    return sorted(found, key=lambda one: (not one.newest, one.sessions[-1].competitor, one.sessions[-1].metric))


def _what(one: Tracked) -> tuple[str, ...]:
    return one.scenario, one.ours, one.competitor, one.metric


def _series(sessions: Sequence[Tracked]) -> Series:
    last = sessions[-1]
    return Series(
        metric=f"{last.metric} against {last.competitor} {last.version}".strip(),
        anchor=f"{last.competitor} {last.version}".strip(),
        commits=tuple(one.ours_version for one in sessions),
        times_ns=np.array([one.wall_ns for one in sessions], dtype=np.float64),
        values=np.array([one.mean for one in sessions], dtype=np.float64),
        covariance=np.diag([max(one.se, 1e-6) ** 2 for one in sessions]),
    )
