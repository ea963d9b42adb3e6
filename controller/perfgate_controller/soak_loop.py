"""Looks on while a long run lasts: periods, samples of the store, events, and a checkpoint each period."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import FleetError, PerfgateError
from perfgate.interval import Interval
from perfgate.progress import Note, Progress
from perfgate.soak import checkpoint
from perfgate.soak.checkpoint import Checkpoint
from perfgate.soak.events import Event, Events
from perfgate.soak.findings import findings
from perfgate.soak.periods import Periods
from perfgate.units import NS_PER_S, format_bytes, format_count, format_duration
from perfgate_controller.link import AgentLink

LATE_NS = 15 * NS_PER_S
"""A period is reported so long after its end: late replies and slow streams have come in by then."""
SAMPLES_A_PERIOD = 30
SAMPLE_LEAST_S = 0.2


@dataclass(frozen=True, slots=True)
class SoakTerms:
    """What a soak is called, and how it is reported. every_ns: the length of a period at first. warmup_ns: before the run's
    measured time. late_ns: after a period's end, when it is reported."""

    name: str
    target: str
    build: str
    seed: int
    duration_ns: int
    warmup_ns: int
    every_ns: int
    directory: Path
    lag_limit_ns: float
    late_ns: int = LATE_NS


class SoakWatcher:
    """A Watcher of LoadRun. report: is told each checkpoint that was written."""

    def __init__(
        self, terms: SoakTerms, progress: Progress, report: Callable[[Checkpoint], None] = lambda one: None
    ) -> None:
        self._terms = terms
        self._progress = progress
        self._report = report
        self._periods = Periods(terms.every_ns)
        self._events = Events(terms.lag_limit_ns)
        self._began_ns = 0
        self._began_wall_ns = time.time_ns()
        self._unsampled = 0

    def take(self, interval: Interval) -> None:
        """On the clock of the measured time, which begins after the warm-up."""
        shifted = dataclasses.replace(
            interval, start_ns=interval.start_ns - self._terms.warmup_ns, end_ns=interval.end_ns - self._terms.warmup_ns
        )
        self._periods.take(shifted)
        self._events.take(shifted)

    def ended(self, text: str) -> None:
        at_ns = self._elapsed_ns()
        self._events.add(Event("store ended", at_ns, at_ns, text=text))

    @contextlib.asynccontextmanager
    async def watching(self, host: AgentLink, handle: int | None) -> AsyncIterator[None]:
        """Samples and reports while the block runs."""
        self._began_ns = time.monotonic_ns() + self._terms.warmup_ns
        tasks = [asyncio.ensure_future(self._reporting())]
        if handle is not None:
            tasks.append(asyncio.ensure_future(self._sampling(host, handle)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def checkpoint(self, state: str) -> Checkpoint:
        """All that is known now; of a run that goes on, its whole periods alone."""
        terms, elapsed = self._terms, self._elapsed_ns()
        running = state == "running"
        periods = self._periods.before(elapsed - terms.late_ns) if running else self._periods.all()
        return Checkpoint(
            name=terms.name, target=terms.target, build=terms.build, seed=terms.seed,
            started_wall_ns=self._began_wall_ns, written_wall_ns=time.time_ns(),
            elapsed_ns=min(elapsed, terms.duration_ns) if state in ("running", "ended") else elapsed,
            duration_ns=terms.duration_ns, period_ns=self._periods.length_ns, state=state,
            periods=checkpoint.as_lines(periods), findings=tuple(findings(periods, self._periods.length_ns)),
            events=tuple(self._events.kept), events_dropped=self._events.dropped,
        )  # fmt: skip

    def write(self, state: str) -> Checkpoint:
        """To the run's directory. Raises PerfgateError where there is no room."""
        made = self.checkpoint(state)
        try:
            checkpoint.write(self._terms.directory, made)
        except OSError as error:
            raise PerfgateError(f"{self._terms.directory}: {error.strerror}; make room") from error
        self._report(made)
        return made

    def _elapsed_ns(self) -> int:
        return max(0, time.monotonic_ns() - self._began_ns) if self._began_ns else 0

    async def _reporting(self) -> None:
        """A checkpoint after each period. One that cannot be written is told, and the run goes on."""
        self._try_write()
        while True:
            length_ns = self._periods.length_ns
            since_ns = self._elapsed_ns() - self._terms.late_ns
            await asyncio.sleep((length_ns - since_ns % length_ns) / NS_PER_S)
            self._try_write()

    def _try_write(self) -> None:
        try:
            made = self.write("running")
        except PerfgateError as error:
            self._progress.handle(Note(f"no checkpoint: {error}"))
            return
        if made.periods:
            self._progress.handle(Note(_told(made)))

    async def _sampling(self, host: AgentLink, handle: int) -> None:
        """The store, SAMPLES_A_PERIOD times a period. One that ends meanwhile is the run's matter."""
        while True:
            every_s = max(SAMPLE_LEAST_S, self._periods.length_ns / SAMPLES_A_PERIOD / NS_PER_S)
            with contextlib.suppress(FleetError, PerfgateError):
                taken = await host.sample_store(handle)
                at_ns = time.monotonic_ns() - self._began_ns
                if at_ns >= 0:
                    self._periods.sample(dataclasses.replace(taken, at_ns=at_ns))
            await asyncio.sleep(every_s)


def _told(made: Checkpoint) -> str:
    """The newest period in a line, and what rises."""
    last = made.periods[-1]
    seconds = max(1e-9, (last.end_ns - last.start_ns) / NS_PER_S)
    times = ", ".join(f"{name} {format_duration(p99)}" for name, (_, p99) in last.quantiles_ns.items())
    memory = f", memory {format_bytes(last.rss_bytes)}" if last.rss_bytes else ""
    rising = "; rising: " + ", ".join(one.what for one in made.rising) if made.rising else ""
    return (
        f"after {format_duration(made.elapsed_ns)}: {format_count(last.completed / seconds)} replies/s, "
        f"{format_count(last.failed)} failed, p99 {times}{memory}{rising}"
    )
