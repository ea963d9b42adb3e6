"""One controller, on one processor, with so many agents: perfgate's own links, collector and log."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from perfgate_controller.collect import Collector
from perfgate_controller.link import AgentLink
from perfgate_controller.member import SHARED, Member
from perfgate_controller.thinned import ThinLog

from benchmarks.scale.agents import address_of
from perfgate.errors import FleetError
from perfgate.interval import Interval
from perfgate.interval_log import IntervalWriter
from perfgate.scenario import load_scenario
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.load import load_target
from perfgate.targets.model import Target
from perfgate.units import NS_PER_MS, NS_PER_S

ROOT = Path(__file__).resolve().parent.parent.parent
OPENING = 32
"""Agents that are dialled at once."""
AFTER_S = 20
"""How long what is late may take to come in."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """cpu: of one processor, from the start of the load to the last interval. delay: from an interval's end until it is merged
    and logged. expected, taken: intervals. lost: agents that fell silent for longer than the controller bears."""

    agents: int
    seconds: int
    cpu: float
    rss_mb: float
    delay_p50_ms: float
    delay_p99_ms: float
    delay_max_ms: float
    expected: int
    taken: int
    lost: int
    log_mb: float
    merged: int


class Watched:
    """Intervals on their way into the collector, with how late each was there."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self.delays_ns: list[int] = []
        self.start_ns = self.last_ns = self.used_ns = 0

    def take(self, interval: Interval) -> None:
        self._collector.take(interval)
        self.last_ns, self.used_ns = time.monotonic_ns(), time.process_time_ns()
        self.delays_ns.append(self.last_ns - self.start_ns - interval.end_ns)


async def follow(agents: int, port: int, seconds: int) -> Outcome:
    scenario = load_scenario(ROOT / "scenarios/ci/quick.toml")
    target = load_target(ROOT / "targets/embedded.toml")
    segments = (Segment(0, Arm.BASE, SegmentKind.MEASURED, 0, 0, seconds * NS_PER_S, 0),)
    links = [AgentLink(Member(address_of(agent, port)), None, SHARED) for agent in range(agents)]
    gate = asyncio.Semaphore(OPENING)
    with tempfile.TemporaryDirectory() as name, IntervalWriter(Path(name) / "intervals.jsonl") as log:
        thin = ThinLog(lambda interval: log.append(0, interval), seconds * NS_PER_S)
        collector = Collector(segments, thin.take)
        watched = Watched(collector)
        await asyncio.gather(*(_open(link, n, gate, scenario, target, segments) for n, link in enumerate(links)))
        for link in links:
            link.on_interval = watched.take
        watched.start_ns = time.monotonic_ns() + (1 + agents // 200) * NS_PER_S
        await asyncio.gather(*(link.start_at(watched.start_ns) for link in links))
        await asyncio.sleep(max(0, watched.start_ns - time.monotonic_ns()) / NS_PER_S)
        before_ns = time.process_time_ns()
        await _until_all(links, seconds)
        used_ns, took_ns = watched.used_ns - before_ns, max(1, watched.last_ns - watched.start_ns)
        merged = collector.segment(0).total
        delays = sorted(watched.delays_ns) or [0]
        outcome = Outcome(
            agents=agents, seconds=seconds, cpu=used_ns / took_ns,
            rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            delay_p50_ms=delays[len(delays) // 2] / NS_PER_MS, delay_p99_ms=delays[int(len(delays) * 0.99)] / NS_PER_MS,
            delay_max_ms=delays[-1] / NS_PER_MS, expected=agents * seconds, taken=len(watched.delays_ns),
            lost=sum(link.lost is not None for link in links), log_mb=log.path.stat().st_size / 1e6, merged=merged,
        )  # fmt: skip
    await asyncio.gather(*(link.close() for link in links), return_exceptions=True)
    return outcome


async def _open(
    link: AgentLink, number: int, gate: asyncio.Semaphore, scenario: Scenario, target: Target, segments: Any
) -> None:
    async with gate:
        link.dial_s = 30
        await link.describe()
        await link.hold("scale", str(number))
        await link.prepare_load(scenario, 1, target, {}, segments, (), 1)


async def _until_all(links: list[AgentLink], seconds: int) -> None:
    """Until each has said that its load is over, or is lost."""
    finished = [asyncio.ensure_future(link.finished()) for link in links]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds + AFTER_S):
            await asyncio.gather(*(_one(one) for one in finished))


async def _one(finished: asyncio.Future[Any]) -> None:
    with contextlib.suppress(FleetError):
        await finished


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("agents", "port", "seconds", "cpu"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {given.cpu})
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    print(json.dumps(asdict(asyncio.run(follow(given.agents, given.port, given.seconds)))))


if __name__ == "__main__":
    main()
