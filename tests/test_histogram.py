from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from histogram_values import DURATIONS, HIGHEST, IN_RANGE, IN_RANGE_LIST, counts_of, log_normal, of, oracle, sparse
from hypothesis import given
from hypothesis import strategies as st

from perfgate.histogram import GEOMETRY, Geometry, Histogram

QUANTILES = st.floats(0, 1)


# Buckets


def test_the_geometry_has_the_oracles_constants() -> None:
    hdr = oracle([])
    assert GEOMETRY.unit_magnitude == hdr.unit_magnitude == 9
    assert GEOMETRY.half_count == hdr.sub_bucket_half_count
    assert GEOMETRY.counts_length == hdr.counts_len


@given(IN_RANGE)
def test_a_value_falls_into_the_oracles_bucket(value: int) -> None:
    hdr = oracle([])
    index = GEOMETRY.index_of(np.array([value]))
    assert index[0] == hdr.get_counts_array_index(value)
    assert GEOMETRY.lower_of(index)[0] == hdr.get_lowest_equivalent_value(value)
    assert GEOMETRY.lower_of(index)[0] + GEOMETRY.width_of(index)[0] - 1 == hdr.get_highest_equivalent_value(value)


def test_every_power_of_two_and_its_neighbours_fall_into_the_oracles_bucket() -> None:
    values = [v for power in range(42) for v in (2**power - 1, 2**power, 2**power + 1) if v <= HIGHEST] + [HIGHEST]
    hdr = oracle([])
    expected = [hdr.get_counts_array_index(value) for value in values]
    assert GEOMETRY.index_of(np.array(values)).tolist() == expected
    assert [GEOMETRY.index_of(np.array([value]), value)[0] for value in values] == expected


@given(IN_RANGE)
def test_one_value_falls_into_the_bucket_that_it_has_among_many(value: int) -> None:
    assert GEOMETRY.index_of_one(value) == GEOMETRY.index_of(np.array([value]))[0]
    assert GEOMETRY.index_of_one(value) == GEOMETRY.index_of(np.array([value]), value)[0]


def test_buckets_follow_each_other_without_gap_or_overlap() -> None:
    indices = np.arange(GEOMETRY.last_index + 1)
    lower, width = GEOMETRY.lower_of(indices), GEOMETRY.width_of(indices)
    assert lower[0] == 0
    assert np.array_equal(lower[1:], lower[:-1] + width[:-1])
    assert np.array_equal(GEOMETRY.index_of(lower), indices)


def test_a_bucket_is_at_most_a_thousandth_of_its_values_wide_above_the_first_octave() -> None:
    indices = np.arange(2 * GEOMETRY.half_count, GEOMETRY.last_index + 1)
    assert np.all(GEOMETRY.width_of(indices) <= GEOMETRY.lower_of(indices) / 1_000)


