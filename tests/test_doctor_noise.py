"""The noise spectrum, what is planted in it, and what chance puts there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from perfgate.doctor.interruptions import Interruptions, parse_probe
from perfgate.doctor.other_work import ProcessTime, culprits
from perfgate.doctor.spectrum import dominant_period, lost_in_bins, octaves
from perfgate.doctor.steal import stolen_share
from perfgate.errors import MeasurementError
from perfgate.units import NS_PER_MS, NS_PER_S

SPAN_NS = 20 * NS_PER_S
BEGAN_NS = 12_345


def noise(starts: NDArray[np.integer] | list[int], length_ns: int = 200_000, span_ns: int = SPAN_NS) -> Interruptions:
    """Interruptions that start at these ns after the beginning, each as long."""
    ordered = np.sort(np.asarray(starts, dtype=np.int64))
    return Interruptions(0, BEGAN_NS, span_ns, ordered + BEGAN_NS, np.full(len(ordered), length_ns, dtype=np.int64))


def train(period_ms: float, jitter_ms: float, random: np.random.Generator) -> NDArray[np.int64]:
    times = np.arange(0.3 * period_ms, 19_900, period_ms)
    return np.maximum(0, (times + random.normal(0, jitter_ms, len(times))) * NS_PER_MS).astype(np.int64)


@pytest.mark.parametrize(
    ("period_ms", "others", "jitter_ms"),
    [(10, 0, 0), (10, 5_000, 0.5), (100, 200, 2), (1_000, 20, 5), (4.167, 3_000, 0.1), (33.3, 500, 1), (1_000, 0, 0)],
)
def test_a_planted_period_is_found(period_ms: float, others: int, jitter_ms: float) -> None:
    random = np.random.default_rng(1)
    found = dominant_period(
        noise(np.concatenate([train(period_ms, jitter_ms, random), random.integers(0, SPAN_NS, others)]))
    )
    assert found is not None
    assert found.period_ns == pytest.approx(period_ms * NS_PER_MS, rel=0.01)


@pytest.mark.parametrize("rate", [1, 5, 50, 300])
def test_interruptions_that_fall_at_random_have_no_period(rate: int) -> None:
    for seed in range(15):
        random = np.random.default_rng(seed)
        assert dominant_period(noise(random.integers(0, SPAN_NS, random.poisson(20 * rate)))) is None, seed


def test_bursts_are_not_taken_for_a_period() -> None:
    for seed in range(15):
        random = np.random.default_rng(seed)
        bursts = [at + random.integers(0, 300 * NS_PER_MS, 60) for at in random.integers(0, SPAN_NS - NS_PER_S, 8)]
        assert dominant_period(noise(np.concatenate(bursts))) is None, seed


def test_too_few_interruptions_have_no_period() -> None:
    assert dominant_period(noise([])) is None
    assert dominant_period(noise([NS_PER_S * number for number in range(11)])) is None


@given(st.lists(st.integers(0, SPAN_NS - NS_PER_S), max_size=40, unique=True), st.integers(1, 2_000_000))
@settings(deadline=None)
def test_no_lost_time_is_lost_in_the_bins(starts: list[int], length_ns: int) -> None:
    apart = [at // (3 * NS_PER_MS) * 3 * NS_PER_MS for at in starts]  # they never overlap: it is one processor
    one = noise(sorted(set(apart)), length_ns)
    series = lost_in_bins(one)
    assert series.sum() * NS_PER_MS == pytest.approx(one.lengths_ns.sum(), rel=1e-6, abs=1)
    assert series.max(initial=0) <= 1


def test_the_octaves_add_up_to_the_variance_of_the_lost_share() -> None:
    one = noise(np.random.default_rng(3).integers(0, SPAN_NS, 500))
    assert sum(octave.power for octave in octaves(one)) == pytest.approx(lost_in_bins(one).var(), rel=0.01)


def test_bands_count_each_interruption_of_a_tenth_of_a_millisecond_once() -> None:
    lengths = np.array([60_000, 100_000, 999_999, 1_000_000, 9_999_999, 10_000_000, 70_000_000])
    one = Interruptions(1, 0, NS_PER_S, np.arange(7) * 100_000_000, lengths)
    assert [band.count for band in one.bands()] == [2, 2, 2]
    assert sum(band.share for band in one.bands()) == pytest.approx((lengths.sum() - 60_000) / NS_PER_S)


def test_what_perfgate_did_itself_is_left_out() -> None:
    one = noise([NS_PER_S, 2 * NS_PER_S])
    window = (BEGAN_NS + NS_PER_S, BEGAN_NS + NS_PER_S + 1)
    assert (one.without([window]).starts_ns - BEGAN_NS).tolist() == [2 * NS_PER_S]


HEAD = {"began_ns": 5, "ended_ns": 1_000, "readings": 9, "dropped": 0, "gaps": 1, "switches": 2, "realtime": False}


def test_the_probes_report_is_read() -> None:
    one = parse_probe(json.dumps(HEAD).encode() + b"\n" + np.array([7, 70], dtype=np.int64).tobytes(), 3)
    assert (one.cpu, one.span_ns, one.starts_ns.tolist(), one.lengths_ns.tolist()) == (3, 995, [7], [70])


@pytest.mark.parametrize("output", [b"", b"{}\n", b"nonsense", json.dumps(HEAD).encode() + b"\n", b"[]\n", b"\xff\n"])
def test_a_garbled_report_of_the_probe_is_an_error_of_the_measurement(output: bytes) -> None:
    with pytest.raises(MeasurementError):
        parse_probe(output, None)


def test_culprits_are_others_by_what_they_used_meanwhile() -> None:
    before = {1: ProcessTime("init", 0, 5), 7: ProcessTime("backup", 1, 100), 9: ProcessTime("me", 1, 0)}
    after = {
        1: ProcessTime("init", 0, 5), 7: ProcessTime("backup", 1, 300), 9: ProcessTime("me", 1, 900),
        3: ProcessTime("child of mine", 9, 900), 8: ProcessTime("new", 1, 50),
    }  # fmt: skip
    found = culprits(before, after, seconds=10, own={9}, ticks_a_second=100)
    assert [(one.name, one.share) for one in found] == [("backup", 0.2), ("new", 0.05)]


def test_stolen_time_that_is_not_told_is_unknown() -> None:
    assert stolen_share(None, (1, 2)) is None
    assert stolen_share((1, 2), (1, 2)) is None
    assert stolen_share((10, 100), (20, 200)) == pytest.approx(0.1)
