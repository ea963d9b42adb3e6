"""Layer 2 in finer steps: several levels a slice, the same disturbance for any order of the arms, and waves of one's own.

`seconds.draw_noise` gives each slice one level, which is right for slices under a second. Long slices need more, and a
periodic disturbance needs to know when each piece of a slice was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.policy import Policy
from perfgate.simulate.profile import Profile
from perfgate.simulate.seconds import GAP_S, JITTER_S, PROCESS_S, START_S, draw_bursts, host_drift
from perfgate.units import NS_PER_S

Floats = NDArray[np.float64]
Wave = Callable[[Floats], Floats]
"""Times in s to what is added to the level of whatever is loaded then."""


@dataclass(frozen=True, slots=True)
class Levels:
    """float64 (runs, pairs, couples, pieces, arms): the level of each piece of each slice, and what bursts add to it."""

    level: Floats
    burst: Floats


def slice_cycle_s(policy: Policy) -> float:
    """From the start of one slice to that of the next."""
    return policy.slice_ns / NS_PER_S + GAP_S


def pair_cycle_s(policy: Policy, couples: int) -> float:
    """From the start of one pair to that of the next, on average."""
    return START_S + JITTER_S / 2 + 2 * policy.warmup_ns / NS_PER_S + 2 * couples * slice_cycle_s(policy)


def draw_levels(
    profile: Profile, policy: Policy, couples: int, pieces: int, runs: int, pairs: int, random: np.random.Generator,
    wave: Wave | None = None, fixed_order: bool = False,
) -> Levels:  # fmt: skip
    """The noise of `runs` gates. wave: added to both builds by the clock; fixed_order: base first in every couple (A B A
    B ...), which the gate never does."""
    step_s, steps = slice_cycle_s(policy) / pieces, 2 * couples * pieces
    before_s = START_S + random.random((runs, pairs)) * JITTER_S + 2 * policy.warmup_ns / NS_PER_S
    starts = np.cumsum(before_s, axis=1) + np.arange(pairs) * steps * step_s
    times = starts[:, :, None] + (np.arange(steps) + 0.5) * step_s
    by_time = host_drift(profile, runs, pairs, steps, step_s, before_s, random)
    if wave is not None:
        by_time = by_time + wave(times)
    burst = draw_bursts(profile.bursts, times.reshape(runs, -1), random).reshape(times.shape)
    both = by_time[..., None] + _processes(profile, (runs, pairs, 2), steps, step_s, random)
    first = np.zeros((runs, pairs, couples), dtype=np.int64)
    if not fixed_order:
        first = random.integers(0, 2, first.shape)
    shape = (runs, pairs, couples, 2, pieces, 2)
    burst_of_both = np.broadcast_to(burst[..., None], both.shape)
    return Levels(_loaded(both.reshape(shape), first), _loaded(burst_of_both.reshape(shape), first))


def _processes(
    profile: Profile, shape: tuple[int, int, int], steps: int, step_s: float, random: np.random.Generator
) -> Floats:
    """Each process's restart and own drift, (runs, pairs, steps, arms)."""
    keep = np.exp(-step_s / PROCESS_S)
    state = profile.process * random.standard_normal(shape)
    levels = np.empty((*shape[:2], steps, shape[2]))
    for step in range(steps):
        levels[:, :, step] = state
        state = keep * state + profile.process * np.sqrt(1 - keep**2) * random.standard_normal(shape)
    return levels + profile.restart * random.standard_normal(shape)[:, :, None]


def _loaded(both: Floats, first: NDArray[np.int64]) -> Floats:
    """(runs, pairs, couples, order, pieces, arms) to (runs, pairs, couples, pieces, arms): each arm while it was loaded;
    first: the arm that was loaded first."""
    base = np.where(first[..., None] == 0, both[:, :, :, 0, :, 0], both[:, :, :, 1, :, 0])
    candidate = np.where(first[..., None] == 0, both[:, :, :, 1, :, 1], both[:, :, :, 0, :, 1])
    return np.stack([base, candidate], axis=-1)
