"""Layer 2, seconds: restarts, drift and neighbours' bursts, added to the level of whatever is loaded at the time.

Both processes of a pair live at once and are loaded in turns, slice by slice, in random order; their cold starts and the
cost of a pause in their load are the same for both builds at the same place of a couple, and cancel out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.policy import Policy
from perfgate.simulate.profile import Bursts, Profile
from perfgate.units import NS_PER_S

GAP_S = 0.005
START_S = 2.0
JITTER_S = 0.25
PROCESS_S = 20.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Noise:
    """level: of every slice, float64 (runs, pairs, couples, arms), without bursts; burst: what bursts add."""

    level: Floats
    burst: Floats


def draw_noise(
    profile: Profile, policy: Policy, couples: int, runs: int, pairs: int, random: np.random.Generator
) -> Noise:
    """The noise of `runs` gates of `pairs` pairs each."""
    slice_s = policy.slice_ns / NS_PER_S + GAP_S
    before_s = START_S + random.random((runs, pairs)) * JITTER_S + 2 * policy.warmup_ns / NS_PER_S
    steps = 2 * couples
    starts = np.cumsum(before_s, axis=1) + np.arange(pairs) * steps * slice_s
    times = starts[:, :, None] + (np.arange(steps) + 0.5) * slice_s
    by_time = host_drift(profile, runs, pairs, steps, slice_s, before_s, random)
    burst_by_time = draw_bursts(profile.bursts, times.reshape(runs, -1), random).reshape(times.shape)
    first = random.integers(0, 2, (runs, pairs, couples, 1))
    level = _by_arm(by_time, first) + _processes(profile, runs, pairs, couples, slice_s, first, random)
    return Noise(level, _by_arm(burst_by_time, first))


def draw_bursts(bursts: Bursts | None, times: Floats, random: np.random.Generator) -> Floats:
    """What bursts add at each time, float64 of the shape of `times` (runs, times), which rise along a row."""
    added = np.zeros((len(times), times.shape[1] + 1))
    if bursts is None:
        return added[:, :-1]
    end_s = float(times.max())
    for row, at in zip(added, times, strict=True):
        starts, ends, level = burst_times(bursts, end_s, random)
        add_bursts(row, at, starts, ends, level)
    return added.cumsum(axis=1)[:, :-1]


def burst_times(bursts: Bursts, end_s: float, random: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """When bursts start and end, up to `end_s` and beyond, and what each adds; float64 (bursts,) each."""
    shortest = bursts.gap if isinstance(bursts.gap, float) else sum(bursts.gap) / 2
    many = int(end_s / shortest + 8 * np.sqrt(end_s / shortest) + 10)
    starts = _draw(bursts.gap, many, random).cumsum() - shortest * random.random()
    ends = starts + _draw(bursts.length, many, random)
    return starts, ends, random.uniform(*bursts.level, many)


def add_bursts(steps: Floats, times: Floats, starts: Floats, ends: Floats, level: Floats) -> None:
    """Adds the bursts to `steps`, whose running sum is the level at each time; float64 (times + 1,)."""
    np.add.at(steps, np.searchsorted(times, starts), level)
    np.add.at(steps, np.searchsorted(times, ends), -level)


def _draw(spread: tuple[float, float] | float, count: int, random: np.random.Generator) -> Floats:
    if isinstance(spread, tuple):
        return random.uniform(*spread, count)
    return random.standard_exponential(count) * spread


def host_drift(
    profile: Profile, runs: int, pairs: int, steps: int, step_s: float, before_s: Floats, random: np.random.Generator
) -> Floats:
    """Drift shared by both builds, (runs, pairs, steps): a sum of AR(1), exact for any distance in time."""
    constants = np.array([constant for constant, _ in profile.host])
    sds = np.array([sd for _, sd in profile.host])
    keep = np.exp(-step_s / constants)
    fresh = sds * np.sqrt(1 - keep**2)
    state = sds * random.standard_normal((runs, len(sds)))
    levels = np.empty((runs, pairs, steps))
    for pair in range(pairs):
        kept = np.exp(-before_s[:, pair, None] / constants)
        state = kept * state + sds * np.sqrt(1 - kept**2) * random.standard_normal(state.shape)
        noise = random.standard_normal((steps, *state.shape))
        for step in range(steps):
            state = keep * state + fresh * noise[step]
            levels[:, pair, step] = state.sum(axis=1)
    return levels


def _processes(
    profile: Profile, runs: int, pairs: int, couples: int, step_s: float, first: NDArray[np.int64],
    random: np.random.Generator,
) -> Floats:  # fmt: skip
    """Each process's own level, (runs, pairs, couples, arms): its restart and its drift while it lives."""
    keep = np.exp(-step_s / PROCESS_S)
    state = profile.process * random.standard_normal((runs, pairs, 2))
    restart = profile.restart * random.standard_normal((runs, pairs, 2))
    levels = np.empty((runs, pairs, couples, 2))
    for couple in range(couples):
        own = np.empty((2, *state.shape))
        for step in range(2):
            state = keep * state + profile.process * np.sqrt(1 - keep**2) * random.standard_normal(state.shape)
            own[step] = state
        order = first[:, :, couple, 0]
        levels[:, :, couple, 0] = np.where(order == 0, own[0, ..., 0], own[1, ..., 0])
        levels[:, :, couple, 1] = np.where(order == 0, own[1, ..., 1], own[0, ..., 1])
    return levels + restart[:, :, None, :]


def _by_arm(by_time: Floats, first: NDArray[np.int64]) -> Floats:
    """(runs, pairs, 2 x couples) in order of time to (runs, pairs, couples, arms); first: the arm that was loaded first."""
    runs, pairs, steps = by_time.shape
    slices = by_time.reshape(runs, pairs, steps // 2, 2)
    return np.where(first == 0, slices, slices[..., ::-1])
