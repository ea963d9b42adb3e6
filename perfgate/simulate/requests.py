"""Layer 1, requests: what queues and sampling alone make of slices of load on two builds with the same arrivals.

Each operation has two workers with Poisson arrivals; service times are lognormal, half of their log variance belongs to
the query and is the same for both builds; first come, first served; stop-the-world pauses hit all workers of a process.
All arrays are rows of one worker's slice: (rows, columns), a column a request.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORKERS = 2
MEAN_SERVICE_S = 0.002
SERVICE_SD = 0.6
PART_SD = SERVICE_SD / math.sqrt(2)
PAUSE_RATE = 0.15
PAUSE_MEDIAN_S = 0.006
PAUSE_SD = 0.4
LOG_MEDIAN_S = math.log(MEAN_SERVICE_S) - SERVICE_SD**2 / 2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """time, gap: of each request, in s from the slice's start and from the one before; query: its part of the log
    service time; counts: whether it lies in the slice. float64 and bool (rows, columns)."""

    time: Floats
    gap: Floats
    query: Floats
    counts: NDArray[np.bool_]
    slice_s: float


def arrivals(rows: int, rate: float, slice_s: float, random: np.random.Generator) -> Arrivals:
    """Poisson arrivals at `rate` a second and worker."""
    expected = rate * slice_s
    columns = int(np.ceil(expected + 6 * np.sqrt(expected) + 6))
    gap = random.standard_exponential((rows, columns)) / rate
    time = gap.cumsum(axis=1)
    return Arrivals(time, gap, random.standard_normal((rows, columns)) * PART_SD, time < slice_s, slice_s)


def service_times(of: Arrivals, random: np.random.Generator) -> Floats:
    """In s, for one build: the query's part and the system's own."""
    times: Floats = np.exp(LOG_MEDIAN_S + of.query + random.standard_normal(of.query.shape) * PART_SD)
    return times


def responses(of: Arrivals, service: Floats, pauses: Floats) -> Floats:
    """Response times in s (rows, columns): wait + service, by Lindley's recursion W' = max(0, W + S - A), which is what
    a running sum lies above its minimum so far. pauses: see `draw_pauses`."""
    response = _lindley(of.gap, service)
    paused = np.flatnonzero(pauses[:, 0] < of.slice_s)
    if len(paused):
        response[paused] = _paused(of.time[paused], service[paused], pauses[paused])
    return response


def draw_pauses(processes: int, rows_each: int, slice_s: float, random: np.random.Generator) -> Floats:
    """For each row the start and the length of the slice's pause in s, float64 (processes * rows_each, 2); no pause
    starts at infinity. At most one a slice: of slices under a second hardly any would have two."""
    start = random.standard_exponential(processes) / PAUSE_RATE
    start[start >= slice_s] = np.inf
    length = PAUSE_MEDIAN_S * np.exp(PAUSE_SD * random.standard_normal(processes))
    return np.repeat(np.stack([start, length], axis=1), rows_each, axis=0)


@dataclass(frozen=True, slots=True)
class Stalls:
    """A build of its own: as the base, but it stands still `rate` times a second for `length_s`."""

    rate: float
    length_s: float

    def added_to(self, pauses: Floats, rows_each: int, slice_s: float, random: np.random.Generator) -> Floats:
        """`pauses` with these in place of what a slice had: at most one a slice."""
        start = random.standard_exponential(len(pauses) // rows_each) / self.rate
        stalls = np.repeat(np.stack([start, np.full_like(start, self.length_s)], axis=1), rows_each, axis=0)
        return np.where(stalls[:, :1] < slice_s, stalls, pauses)


def _lindley(gap: Floats, service: Floats) -> Floats:
    walk = np.zeros_like(service)
    np.cumsum(service[:, :-1] - gap[:, 1:], axis=1, out=walk[:, 1:])
    response: Floats = walk - np.minimum.accumulate(walk, axis=1) + service
    return response


def _paused(time: Floats, service: Floats, pauses: Floats) -> Floats:
    """A pause is a job of its own that everything behind it waits for, and that holds up what is being served too."""
    start, length = pauses[:, :1], pauses[:, 1:]
    with_pause = np.concatenate([time, start], axis=1)
    order = with_pause.argsort(axis=1, kind="stable")
    sorted_time = np.take_along_axis(with_pause, order, axis=1)
    jobs = np.take_along_axis(np.concatenate([service, length], axis=1), order, axis=1)
    response = np.empty_like(jobs)
    np.put_along_axis(response, order, _lindley(np.diff(sorted_time, axis=1, prepend=0.0), jobs), axis=1)
    response = response[:, :-1]
    held_up = (time <= start) & (time + response > start)
    return np.where(held_up, response + length, response)
