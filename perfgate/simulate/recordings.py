"""Checks the profile `shared` against real recordings: how much a pair's log ratio varies with the slice's length.

The recordings: a store in Python at half load, 1,000 requests/s, the same build against itself on two shared cores, 9 s
measured a build and pair, 14 pairs a length of slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.simulate.profile import Profile
from perfgate.simulate.requests import arrivals, draw_pauses, responses, service_times
from perfgate.simulate.seconds import GAP_S, draw_bursts
from perfgate.stats.trimmed import trimmed_means

WORKER_RATE = 200.0
WORKERS = 5
MEASURED_S = 9.0
TRIM = 0.2
QUANTILES = (0.5, 0.99)
AT_MEDIAN, AT_P99 = -np.log(0.5), -np.log(0.01)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recorded:
    """sds over pairs of the log ratio of p99s: of each pair's pooled samples, and of the trimmed mean over its couples;
    pooled_p50: the former of the medians. None: not recorded."""

    slice_s: float
    pooled_p99: float
    trimmed_p99: float | None
    pooled_p50: float | None


RECORDINGS = (
    Recorded(3.0, 0.37, None, 0.057),
    Recorded(1.0, 0.20, 0.114, 0.053),
    Recorded(0.25, 0.078, 0.036, 0.021),
)
"""1 s was recorded twice (.19 and .21, .135 and .093): the means."""


def simulated(profile: Profile, slice_s: float, pairs: int, random: np.random.Generator) -> Recorded:
    """The same figures from the noise model."""
    couples = round(MEASURED_S / slice_s)
    pooled, by_couple = np.empty((pairs, 2)), np.empty((pairs, couples))
    for pair in range(pairs):
        arms = _responses(profile, slice_s, couples, random)
        level = profile.restart * random.standard_normal(2)
        all_of = [np.log(np.quantile(np.concatenate(slices), QUANTILES)) for slices in arms]
        each = [np.log([np.quantile(values, QUANTILES[1]) for values in slices]) for slices in arms]
        pooled[pair] = all_of[1] - all_of[0] + level[1] - level[0]
        by_couple[pair] = each[1] - each[0] + level[1] - level[0]
    trimmed = trimmed_means(by_couple, TRIM)
    return Recorded(slice_s, float(pooled[:, 1].std()), float(trimmed.std()), float(pooled[:, 0].std()))


def _responses(profile: Profile, slice_s: float, couples: int, random: np.random.Generator) -> list[list[Floats]]:
    """The response times of each slice, for both arms."""
    load = arrivals(couples * WORKERS, WORKER_RATE, slice_s, random)
    starts = (np.arange(2 * couples) * (slice_s + GAP_S)).reshape(couples, 2)
    starts = np.where(random.integers(0, 2, (couples, 1)) == 0, starts, starts[:, ::-1])
    times = np.stack([np.repeat(starts[:, arm], WORKERS)[:, None] + load.time for arm in range(2)])
    order = times.argsort(axis=None)
    burst = np.empty(times.size)
    warm = 60.0  # s into the bursts' process
    burst[order] = draw_bursts(profile.bursts, warm + times.ravel()[order][None], random)[0]
    arms = []
    for arm in range(2):
        service = service_times(load, random)
        response = responses(load, service, draw_pauses(couples, WORKERS, slice_s, random))
        felt = response * np.exp(_sensitivity(profile, response, load.counts) * burst.reshape(times.shape)[arm])
        arms.append([felt[rows][load.counts[rows]] for rows in _rows(couples)])
    return arms


def _rows(couples: int) -> list[slice]:
    return [slice(couple * WORKERS, (couple + 1) * WORKERS) for couple in range(couples)]


def _sensitivity(profile: Profile, response: Floats, counts: NDArray[np.bool_]) -> Floats:
    """How much each request feels of a burst: as the profile says at the median and all of it at the p99, on a line in
    the log of how many are slower."""
    if profile.bursts is None:
        return np.zeros_like(response)
    ordered = np.sort(response[counts])
    slower = 1 - (np.searchsorted(ordered, response) + 0.5) / (len(ordered) + 1)
    place = (-np.log(np.clip(slower, 1e-4, 1)) - AT_MEDIAN) / (AT_P99 - AT_MEDIAN)
    felt: Floats = np.clip(profile.bursts.p50 + (1 - profile.bursts.p50) * place, 0.0, 1.2)
    return felt
