"""Layer 3: many simulated gates, decided by the gate's own code, and how often they said what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.decision import decide
from perfgate.gate.latency import latency_effects
from perfgate.gate.policy import Policy
from perfgate.gate.restarts import Restarts, Served
from perfgate.gate.starts import of_each_start, starts_are_bimodal
from perfgate.gate.verdict import Word
from perfgate.operation import Operation
from perfgate.simulate.duet import draw_duet_noise, shown
from perfgate.simulate.levels import draw_levels
from perfgate.simulate.long_slices import LongPool, long_tables
from perfgate.simulate.pool import OPERATIONS, Candidate, Pool
from perfgate.simulate.profile import Profile
from perfgate.simulate.seconds import Noise, draw_noise
from perfgate.simulate.slow_starts import CALIBRATED, calibrated, draw_started
from perfgate.simulate.truth import TRUTHS, Truth
from perfgate.stats.shares import clopper_pearson
from perfgate.stats.trimmed import trimmed_means

NAMES = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)
CHUNK = 50

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rates:
    """How often each word was said in `runs` gates. pairs: used on average. bimodal: how often starts were called so at
    the end. sd: of a pair's log p99 ratio, a robust one (median absolute deviation) and the plain one."""

    profile: str
    truth: str
    runs: int
    block: int
    passed: int
    inconclusive: int
    pairs: float
    bimodal: int
    robust_sd: float
    plain_sd: float

    def share(self, word: Word) -> float:
        """Of all `runs`, 0 to 1."""
        counts = {Word.BLOCK: self.block, Word.PASS: self.passed, Word.INCONCLUSIVE: self.inconclusive}
        return counts[word] / self.runs

    @property
    def block_bounds(self) -> tuple[float, float]:
        """One-sided 95 % bounds of the share of BLOCKs (Clopper and Pearson)."""
        return clopper_pearson(self.block, self.runs)


def simulate(
    profile: Profile, truth: Truth, policy: Policy, pool: Pool | LongPool, factor: float, runs: int,
    random: np.random.Generator, tick: Callable[[float], None] = lambda share: None,
) -> Rates:  # fmt: skip
    """`factor`: on the service times of what the truth changes; the pool must hold it and 1. tick: told the share that
    is done."""
    words: Counter[Word] = Counter()
    used, bimodal = 0, 0
    ratios: list[Floats] = []
    for start in range(0, runs, CHUNK):
        tick(start / runs)
        tables, medians = _draw(profile, truth, policy, pool, factor, min(CHUNK, runs - start), random)
        ratios.append(tables[:, :, 0, 2].ravel())
        known = _calibrations(profile, policy, pool, len(tables), random)
        for table, median, restarts in zip(tables, medians, known, strict=True):
            word, pairs, split = run_gate(table, median, policy, restarts=restarts)
            words[word] += 1
            used += pairs
            bimodal += split
    values = np.concatenate(ratios)
    robust = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    return Rates(
        profile.name, truth.name, runs, words[Word.BLOCK], words[Word.PASS], words[Word.INCONCLUSIVE], used / runs,
        bimodal, robust, float(values.std()),
    )  # fmt: skip


def _draw(
    profile: Profile, truth: Truth, policy: Policy, pool: Pool | LongPool, factor: float, runs: int,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """What `make_tables` gives, of whichever kind of noise belongs to the policy."""
    pairs = policy.looks[-1]
    if isinstance(pool, LongPool):
        levels = draw_levels(profile, policy, pool.couples, pool.pieces, runs, pairs, random)
        return long_tables(levels, profile, truth, policy, pool, factor, random)
    draw = draw_duet_noise if policy.mode == "duet" else draw_noise
    if policy.starts:
        noise = draw_started(draw, profile, policy, pool.couples, runs, policy.starts, random)
    else:
        noise = draw(profile, policy, pool.couples, runs, pairs, random)
    return make_tables(noise, profile, truth, policy, pool, factor, random)


def _calibrations(
    profile: Profile, policy: Policy, pool: Pool | LongPool, runs: int, random: np.random.Generator
) -> Sequence[Restarts | None]:
    """For each gate what a calibration of its own has found, where its processes serve several pairs."""
    if not policy.starts or isinstance(pool, LongPool):
        return [None] * runs
    draw = draw_duet_noise if policy.mode == "duet" else draw_noise
    noise = draw_started(draw, profile, policy, pool.couples, runs, CALIBRATED, random)
    tables, _ = make_tables(noise, profile, TRUTHS["same"], policy, pool, 1.0, random)
    return calibrated(tables, policy, NAMES)


def run_gate(
    table: Floats, medians: Floats, policy: Policy, operations: Sequence[Operation] = NAMES,
    restarts: Restarts | None = None,
) -> tuple[Word, int, bool]:  # fmt: skip
    """One gate, look after look: what it says, after how many pairs, and whether starts were called bimodal then.
    table: (pairs, operations, 3) log ratios; medians: (pairs, operations, arms) log medians of the processes. restarts:
    what a calibration knows, where processes serve several pairs."""
    word, pairs, bimodal = Word.INCONCLUSIVE, 0, False
    starts = np.arange(len(table)) // policy.pairs_a_start
    for pairs in policy.looks:
        bimodal = starts_are_bimodal(of_each_start(medians[:pairs], starts[:pairs]))
        served = Served(starts[:pairs], restarts) if restarts else None
        effects = latency_effects(table[:pairs], policy, operations, served=served)
        word = decide(effects, policy, operations, pairs, bimodal)
        if word is not Word.INCONCLUSIVE:
            break
    return word, pairs, bimodal


def make_tables(
    noise: Noise,
    profile: Profile,
    truth: Truth,
    policy: Policy,
    pool: Pool,
    factor: Candidate,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Per-pair effects as the gate makes them of histograms, (runs, pairs, operations, 3), and the processes' log
    medians, (runs, pairs, 1, arms), which are the same for all operations but for sampling."""
    runs, pairs = noise.level.shape[:2]
    drawn = np.stack([random.permutation(len(pool))[:pairs] for _ in range(runs)])
    # Which build is which is a coin's toss as far as sampling goes: so a pool that happens to favour one does no harm.
    sides = random.choice((-1.0, 1.0), (runs, pairs, 1, 1, 1))
    sampled = sides * pool.ratios[1.0][drawn]
    changed = slice(None) if truth.everywhere else slice(OPERATIONS - 1, None)
    sampled[:, :, changed] += shown(policy) * (pool.ratios[factor] - pool.ratios[1.0])[drawn][:, :, changed]
    members = pool.members[drawn]
    level, burst = (
        np.einsum("rpogc,rpc->rpog", members, part[..., 1] - part[..., 0]) for part in (noise.level, noise.burst)
    )
    felt = np.array([profile.bursts.p50, profile.bursts.p95, 1.0]) if profile.bursts else np.zeros(3)
    groups = sampled + level[..., None] + burst[..., None] * felt
    tables = trimmed_means(np.moveaxis(groups, 3, -1), policy.couple_trim)
    medians = np.median(noise.level + noise.burst * felt[0], axis=2)
    return tables, medians[:, :, None, :]
