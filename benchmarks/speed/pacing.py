"""Pacing error against rate, up to where the worker or the server saturates."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TextIO

from benchmarks.speed.chart import Series, log_log_chart
from benchmarks.speed.launch import ToolError
from benchmarks.speed.rounds import Run, Setting, run_once
from benchmarks.speed.tools import OURS, TOOLS, Job

RATES = (200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 40_000, 50_000, 60_000, 80_000, 100_000)
SATURATED_LAG_US = 10_000.0
HELD = 0.99
FIELDS = ("rate", "achieved", "lag_p50_us", "lag_p90_us", "lag_p99_us", "lag_p999_us", "lag_max_us", "waited_share",
          "response_p99_us", "cpu_us")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Point:
    """One rate: what was reached, and by how much sends were late. waited_share: requests that waited for a free
    connection, which is the server's doing."""

    rate: float
    achieved: float
    lag_p50_us: float
    lag_p90_us: float
    lag_p99_us: float
    lag_p999_us: float
    lag_max_us: float
    waited_share: float
    response_p99_us: float
    cpu_us: float

    @property
    def saturated(self) -> bool:
        return self.achieved < HELD * self.rate or self.lag_p99_us > SATURATED_LAG_US


def point_of(run: Run, rate: float) -> Point:
    lag, sent = run.details["lag_us"], max(1, run.details["sent"])
    return Point(
        rate, run.reading.rate, lag["0.5"], lag["0.9"], lag["0.99"], lag["0.999"], lag["1.0"],
        run.details["waited"] / sent, 1e3 * (run.reading.p99_ms or 0.0), run.cpu_us,
    )  # fmt: skip


def climb(setting: Setting, job: Job, rates: Sequence[float] = RATES) -> list[Point]:
    """Rate after rate, ending with the first that saturates."""
    points: list[Point] = []
    for rate in rates:
        try:
            run = run_once(setting, TOOLS[OURS], replace(job, rate=float(rate)), 0)
        except ToolError as error:
            raise ToolError(f"pacing at {rate}/s: {error}") from error
        assert run is not None
        points.append(point_of(run, rate))
        if points[-1].saturated:
            break
    return points


def write_csv(file: TextIO, points: Sequence[Point]) -> None:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(FIELDS)
    rows.writerows([f"{getattr(point, name):.6g}" for name in FIELDS] for point in points)


def draw(points: Sequence[Point]) -> str:
    """SVG."""
    names = (("p50", "lag_p50_us"), ("p99", "lag_p99_us"), ("p99.9", "lag_p999_us"), ("max", "lag_max_us"))
    series = [Series(label, [(point.rate, getattr(point, name)) for point in points]) for label, name in names]
    ends = f"saturates at {points[-1].rate:,.0f}/s" if points[-1].saturated else f"holds {points[-1].rate:,.0f}/s"
    return log_log_chart(
        f"Pacing error of one worker, small GET: {ends}", "requests a second", "send lag, µs", series
    )  # fmt: skip
