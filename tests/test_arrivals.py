"""Arrival processes: intensity, spacing, and the random streams under them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from arrival_cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perfgate.arrivals import Arrivals, make_arrivals
from perfgate.arrivals.constant import ConstantRate
from perfgate.arrivals.periodic_burst import PeriodicBurst
from perfgate.arrivals.piecewise import PiecewiseLinearRate
from perfgate.arrivals.poisson import COUNT_BLOCKS, PoissonArrivals
from perfgate.arrivals.process import BLOCK_NS, FOREVER_NS, Intensity
from perfgate.arrivals.registry import PATTERNS, make_intensity
from perfgate.arrivals.regular import RegularArrivals
from perfgate.arrivals.shapes import burst_sequence, diurnal, ramp, step
from perfgate.arrivals.streams import Purpose, part_position, stream
from perfgate.arrivals.superposition import Scaled
from perfgate.errors import InputError
from perfgate.scenario import parse_scenario
from perfgate.scenario.model import ArrivalSpec

constants = st.floats(0.01, 5_000).map(ConstantRate)
rates = st.one_of(st.just(0.0), st.floats(0.1, 5_000))
times_s = st.floats(0.01, 1_000)
hours = st.floats(0, 23.99)


@st.composite
def bursts(draw: st.DrawFn) -> PeriodicBurst:
    period = draw(st.floats(0.1, 100))
    duration = draw(st.floats(0.01, 1.0)) * period
    base = draw(st.one_of(st.just(0.0), st.floats(0.1, 1_000)))
    return PeriodicBurst(base, draw(st.floats(0.1, 5_000)), duration, period)


steps = st.builds(
    step, st.lists(st.fixed_dictionaries({"ops": rates, "duration_sec": times_s}), min_size=1, max_size=6)
)
sequences = st.builds(
    burst_sequence,
    st.floats(0.1, 500),
    st.lists(
        st.fixed_dictionaries(
            {"multiplier": st.one_of(st.just(0.0), st.floats(0.1, 10)), "duration_sec": times_s,
             "delay_sec": st.one_of(st.just(0.0), times_s)}
        ),
        min_size=1, max_size=4,
    ),
)  # fmt: skip
days = st.builds(
    lambda trough, rise, *others: diurnal(*others[:2], (trough + rise) % 24, trough, *others[2:]),
    hours, st.floats(0.25, 23.75), st.floats(0.1, 500), st.floats(1, 20), st.floats(1, 86_400), hours,
)  # fmt: skip
simple: st.SearchStrategy[Intensity] = st.one_of(
    constants, bursts(), st.builds(ramp, rates, rates, times_s), steps, sequences, days
)
intensities: st.SearchStrategy[Intensity] = st.one_of(simple, st.builds(Scaled, simple, st.floats(0.05, 20)))


def arrivals_of(name: str, seed: int = 7) -> Arrivals:
    """Of one of the CASES, in a scenario of five seconds."""
    document = {
        "name": "x",
        "duration": {"total_seconds": 5},
        "arrival": CASES[name],
        "data": {"num_nodes": 100, "embedding_dim": 8},
    }
    if CASES[name]["pattern"] != "replay":
        document["operations"] = {"recall_weight": 1}
    return make_arrivals(parse_scenario(document).arrival, seed)


def first_seconds(arrivals: Arrivals, seconds: int) -> np.ndarray:
    return np.concatenate([arrivals.times(block) for block in range(seconds)])


@given(intensities, st.lists(st.floats(0, 1e7), min_size=1, max_size=20))
def test_when_is_the_inverse_of_expected(intensity: Intensity, counts: list[float]) -> None:
    most = intensity.expected(np.array([FOREVER_NS]))[0]  # a rate that falls to 0 for ever has an end
    wanted = np.minimum(counts, most)
    assert intensity.expected(intensity.when(wanted)) == pytest.approx(wanted, rel=1e-6, abs=1e-3)


@given(intensities, st.lists(st.floats(0, 1e15), min_size=2, max_size=50))
def test_expected_never_decreases(intensity: Intensity, times: list[float]) -> None:
    values = intensity.expected(np.sort(np.array(times)))
    assert np.all(np.diff(values) >= -1e-9 * np.abs(values[1:]))


@given(intensities, st.lists(st.floats(0, 1e6), min_size=2, max_size=50))
def test_when_never_decreases(intensity: Intensity, counts: list[float]) -> None:
    times = intensity.when(np.sort(np.array(counts)))
    assert np.all(np.diff(times) >= -1e-9 * np.abs(times[1:]))


def per_second(intensity: Intensity, seconds: int) -> list[float]:
    counts: list[float] = np.diff(intensity.expected(np.arange(seconds + 1, dtype=float) * BLOCK_NS)).tolist()
    return counts


def test_a_ramp_rises_in_a_straight_line_and_is_then_held() -> None:
    assert per_second(ramp(0, 100, 4), 6) == pytest.approx([12.5, 37.5, 62.5, 87.5, 100, 100])
    assert per_second(ramp(100, 0, 4), 6) == pytest.approx([87.5, 62.5, 37.5, 12.5, 0, 0], abs=1e-9)


def test_nothing_arrives_after_a_ramp_to_zero() -> None:
    arrivals = RegularArrivals(ramp(100, 0, 4))
    assert arrivals.before(np.array([4, 5, 10**6])).tolist() == [200, 200, 200]
    assert len(arrivals.times(10**6)) == 0


def test_steps_follow_each_other_and_the_last_is_held() -> None:
    levels = [{"ops": 10, "duration_sec": 2}, {"ops": 0, "duration_sec": 1}, {"ops": 30, "duration_sec": 1}]
    assert per_second(step(levels), 6) == pytest.approx([10, 10, 0, 30, 30, 30])


def test_a_burst_begins_its_delay_after_the_end_of_the_one_before() -> None:
    two = [{"multiplier": 3, "duration_sec": 2, "delay_sec": 1}, {"multiplier": 5, "duration_sec": 1, "delay_sec": 2}]
    assert per_second(burst_sequence(10, two), 8) == pytest.approx([10, 30, 30, 10, 10, 50, 10, 10])


def test_a_day_has_its_peak_and_its_trough_at_their_hours_and_comes_again() -> None:
    hourly = diurnal(100, 3, peak_hour=14, trough_hour=3, time_compression=3_600, start_hour=0)
    at = np.arange(49, dtype=float) * BLOCK_NS
    around = (hourly.expected(at + 1e6) - hourly.expected(np.maximum(at - 1e6, 0))) / np.where(at == 0, 1e-3, 2e-3)
    assert around[3] == pytest.approx(100, rel=1e-3)
    assert around[14] == pytest.approx(300, rel=1e-3)
    assert around.argmax() in (14, 38)
    assert around[1:25] == pytest.approx(around[25:49], rel=1e-6)
    assert hourly.expected(at)[24] == pytest.approx(24 * 200, rel=1e-3)  # half a cosine has the mean of its ends


def test_a_day_is_drawn_close_to_its_cosines() -> None:
    peak, trough = 14.0, 3.0
    drawn = diurnal(100, 3, peak, trough, time_compression=3_600, start_hour=trough)
    seconds = np.linspace(0, 11, 2_000)
    cosine = 100 * (seconds + (seconds - np.sin(np.pi * seconds / 11) * 11 / np.pi))
    assert drawn.expected(seconds * 1e9) == pytest.approx(cosine, abs=0.002 * 300)


def test_a_compressed_day_takes_less_time_and_starts_at_its_hour() -> None:
    slow = diurnal(100, 3, 14, 3, time_compression=1, start_hour=6)
    fast = diurnal(100, 3, 14, 3, time_compression=24, start_hour=6)
    at = np.linspace(0, 3_600e9, 50)
    assert fast.expected(at) * 24 == pytest.approx(slow.expected(at * 24), rel=1e-9)


def test_a_rate_of_nothing_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="takes some time"):
        PiecewiseLinearRate([(0, 1, 1)], held=1)
    with pytest.raises(ValueError, match="0 all the time"):
        PiecewiseLinearRate([(1, 0, 0)], held=None)


@pytest.mark.parametrize("name", CASES)
def test_arrivals_ascend_and_blocks_join_without_gap_or_overlap(name: str) -> None:
    arrivals = arrivals_of(name)
    starts = arrivals.before(np.arange(13))
    assert starts[0] == 0
    for block in range(12):
        times = arrivals.times(block)
        assert len(times) == starts[block + 1] - starts[block]
        assert np.all(np.diff(times) >= 0)
        assert np.all((times >= block * BLOCK_NS) & (times < (block + 1) * BLOCK_NS))


@pytest.mark.parametrize("name", CASES)
def test_a_block_is_the_same_whatever_was_asked_before(name: str) -> None:
    walked, jumped = arrivals_of(name), arrivals_of(name)
    for block in range(9):
        walked.times(block)
    assert walked.times(9).tolist() == jumped.times(9).tolist()
    assert walked.before(np.array([9])) == jumped.before(np.array([9]))


REGULAR = [name for name in CASES if "random" not in name and name not in ("poisson", "exponential", "composite")]
RANDOM = ["poisson", *(name for name in CASES if "random" in name)]


@pytest.mark.parametrize("name", [name for name in REGULAR if "replay" not in name])
def test_regular_arrivals_are_as_even_as_can_be_in_rescaled_time(name: str) -> None:
    """Kolmogorov-Smirnov, against the uniform: chance alone would give 1 / sqrt(n), these never stray by more than 1/2."""
    arrivals = arrivals_of(name)
    times = first_seconds(arrivals, 40).astype(float)
    assert np.diff(arrivals.expected(times)) == pytest.approx(np.ones(len(times) - 1), abs=1e-3)
    places = arrivals.expected(times) / len(times)
    assert stats.kstest(places, "uniform").statistic <= 1 / len(times)


@pytest.mark.parametrize("name", RANDOM)
def test_gaps_of_random_arrivals_are_exponential_in_rescaled_time(name: str) -> None:
    """A process with intensity Λ is Poisson when its times rescaled by Λ are Poisson of rate 1."""
    arrivals = arrivals_of(name, seed=2)
    rescaled = arrivals.expected(first_seconds(arrivals, 40).astype(float))
    gaps = np.diff(rescaled, prepend=0.0)
    assert len(gaps) > 400
    assert stats.kstest(gaps, "expon").pvalue > 0.01
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / math.sqrt(len(gaps))


@pytest.mark.parametrize("name", RANDOM)
def test_counts_of_random_arrivals_lie_within_five_sigma(name: str) -> None:
    arrivals = arrivals_of(name, seed=3)
    blocks = np.array([1, 2, 3, 5, 8, 40])
    expected = arrivals.expected(blocks.astype(float) * BLOCK_NS)
    assert np.all(np.abs(arrivals.before(blocks) - expected) <= 5 * np.sqrt(expected))


@pytest.mark.parametrize("name", REGULAR)
def test_counts_without_chance_are_exact(name: str) -> None:
    arrivals = arrivals_of(name)
    blocks = np.arange(41)
    expected = arrivals.expected(blocks.astype(float) * BLOCK_NS)
    assert np.all(np.abs(arrivals.before(blocks) - expected) <= 0.5 + 1e-6)


def test_a_composite_is_the_sum_of_its_parts_each_weighted() -> None:
    composite = arrivals_of("composite")
    seconds = np.arange(6, dtype=float) * BLOCK_NS
    parts = [make_intensity(part).expected(seconds) * weight for part, weight in _parts("composite")]
    assert composite.expected(seconds) == pytest.approx(np.sum(parts, axis=0))
    regular = 60 * 5 + parts[2][5]
    assert abs(composite.before(np.array([5]))[0] - regular - 200) < 5 * math.sqrt(200)


def test_equal_random_parts_of_a_composite_do_not_fall_together() -> None:
    spec = ArrivalSpec("poisson", {"rate": 100.0}, "poisson")
    times = make_arrivals(ArrivalSpec("composite", {}, parts=((spec, 1.0), (spec, 1.0))), 3).times(0)
    assert len(set(times.tolist())) == len(times)


def _parts(name: str) -> tuple[tuple[ArrivalSpec, float], ...]:
    document = {"name": "x", "duration": {"total_seconds": 5}, "arrival": CASES[name],
                "operations": {"recall_weight": 1}, "data": {"num_nodes": 100, "embedding_dim": 8}}  # fmt: skip
    return parse_scenario(document).arrival.parts


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


def test_the_streams_of_parts_do_not_meet() -> None:
    positions = {part_position(part, block) for part in range(50) for block in (0, 1, 2**40 - 1)}
    assert len(positions) == 150
    assert part_position(0, 17) == 17


def test_an_unknown_pattern_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"arrival\.pattern 'tidal' is unknown: write constant"):
        make_arrivals(ArrivalSpec("tidal", {}), 1)


def test_every_pattern_of_the_schema_makes_arrivals() -> None:
    from typing import get_args

    from perfgate.scenario.arrival_schema import AnyArrival

    named = {word for table in get_args(AnyArrival) for word in get_args(table.model_fields["pattern"].annotation)}
    assert named == set(PATTERNS) == {table["pattern"] for table in CASES.values()}
    for name in CASES:
        assert arrivals_of(name).before(np.array([20]))[0] > 0
