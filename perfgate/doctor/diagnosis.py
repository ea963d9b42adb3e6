"""Everything the doctor found, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from perfgate.doctor.check import Check, State
from perfgate.doctor.echo_load import EchoResult
from perfgate.doctor.own_error import OwnError
from perfgate.doctor.resolution import Sight
from perfgate.doctor.spectrum import Octave, Period
from perfgate.doctor.stillness import Stillness
from perfgate.gate.policy import Policy
from perfgate.units import format_duration, format_percent


class Fitness(StrEnum):
    """The value is the first word of the page."""

    FIT = "FIT"
    COARSE = "COARSE"
    UNFIT = "UNFIT"

    @property
    def exit_code(self) -> int:
        """In the same table as a gate's: 0 good, 3 nothing can be said, 4 not decided for small changes."""
        return {Fitness.FIT: 0, Fitness.COARSE: 4, Fitness.UNFIT: 3}[self]


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Of one processor's interruptions."""

    octaves: tuple[Octave, ...]
    period: Period | None


@dataclass(frozen=True, slots=True)
class Subject:
    """What the host was examined for. scenario: its name, or empty. store_p99_ns: of the store by which fitness is told.
    seconds: how long each of the two measurements was asked to last."""

    scenario: str
    operations: int
    rate: float
    seconds: float
    workers: int
    policy: Policy
    store_p99_ns: int
    host: str
    cpu: str
    started_wall_ns: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """checks: what was read and what was measured, in the order in which they are shown. spectra: one each processor in
    `stillness`. sights: by imagined store and policy. stolen: share of all processors' time; None: not told."""

    subject: Subject
    checks: tuple[Check, ...]
    stillness: Stillness
    spectra: tuple[Spectrum, ...]
    stolen: float | None
    echo: EchoResult | None
    own: OwnError | None
    sights: tuple[Sight, ...]
    fitness: Fitness
    reasons: tuple[str, ...]


def reference(sights: tuple[Sight, ...], subject: Subject) -> Sight | None:
    """The sight by which fitness is told: the scenario's own policy and the expected p99."""
    for sight in sights:
        if (sight.policy, sight.store_p99_ns) == (subject.policy.name, subject.store_p99_ns):
            return sight
    return None


def judge_fitness(
    subject: Subject, checks: tuple[Check, ...], sights: tuple[Sight, ...], echo_problem: str = ""
) -> tuple[Fitness, tuple[str, ...]]:
    """(fitness, why). UNFIT: the scenario cannot be run here, or the generator cannot hold it. COARSE: it can, but something
    is bad, or the gate would not see what its margin asks for (times `operation_margin_factor`)."""
    if echo_problem:
        return Fitness.UNFIT, (echo_problem,)
    forbidding = tuple(f"{check.name}: {check.found}" for check in checks if check.forbids)
    if forbidding:
        return Fitness.UNFIT, forbidding
    reasons = [f"{check.name}: {check.found}" for check in checks if check.state is State.BAD]
    reasons += _too_coarse(subject, reference(sights, subject))
    return (Fitness.COARSE if reasons else Fitness.FIT), tuple(reasons)


def _too_coarse(subject: Subject, seen: Sight | None) -> list[str]:
    policy = subject.policy
    if seen is None:
        return ["too few couples of slices could be used to tell what a gate would see: give more --seconds"]
    limit = policy.margin * policy.operation_margin_factor
    here, silent = seen.here[policy.primary], seen.silent[policy.primary]
    if here is not None and here <= limit:
        return []
    what = (
        f"a {policy.primary} of {format_duration(subject.store_p99_ns)}" if policy.primary == "p99" else policy.primary
    )
    sees = "nothing" if here is None else f"{format_percent(here)} and more"
    text = f"{policy.name} policy: of {what} it sees {sees}, where at most {format_percent(limit)} is wanted"
    if silent is None or silent > limit:
        text += "; so it would on a silent host, as there are too few requests: raise [arrival] rate"
    return [text]
