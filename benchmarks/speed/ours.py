"""One run of perfgate's real worker process, with everything on, as a command like the peers'.

`python -m benchmarks.speed.ours --kind get --port 8080 --rate 1000 --seconds 4` prints one line of JSON. CPU time is
that of the worker while it plays and of this process, which takes its intervals as an agent does; both have started
before.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perfgate_agent.messages import Failed, Finished, IntervalMessage, Prepare
from perfgate_agent.worker import WorkerHandle

from perfgate.address import Address
from perfgate.dataset import build_dataset
from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.plan import LANES, Plan
from perfgate.scenario import parse_scenario
from perfgate.scenario.model import MAX_STORE_POOL
from perfgate.segment import Arm, Segment, SegmentKind

CLOSED_RATE = 200_000
"""Requests the plan holds for each second of a closed loop, which takes them in their order: more than nginx answers."""
LEAD_NS = 300_000_000
CACHE = Path(".perfgate/bench/cache")
MIX = {"store_weight": 0.35, "recall_weight": 0.35, "embedding_search_weight": 0.3}


@dataclass(frozen=True, slots=True)
class Order:
    """kind: `get` (one path, a small reply) or `mix` (the seed's operations over vectors of 768 floats). rate: None
    for a closed loop over all connections. warmup_s is played first and not recorded; a closed loop has none."""

    kind: str
    port: int
    rate: float | None
    seconds: float
    warmup_s: float = 1.0
    connections: int = 32
    cache: Path = CACHE


@dataclass(slots=True)
class Played:
    """What came back. driver_cpu_s: CPU time of this process meanwhile."""

    order: Order
    report: LoadReport
    intervals: list[Interval] = field(default_factory=list)
    driver_cpu_s: float = 0.0

    @property
    def measured(self) -> Interval:
        number = segments_of(self.order)[-1].number
        return Interval.merge([one for one in self.intervals if one.segment == number])


def plan_of(order: Order) -> Plan:
    """A pure function of the order; all rates of one kind share a data set."""
    rate = order.rate or CLOSED_RATE
    small = order.kind == "get"
    document: dict[str, Any] = {
        "name": f"bench {order.kind}",
        "duration": {"total_seconds": max(order.warmup_s + order.seconds, 1.01 * MAX_STORE_POOL / rate)},
        "arrival": {"pattern": "constant", "rate": float(rate)},
        "operations": {"recall_weight": 1} if small else MIX,
        "data": {"num_nodes": 100, "embedding_dim": 8} if small else {"num_nodes": 10_000, "embedding_dim": 768},
        "connection": {"connections": order.connections},
    }
    return Plan(parse_scenario(document))


def target_of(order: Order) -> str:
    document: dict[str, Any] = {"name": "bench", "adapter": "http_get"}
    if order.kind == "mix":
        document = {"name": "bench", "adapter": "engram", "options": {"threshold": 0.0}}
    return json.dumps(document)


def segments_of(order: Order) -> tuple[Segment, ...]:
    warm, end = round(order.warmup_s * 1e9), round((order.warmup_s + order.seconds) * 1e9)
    if order.rate is None:
        return (Segment(0, Arm.BASE, SegmentKind.MEASURED, -1, 0, end - warm, 0),)
    return (
        Segment(0, Arm.BASE, SegmentKind.WARMUP, -1, 0, warm, 0),
        Segment(1, Arm.BASE, SegmentKind.MEASURED, -1, warm, end, warm),
    )


def prepare_of(order: Order) -> Prepare:
    """What an agent would say to its worker; the data set is there afterwards."""
    plan = plan_of(order)
    order.cache.mkdir(parents=True, exist_ok=True)
    build_dataset(plan.scenario, plan.seed, order.cache, plan.store_pool, plan.num_queries)
    return Prepare(
        scenario_json=plan.scenario.source, seed=plan.seed, target_json=target_of(order), cache_dir=str(order.cache),
        lanes=tuple(range(LANES)), addresses={Arm.BASE: Address("127.0.0.1", order.port)}, segments=segments_of(order),
        connections=order.connections, closed_loop=order.rate is None,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def prepared_worker(order: Order) -> AsyncIterator[WorkerHandle]:
    """Ready to start. It stays where this process is pinned."""
    worker = await WorkerHandle.spawn("bench", ())
    try:
        await worker.prepare(prepare_of(order))
        yield worker
    finally:
        await worker.kill()


async def play(worker: WorkerHandle, order: Order, heard: Callable[[Interval], None] | None = None) -> Played:
    """The whole run; `heard` gets the intervals where they are not to be kept."""
    kept: list[Interval] = []
    before = _own_cpu_s()
    worker.start_at(time.monotonic_ns() + LEAD_NS)
    async for message in worker.messages():
        if isinstance(message, IntervalMessage):
            (heard or kept.append)(message.interval)
        elif isinstance(message, Finished):
            return Played(order, message.report, kept, _own_cpu_s() - before)
        elif isinstance(message, Failed):
            raise SystemExit(f"ours: {message.text}")
    raise SystemExit("ours: the worker ended in the middle of the load")


def summary(played: Played) -> dict[str, Any]:
    """One flat document of a run, as benchmarks.speed.reading reads it, and more."""
    order, report, measured = played.order, played.report, played.measured
    response = Histogram.merge([part.response for part in measured.operations.values()])
    service = Histogram.merge([part.service for part in measured.operations.values()])
    worker_cpu_s = report.cpu_ns / 1e9
    seconds = order.seconds
    if order.rate is not None:
        seconds = (max(measured.end_ns, measured.last_done_ns) - measured.start_ns) / 1e9
    return {
        "completed": measured.completed,
        "failed": measured.failures,
        "seconds": seconds,
        "p50_ms": _ms(response, 0.5),
        "p99_ms": _ms(response, 0.99),
        # Of the measured part, by its share of all requests: warm-up requests cost as much as any other.
        "cpu_s": (worker_cpu_s + played.driver_cpu_s) * measured.completed / max(1, report.completed),
        "all_completed": report.completed,
        "worker_cpu_share": worker_cpu_s / (worker_cpu_s + played.driver_cpu_s),
        "threads_s": {thread.name: thread.run_ns / 1e9 for thread in report.usage.threads},
        "scheduling": report.usage.scheduling,
        "peak_rss_mib": report.usage.peak_rss_bytes / 2**20,
        "due": measured.due,
        "sent": measured.sent,
        "service_p50_ms": _ms(service, 0.5),
        "service_p99_ms": _ms(service, 0.99),
        "lag_us": {str(q): _us(measured.lag, q) for q in (0.5, 0.9, 0.99, 0.999, 1.0)},
        "waited": measured.wait.total,
        "wait_p99_us": _us(measured.wait, 0.99),
        "saturated": report.saturated,
        "involuntary_switches": report.usage.involuntary_switches,
        "examples": list(measured.examples),
    }


def _ms(histogram: Histogram, q: float) -> float | None:
    return histogram.quantile(q) / 1e6 if histogram.total else None


def _us(histogram: Histogram, q: float) -> float | None:
    return histogram.quantile(q) / 1e3 if histogram.total else None


def _own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def traced(pid: int, path: str | None) -> Any:
    """Counts the worker's system calls into a file while the block runs."""
    if path is None:
        yield
        return
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", path, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    tracer.stderr.readline()  # `Process N attached`
    try:
        yield
    finally:
        tracer.terminate()
        tracer.wait()


async def _main(order: Order, strace: str | None) -> dict[str, Any]:
    async with prepared_worker(order) as worker:
        with traced(worker.pid, strace):
            return summary(await play(worker, order))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("get", "mix"), default="get")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=None, help="requests a second; without it a closed loop")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--strace", metavar="FILE", default=None, help="count the worker's system calls into FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    given = parse()
    wanted = Order(given.kind, given.port, given.rate, given.seconds, given.warmup, given.connections, given.cache)
    print(json.dumps(asyncio.run(_main(wanted, given.strace))))