@pytest.mark.parametrize(
    "fields", [(0, 10, 3), (1_000, 1_999, 3), (1_000, 10_000, 0), (1_000, 10_000, 6), (1, 2**53, 3)]
)
def test_a_geometry_that_hdr_histogram_does_not_have_is_refused(fields: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no geometry"):
        Geometry(*fields)


# Recording


@given(IN_RANGE_LIST)
def test_recording_counts_as_the_oracle_does(values: list[int]) -> None:
    assert sparse(Histogram.of(np.array(values, dtype=np.int64))) == counts_of(oracle(values))


@pytest.mark.parametrize("outliers", [[], [HIGHEST], [0, HIGHEST, HIGHEST]])
def test_close_values_and_far_outliers_are_counted_alike(outliers: list[int]) -> None:
    values = log_normal(500).clip(1_000_000, 1_200_000).tolist() + outliers
    assert sparse(of(values)) == counts_of(oracle(values))


@given(DURATIONS)
def test_no_value_is_lost_and_the_extremes_are_exact(values: list[int]) -> None:
    histogram = Histogram.of(np.array(values, dtype=np.int64))
    assert histogram.total == len(values)
    assert histogram.overflow == sum(value > HIGHEST for value in values)
    assert (histogram.min_ns, histogram.max_ns) == ((min(values), max(values)) if values else (0, 0))
    assert np.all(np.diff(histogram.buckets) > 0)
    assert np.all(histogram.counts > 0)


def test_the_highest_value_is_in_range_and_the_next_is_overflow() -> None:
    assert Histogram.of([HIGHEST]).overflow == 0
    assert Histogram.of([HIGHEST + 1]).overflow == 1


def test_a_negative_duration_is_refused_with_its_value() -> None:
    with pytest.raises(ValueError, match="-7 ns"):
        Histogram.of([5, -7])


def test_durations_in_fractions_are_refused_rather_than_cut() -> None:
    with pytest.raises(ValueError, match="integer"):
        Histogram.of([1.5])


def test_an_empty_list_of_durations_gives_the_empty_histogram() -> None:
    assert Histogram.of([]) == Histogram.empty()
    assert Histogram.empty().total == 0


def test_values_of_any_shape_and_integer_type_are_recorded() -> None:
    assert Histogram.of(np.array([[1_000, 2_000], [3_000, 4_000]], dtype=np.uint32)).total == 4


def test_a_histogram_cannot_be_changed() -> None:
    histogram = Histogram.of([1_000])
    with pytest.raises(ValueError, match="read-only"):
        histogram.counts[0] = 2
    with pytest.raises(AttributeError):
        histogram.overflow = 1  # type: ignore[misc]


# Merging


@given(DURATIONS, DURATIONS)
def test_merging_equals_recording_everything_at_once(left: list[int], right: list[int]) -> None:
    together = Histogram.of(np.array(left + right, dtype=np.int64))
    assert of(left) + of(right) == together
    assert of(right) + of(left) == together


@given(DURATIONS, DURATIONS, DURATIONS)
def test_merging_is_associative_with_the_empty_histogram_as_neutral(a: list[int], b: list[int], c: list[int]) -> None:
    x, y, z = of(a), of(b), of(c)
    assert (x + y) + z == x + (y + z) == Histogram.merge([x, y, z])
    assert x + Histogram.empty() == x == Histogram.empty() + x


def test_merging_nothing_gives_the_empty_histogram() -> None:
    assert Histogram.merge([]) == Histogram.empty()


def test_merging_is_exact_where_a_float_no_longer_is() -> None:
    large = 2**53
    many = Histogram(np.array([3], dtype=np.int32), np.array([large], dtype=np.int64), 0, 1_600, 1_600)
    assert (many + Histogram.of([1_600])).total == large + 1


def test_merging_mismatched_geometries_is_refused_even_when_one_is_empty() -> None:
    with pytest.raises(ValueError, match="cannot merge"):
        Histogram.merge([Histogram.of([5_000]), Histogram.empty(Geometry(digits=2))])


# Quantiles


@given(DURATIONS.filter(bool), st.lists(QUANTILES, min_size=2, max_size=20))
def test_quantiles_never_fall_and_never_leave_the_extremes(values: list[int], shares: list[float]) -> None:
    found = of(values).quantiles(sorted(shares))
    assert np.all(np.diff(found) >= 0)
    assert np.all((found >= min(values)) & (found <= max(values)))


@given(IN_RANGE_LIST.filter(bool), QUANTILES)
def test_a_quantile_lies_in_the_bucket_of_the_value_at_its_rank(values: list[int], q: float) -> None:
    rank = max(math.ceil(q * len(values)), 1)
    wanted = GEOMETRY.index_of(np.array([sorted(values)[rank - 1]]))
    low, width = GEOMETRY.lower_of(wanted)[0], GEOMETRY.width_of(wanted)[0]
    assert low <= of(values).quantile(q) <= low + width


@given(DURATIONS.filter(bool))
def test_the_outermost_quantiles_are_the_extremes(values: list[int]) -> None:
    histogram = of(values)
    assert histogram.quantile(0) == min(values)
    in_last_bucket = GEOMETRY.width_of(histogram.buckets[-1:])[0] if not histogram.overflow else 0
    assert max(values) - in_last_bucket <= histogram.quantile(1) <= max(values)


@given(st.integers(0, 2**53), st.integers(1, 50), QUANTILES)
def test_a_repeated_value_is_all_its_quantiles(value: int, times: int, q: float) -> None:
    assert of([value] * times).quantile(q) == value


def test_a_quantile_divides_its_bucket_by_rank() -> None:
    lower, width = 2_048 << 9, 1 << 10  # the first bucket of the second octave
    values = [lower] + [lower + width - 1] * 3
    assert Histogram.of(values).quantiles([0.25, 0.5, 0.75]).tolist() == [lower + width * k / 4 for k in (1, 2, 3)]


def test_quantiles_inside_the_overflow_are_the_maximum() -> None:
    histogram = Histogram.of([1_000_000] * 98 + [HIGHEST + 5, HIGHEST + 9])
    assert histogram.quantile(0.98) <= 1_000_448  # the end of the bucket of 1 ms
    assert histogram.quantile(0.981) == histogram.quantile(1) == HIGHEST + 9


def test_quantiles_are_within_half_a_microsecond_or_a_thousandth_of_the_exact_ones() -> None:
    values, shares = log_normal(20_000), [0.01, 0.5, 0.95, 0.99, 0.999]
    exact = np.quantile(values, shares, method="inverted_cdf")
    error = np.abs(Histogram.of(values).quantiles(shares) - exact)
    assert np.all(error <= np.maximum(512, exact / 1_000))


def test_an_empty_histogram_has_no_quantiles_and_no_mean() -> None:
    assert math.isnan(Histogram.empty().quantile(0.5))
    assert math.isnan(Histogram.empty().mean())


@pytest.mark.parametrize("q", [-0.01, 1.01, math.nan, 99])
def test_a_quantile_outside_zero_to_one_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        Histogram.of([1]).quantile(q)


@given(IN_RANGE_LIST.filter(bool))
def test_the_mean_is_off_by_at_most_half_a_bucket(values: list[int]) -> None:
    widest = int(GEOMETRY.width_of(of(values).buckets).max())
    exact = sum(values) / len(values)
    assert abs(of(values).mean() - exact) <= widest / 2 + 1e-9 * exact


def test_an_overflow_enters_the_mean_as_the_maximum() -> None:
    assert Histogram.of([0, 2 * HIGHEST]).mean() == pytest.approx(HIGHEST, rel=1e-6)


# Equality


def test_equality_and_hash_go_by_content() -> None:
    assert Histogram.of([1_000, 9_000]) == Histogram.of([9_000, 1_000])
    assert hash(Histogram.of([1_000, 9_000])) == hash(Histogram.of([9_000, 1_000]))
    assert Histogram.of([1_000]) != Histogram.of([1_001])  # the same bucket, other extremes
    assert Histogram.empty() != Histogram.empty(Geometry(digits=2))
    assert Histogram.empty() != "empty"


def test_a_histogram_survives_the_way_between_processes() -> None:
    histogram = Histogram.of(log_normal(100))
    assert pickle.loads(pickle.dumps(histogram)) == histogram
