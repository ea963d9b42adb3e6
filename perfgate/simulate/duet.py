"""Layer 2 of a duet: both processes of a pair are loaded at once, so that whatever the host does reaches both together.

Drift of the host cancels out, and of a burst only what one feels more than the other is left. What alternation does not
have: the two disturb each other, and a part of what makes one slower shows in the other, too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.policy import Policy
from perfgate.simulate.profile import Bursts, Profile
from perfgate.simulate.seconds import (
    JITTER_S,
    PROCESS_S,
    START_S,
    Noise,
    add_bursts,
    burst_times,
    host_drift,
)
from perfgate.units import NS_PER_S

FELT = (0.8, 1.2)
"""How much of a burst's level each process feels, drawn for each burst and process."""
MUTUAL = (5.0, 0.01)
"""AR(1) of each process alone, from what the two do to each other: time constant in s, sd in units of log p99."""
LEAK = 0.10
"""Share of the candidate's change that shows in the base, too: the most that a calibration may find (Policy.max_leak)."""

Floats = NDArray[np.float64]


def draw_duet_noise(
    profile: Profile, policy: Policy, couples: int, runs: int, pairs: int, random: np.random.Generator
) -> Noise:
    """The noise of `runs` gates of `pairs` pairs each; slices follow each other without a gap."""
    slice_s = policy.slice_ns / NS_PER_S
    before_s = START_S + random.random((runs, pairs)) * JITTER_S + policy.warmup_ns / NS_PER_S
    starts = np.cumsum(before_s, axis=1) + np.arange(pairs)[None] * couples * slice_s
    times = starts[:, :, None] + (np.arange(couples) + 0.5) * slice_s
    host = host_drift(profile, runs, pairs, couples, slice_s, before_s, random)
    burst = _felt(profile.bursts, times.reshape(runs, -1), random).reshape(*times.shape, 2)
    shape = (runs, pairs, 2)
    own = profile.restart * random.standard_normal(shape)[:, :, None]
    for constant, sd in ((PROCESS_S, profile.process), MUTUAL):
        own = own + autoregressive(constant, sd, shape, couples, slice_s, random)
    return Noise(host[..., None] + own, burst)


def shown(policy: Policy) -> float:
    """Share of the candidate's true change that is left in the ratio of the two."""
    return 1.0 - LEAK if policy.mode == "duet" else 1.0


def autoregressive(
    constant_s: float, sd: float, shape: tuple[int, int, int], steps: int, step_s: float, random: np.random.Generator
) -> Floats:
    """AR(1) with a time constant and a stationary sd, begun anew in each process: (runs, pairs, steps, arms)."""
    keep = np.exp(-step_s / constant_s)
    state = sd * random.standard_normal(shape)
    levels = np.empty((*shape[:2], steps, shape[2]))
    for step in range(steps):
        levels[:, :, step] = state
        state = keep * state + sd * np.sqrt(1 - keep**2) * random.standard_normal(shape)
    return levels


def _felt(bursts: Bursts | None, times: Floats, random: np.random.Generator) -> Floats:
    """What bursts add to each process, float64 (runs, times, arms): the same bursts, each felt a little differently."""
    added = np.zeros((len(times), 2, times.shape[1] + 1))
    if bursts is not None:
        end_s = float(times.max())
        for row, at in zip(added, times, strict=True):
            starts, ends, level = burst_times(bursts, end_s, random)
            for steps in row:
                add_bursts(steps, at, starts, ends, level * random.uniform(*FELT, len(level)))
    return added.cumsum(axis=2)[:, :, :-1].transpose(0, 2, 1)
