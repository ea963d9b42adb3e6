"""A pair: one process of each build, loaded with the same requests, in alternation or (in a duet) both at once. The unit of
the statistics, unless a process serves several (`start`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perfgate.interval import Interval
from perfgate.segment import Arm
from perfgate.worker_load import WorkerLoad


@dataclass(frozen=True, slots=True)
class Couple:
    """Two slices, one of each arm, with the same window of the plan; `first` is the arm that was loaded first (BASE
    in a duet, where neither was).

    `dropped` is empty for a usable couple, otherwise why it does not count (a rule that cannot see which build ran).
    """

    number: int
    first: Arm
    base: Interval
    candidate: Interval
    dropped: str = ""

    def arm(self, arm: Arm) -> Interval:
        return self.base if arm is Arm.BASE else self.candidate


@dataclass(frozen=True, slots=True)
class Pair:
    """The measured couples of one pair, in order of time, and under what conditions they were taken.

    start_ns: how long each arm's process took from exec to ready. ports, cpus: what each arm was given, decided by
    permuted blocks of four from the seed. warmup: the discarded warm-up of each arm, kept for the capacity check.
    """

    number: int
    couples: tuple[Couple, ...]
    warmup: Mapping[Arm, Interval]
    start_ns: Mapping[Arm, int]
    ports: Mapping[Arm, int]
    cpus: Mapping[Arm, tuple[int, ...]]
    steal_fraction: float = 0.0
    """Share of the pair's CPU time that the hypervisor took away."""
    workers: tuple[WorkerLoad, ...] = ()
    """The load generator in this pair, over all its measured slices."""
    start: int | None = None
    """Which couple of processes served it, where one serves several pairs; None: two of its own."""
    load: int | None = None
    """Which loading of the data its processes serve copies of, 0 being the first; None: theirs alone."""

    @property
    def usable(self) -> tuple[Couple, ...]:
        return tuple(couple for couple in self.couples if not couple.dropped)

    def total(self, arm: Arm) -> Interval:
        """All measured slices of one arm as one interval. Raises ValueError when no couple is usable."""
        import dataclasses

        return Interval.merge(dataclasses.replace(couple.arm(arm), segment=0) for couple in self.usable)
