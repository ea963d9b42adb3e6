"""A bisection from its first gate, or from where it was interrupted, to its end. What measures is given to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from perfgate.bisect.journal import Journal
from perfgate.bisect.lineage import Lineage
from perfgate.bisect.reading import Answer, Reading
from perfgate.bisect.search import Known, Measure, Settings, Step, next_step
from perfgate.errors import InputError, PerfgateError

SPOILT_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """readings: by metric."""

    readings: dict[str, Reading]
    directory: Path = Path()


@dataclass(frozen=True, slots=True)
class Unbuildable:
    """The commit cannot be built, or does not start; why: the first line of what was said."""

    sha: str
    why: str


@dataclass(frozen=True, slots=True)
class Spoilt:
    """The gate says nothing (INVALID)."""

    why: str


class Gates(Protocol):
    """Builds and gates two commits. Raises InputError for what no other gate would mend."""

    def measure(self, step: Measure) -> Measured | Unbuildable | Spoilt: ...


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """The next gate would not fit into the time limit."""

    known: Known


class SpoiltError(PerfgateError):
    """Several gates in a row said nothing."""


Told = Callable[[Known, Measure], None]
Enough = Callable[[int], bool]


def hunt(
    lineage: Lineage, journal: Journal, gates: Gates, settings: Settings, told: Told, enough: Enough
) -> tuple[Known, Step | OutOfTime]:
    """told: what is known, and what is done next. enough: whether there is time for a gate of so many pairs. Raises
    InputError where GOOD or BAD cannot be built or the metric does not exist, SpoiltError after gates in a row that said
    nothing. The journal holds everything until then."""
    known, spoilt = journal.read(lineage), 0
    while True:
        step = _next(known, settings)
        if not isinstance(step, Measure):
            return known, step
        if not enough(step.pairs):
            return known, OutOfTime(known)
        told(known, step)
        began_ns = time.monotonic_ns()
        result = gates.measure(step)
        match result:
            case Measured(readings, directory):
                spoilt = 0
                answer = Answer(step.base, step.candidate, readings)
                journal.add_answer(answer, time.monotonic_ns() - began_ns, directory)
            case Unbuildable(sha, why):
                if sha in (lineage.good, known.bad):
                    name = "GOOD" if sha == lineage.good else "BAD"
                    raise InputError(
                        f"{name} {sha[:12]} cannot be built or started, so nothing can be compared with it: {why}"
                    )
                journal.add_unbuildable(sha, why)
            case Spoilt(why):
                spoilt += 1
                if spoilt == SPOILT_IN_A_ROW:
                    raise SpoiltError(
                        f"{spoilt} gates in a row cannot be used: {why}; mend that, then go on with --resume"
                    )
        known = journal.read(lineage)


def _next(known: Known, settings: Settings) -> Step:
    try:
        return next_step(known, settings)
    except KeyError:
        names = ", ".join(dict.fromkeys(name for one in known.answers for name in one.readings)) or "none"
        raise InputError(f"--metric {settings.metric!r}: no gate measured it; there are: {names}") from None
