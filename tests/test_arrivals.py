"""Arrival processes: intensity, spacing, and the random streams under them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perfgate.arrivals import make_arrivals
from perfgate.arrivals.constant import ConstantRate
from perfgate.arrivals.periodic_burst import PeriodicBurst
from perfgate.arrivals.poisson import COUNT_BLOCKS, PoissonArrivals
from perfgate.arrivals.process import BLOCK_NS, Intensity
from perfgate.arrivals.registry import INTENSITIES, make_intensity
from perfgate.arrivals.regular import RegularArrivals
from perfgate.arrivals.streams import Purpose, stream
from perfgate.errors import InputError
from perfgate.scenario.model import ArrivalSpec

constants = st.floats(0.01, 5_000).map(ConstantRate)


@st.composite
def bursts(draw: st.DrawFn) -> PeriodicBurst:
    period = draw(st.floats(0.1, 100))
    duration = draw(st.floats(0.01, 1.0)) * period
    base = draw(st.one_of(st.just(0.0), st.floats(0.1, 1_000)))
    return PeriodicBurst(base, draw(st.floats(0.1, 5_000)), duration, period)


intensities: st.SearchStrategy[Intensity] = st.one_of(constants, bursts())


@given(intensities, st.lists(st.floats(0, 1e7), min_size=1, max_size=20))
def test_when_is_the_inverse_of_expected(intensity: Intensity, counts: list[float]) -> None:
    wanted = np.array(counts)
    assert intensity.expected(intensity.when(wanted)) == pytest.approx(wanted, rel=1e-6, abs=1e-3)


@given(intensities, st.lists(st.floats(0, 1e15), min_size=2, max_size=50))
def test_expected_never_decreases(intensity: Intensity, times: list[float]) -> None:
    values = intensity.expected(np.sort(np.array(times)))
    assert np.all(np.diff(values) >= -1e-9 * np.abs(values[1:]))


def test_a_burst_stands_at_the_start_of_its_period() -> None:
    burst = PeriodicBurst(base_rate=10, burst_rate=100, burst_duration_sec=2, burst_period_sec=5)
    seconds = np.arange(11, dtype=float)
    assert np.diff(burst.expected(seconds * BLOCK_NS)) == pytest.approx([100, 100, 10, 10, 10] * 2)


def test_nothing_arrives_between_bursts_when_the_base_rate_is_zero() -> None:
    arrivals = RegularArrivals(PeriodicBurst(0, 50, 1, 4))
    assert np.diff(arrivals.before(np.arange(9))).tolist() == [50, 0, 0, 0] * 2


@settings(max_examples=60)
@given(intensities, st.integers(0, 2**64 - 1), st.booleans(), st.integers(0, 10**6))
def test_blocks_hold_exactly_the_arrivals_between_their_numbers(
    intensity: Intensity, seed: int, random: bool, block: int
) -> None:
    block = block % (2 * COUNT_BLOCKS) if random else block
    arrivals = PoissonArrivals(intensity, seed) if random else RegularArrivals(intensity)
    first, end = arrivals.before(np.array([block, block + 1]))
    times = arrivals.times(block)
    assert len(times) == end - first
    assert np.all(np.diff(times) >= 0)
    assert np.all((times >= block * BLOCK_NS) & (times < (block + 1) * BLOCK_NS))


@given(intensities, st.integers(0, 10**6))
def test_regular_arrivals_never_stray_from_what_is_expected(intensity: Intensity, block: int) -> None:
    expected = intensity.expected(np.array([block * BLOCK_NS], dtype=float))
    assert abs(RegularArrivals(intensity).before(np.array([block]))[0] - expected[0]) <= 0.5 + 1e-6 * expected[0]


@given(st.sampled_from([1, 3, 7, 64, 333.25, 1000, 15_000]), st.integers(0, 3600))
def test_a_constant_rate_is_the_same_distance_everywhere(rate: float, block: int) -> None:
    arrivals = RegularArrivals(ConstantRate(rate))
    times = np.concatenate([arrivals.times(block), arrivals.times(block + 1)])
    assert np.all(np.abs(np.diff(times) - 1e9 / rate) <= 1)


def test_poisson_gaps_are_exponential() -> None:
    arrivals = PoissonArrivals(ConstantRate(200), seed=3)
    times = np.concatenate([arrivals.times(block) for block in range(100)])
    gaps = np.diff(times) / 1e9
    assert stats.kstest(gaps, "expon", args=(0, 1 / 200)).pvalue > 0.001
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.03


def test_poisson_counts_have_the_variance_of_their_mean() -> None:
    counts = np.diff(PoissonArrivals(ConstantRate(50), seed=5).before(np.arange(8_001)))
    assert counts.mean() == pytest.approx(50, abs=0.4)
    assert counts.var() == pytest.approx(50, rel=0.08)


def test_a_far_block_is_the_same_whether_asked_for_first_or_last() -> None:
    far = 3 * COUNT_BLOCKS + 17
    walked, jumped = PoissonArrivals(ConstantRate(2), 9), PoissonArrivals(ConstantRate(2), 9)
    for block in (0, COUNT_BLOCKS, 2 * COUNT_BLOCKS, 5 * COUNT_BLOCKS, 6 * COUNT_BLOCKS):
        walked.times(block)
    assert walked.times(far).tolist() == jumped.times(far).tolist()
    assert walked.before(np.array([far, 0])).tolist() == jumped.before(np.array([far, 0])).tolist()


def test_streams_of_different_keys_differ_and_of_equal_keys_agree() -> None:
    keys = [(1, Purpose.COUNTS, 0), (1, Purpose.COUNTS, 1), (1, Purpose.TIMES, 0), (2**64 - 1, Purpose.COUNTS, 0)]
    first = {float(stream(*key).random()) for key in keys}
    assert len(first) == len(keys)
    assert {float(stream(*key).random()) for key in keys} == first


def test_an_unknown_pattern_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"arrival\.pattern 'tidal' is unknown: write constant"):
        make_arrivals(ArrivalSpec("tidal", {}), 1)


def test_every_pattern_of_the_schema_has_an_intensity_that_takes_its_keys() -> None:
    from perfgate.scenario import schema

    examples = {
        "constant": schema.Constant(pattern="constant", rate=1.0),
        "poisson": schema.Poisson(pattern="poisson", rate=1.0),
        "periodic_burst": schema.PeriodicBurst(
            pattern="periodic_burst", base_rate=1.0, burst_rate=2.0, burst_duration_sec=1.0, burst_period_sec=2.0
        ),
    }
    assert examples.keys() == INTENSITIES.keys()
    for name, example in examples.items():
        make_intensity(ArrivalSpec(name, example.model_dump(exclude={"pattern"})))
