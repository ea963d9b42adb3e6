#!/usr/bin/env python3
"""Whether the worker's memory stays as it is: `python -m benchmarks.speed.memory --minutes 20`.

The seed's mix at 5,000 requests a second against nginx; the worker's memory is read every second from
/proc/PID/status. RssAnon is what it has allocated; RssFile and RssShmem are pages of files, which the kernel may take
back: programs, libraries, and what is mapped of the data set. Writes the readings as CSV, and the fit to JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.speed.launch import TOOL_CPU
from benchmarks.speed.machine import describe
from benchmarks.speed.nginx import running_nginx
from benchmarks.speed.ours import Order, play, prepared_worker
from benchmarks.speed.results import write_results
from benchmarks.speed.slope import Slope, fit_slope
from perfgate.histogram import Histogram
from perfgate.interval import Interval

FIELDS = ("VmRSS", "RssAnon", "RssFile", "RssShmem", "VmHWM")
SETTLE_S = 60.0


def read_status(pid: int | str) -> tuple[int, ...]:
    """KiB of each of FIELDS."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if name in FIELDS}
    return tuple(found[name] for name in FIELDS)


async def sample(pid: int, began: float, readings: list[tuple[float, ...]]) -> None:
    """Once a second, until it is cancelled."""
    while True:
        readings.append((time.monotonic() - began, *read_status(pid)))
        await asyncio.sleep(1.0)


class Totals:
    """What the intervals add up to: kept as sums, so that this process does not grow either."""

    def __init__(self) -> None:
        self.due = self.sent = self.completed = self.failed = 0
        self.lag = Histogram.empty()

    def add(self, interval: Interval) -> None:
        self.due += interval.due
        self.sent += interval.sent
        self.completed += interval.completed
        self.failed += interval.failures
        self.lag += interval.lag


async def measure(order: Order) -> tuple[list[tuple[float, ...]], Totals]:
    """The readings, of the whole run, and what was sent meanwhile."""
    readings: list[tuple[float, ...]] = []
    totals = Totals()
    async with prepared_worker(order) as worker:
        sampler = asyncio.ensure_future(sample(worker.pid, time.monotonic(), readings))
        try:
            await play(worker, order, totals.add)
        finally:
            sampler.cancel()
    return readings, totals


def evaluate(readings: list[tuple[float, ...]], totals: Totals, settle_s: float) -> dict[str, Any]:
    later = [one for one in readings if one[0] >= settle_s]
    minutes = [one[0] / 60 for one in later]
    blocks = max(6, min(40, round(minutes[-1] - minutes[0])))
    anon: Slope = fit_slope(minutes, [one[2] for one in later], blocks)
    return {
        "minutes": readings[-1][0] / 60,
        "due": totals.due, "sent": totals.sent, "completed": totals.completed, "failed": totals.failed,
        "lag_p99_us": totals.lag.quantile(0.99) / 1e3,
        "slope_kib_a_minute": asdict(anon) | {"flat": anon.flat},
        "anonymous_mib": {"first": later[0][2] / 1024, "last": later[-1][2] / 1024,
                          "peak": max(one[2] for one in readings) / 1024},
        "file_mib": {"first": later[0][3] / 1024, "last": later[-1][3] / 1024},
        "rss_peak_mib": readings[-1][5] / 1024,
    }  # fmt: skip


def show(result: dict[str, Any]) -> str:
    slope, anon = result["slope_kib_a_minute"], result["anonymous_mib"]
    verdict = "not different from 0" if slope["flat"] else "different from 0"
    return (
        f"{result['minutes']:.1f} min, {result['completed']:,} requests ({result['failed']} failed), "
        f"lag p99 {result['lag_p99_us']:.0f} us\n"
        f"anonymous memory {anon['first']:.1f} MiB after the first minute, {anon['last']:.1f} at the end, peak "
        f"{anon['peak']:.1f}; files {result['file_mib']['first']:.1f} to {result['file_mib']['last']:.1f}; peak of all "
        f"{result['rss_peak_mib']:.1f} MiB\n"
        f"slope {slope['value']:+.2f} KiB a minute, 95 % interval {slope['low']:+.2f} to {slope['high']:+.2f} "
        f"({slope['blocks']} blocks): {verdict}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=5000.0)
    parser.add_argument("--kind", choices=("get", "mix"), default="mix")
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="seconds at the start that are not fitted")
    parser.add_argument("--json", type=Path, default=Path(".perfgate/bench/memory.json"))
    parser.add_argument("--docs", type=Path, default=None, metavar="FILE", help="write the figures into this page, too")
    given = parser.parse_args()
    if given.minutes * 60 < given.settle + 12:
        print(f"memory: --minutes {given.minutes:g} leaves nothing to fit after --settle {given.settle:g} s: give more",
              file=sys.stderr)  # fmt: skip
        return 3
    with tempfile.TemporaryDirectory() as directory, running_nginx(Path(directory)) as nginx:
        os.sched_setaffinity(0, {TOOL_CPU})
        port = nginx.get_port if given.kind == "get" else nginx.mix_port
        order = Order(given.kind, port, given.rate, given.minutes * 60)
        readings, totals = asyncio.run(measure(order))
    result = evaluate(readings, totals, given.settle)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    with given.json.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file).writerows([("seconds", *FIELDS), *readings])
    given.json.write_text(json.dumps(describe() | {"rate": given.rate, "kind": given.kind} | result, indent=1) + "\n")
    print(show(result))
    if given.docs:
        write_results(given.docs, {"memory": f"```\n{show(result)}\n```"}, describe(), f"{given.minutes:g} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
