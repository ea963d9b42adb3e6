"""The recordings that estimators are judged by, and what they say of the plain quantile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from embedded_store import running_store
from hypothesis import given
from hypothesis import strategies as st
from launched import free_ports

from benchmarks.estimators import DATA, pair_values, slowest, standard_error
from benchmarks.grouped import estimates, of_recording, simulated
from benchmarks.idle_probe import IdleProbe
from benchmarks.recorded import LEAST_NS, NAMES, STEP, Recording, quantised, response_ns
from perfgate.gate.policy_load import STANDARD

FILES = sorted(DATA.glob("*-*.npz"))


def small(seed: int = 1) -> Recording:
    random = np.random.default_rng(seed)
    counts = random.integers(50, 90, (2, 4)).astype(np.int32)
    total = int(counts.sum())
    times = random.integers(100_000, 10**8, (2, total))
    times[0, 3] = 0
    return Recording(
        slice_s=0.25,
        counts=counts,
        first=random.random((2, 4)) < 0.5,
        operation=random.integers(0, 3, total).astype(np.uint8),
        response=quantised(times),
        lag_us=random.random((2, 4, 2, 2), dtype=np.float32) * 100,
        steal=np.zeros((2, 4, 2), dtype=np.float32),
        origin=np.array([[seed, 0], [seed, 1]], dtype=np.int32),
        probe=random.random((2, 4, 2, 2), dtype=np.float32),
    )


@given(st.lists(st.integers(int(LEAST_NS), 10**11), min_size=1, max_size=50))
def test_response_times_are_kept_to_half_a_step_of_their_log(times: list[int]) -> None:
    found = response_ns(quantised(np.array(times)))
    assert np.abs(np.log(found) - np.log(times)).max() <= STEP / 2 + 1e-9


def test_a_failed_request_has_no_response_time() -> None:
    assert np.isnan(response_ns(quantised(np.array([0, 1_000_000])))).tolist() == [True, False]


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    kept = small()
    kept.save(tmp_path / "one.npz")
    loaded = Recording.load(tmp_path / "one.npz")
    assert loaded.slice_s == kept.slice_s
    for name in ("counts", "first", "operation", "response", "lag_us", "steal", "origin", "probe"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(kept, name))


def test_a_recording_in_which_nobody_was_asked_has_no_probes(tmp_path: Path) -> None:
    small().save(tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz") as found:
        without = {name: found[name] for name in found.files if name != "probe"}
    np.savez_compressed(tmp_path / "old.npz", **without)
    loaded = Recording.load(tmp_path / "old.npz")
    assert loaded.probe.shape == (2, 4, 2, 2)
    assert np.isnan(loaded.probe).all()
    known = [group.known for pair in of_recording(loaded, 60) for own in pair for group in own]
    assert {one.shape for one in known} == {(2,)}
    asked = [group.known for pair in of_recording(small(), 60) for own in pair for group in own]
    assert {one.shape for one in asked} == {(4,)}


async def test_the_probe_finds_a_store_that_runs_and_asks_it_and_the_clock() -> None:
    (port,) = free_ports(1)
    async with running_store(32, "--port", str(port)):
        with IdleProbe() as probe:
            async with asyncio.timeout(20):
                while not {0, port} <= {asked for _, asked, _ in probe.samples}:
                    await asyncio.sleep(0.02)
    assert all(took > 0 for _, _, took in probe.samples)
    wakes = [due for due, asked, _ in probe.samples if asked == 0]
    assert wakes == sorted(wakes)


def test_joined_recordings_hold_the_pairs_of_each_in_order() -> None:
    one, other = small(1), small(2)
    both = Recording.join(0.25, [one, other])
    pairs = [*one.by_pair(), *other.by_pair()]
    assert both.pairs == 4
    for found, expected in zip(both.by_pair(), pairs, strict=True):
        for left, right in zip(found, expected, strict=True):
            np.testing.assert_array_equal(left, right)


def test_a_request_is_in_one_group_of_its_operation_and_a_failed_one_in_none() -> None:
    recording = small()
    groups = of_recording(recording, 60)
    assert sum(group.logs.shape[1] for pair in groups for own in pair for group in own) == recording.counts.sum() - 1


def test_couples_in_which_the_generator_was_late_are_left_out() -> None:
    recording = small()
    recording.lag_us[0, 2, 1, 1] = 5_000
    couples = {int(couple) for own in of_recording(recording, 1)[0] for group in own for couple in group.couples}
    assert couples == {0, 1, 3}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recording_has_pairs_of_nine_seconds_in_both_orders(path: Path) -> None:
    recording = Recording.load(path)
    assert recording.slice_s == float(path.stem.partition("-")[2])
    assert recording.pairs >= 7
    assert recording.couples == round(9.0 / recording.slice_s)
    assert recording.counts.sum(axis=1) == pytest.approx(9_000, rel=0.1)
    assert set(np.unique(recording.operation)) == set(range(len(NAMES)))
    assert 0 < recording.first.mean() < 1


def test_there_are_recordings_of_the_slice_the_gate_uses() -> None:
    assert DATA / f"slice-{STANDARD.slice_ns / 1e9:g}.npz" in FILES


def test_every_estimator_says_no_change_of_the_same_requests_and_the_change_of_scaled_ones() -> None:
    same, faster = simulated(
        2, 400.0, 0.25, 2.0, 400, [lambda service, random: service, lambda service, random: service]
    )
    for pair in faster:
        for own in pair:
            for group in own:
                group.logs[1] = group.logs[0] + 0.1
    for name, found in estimates(faster, 0.99).items():
        assert np.nanmin(found) == pytest.approx(0.1, abs=1e-6), name
        assert np.nanmax(found) == pytest.approx(0.1, abs=1e-6), name
    assert all(np.nanmax(np.abs(found)) > 0 for found in estimates(same, 0.99).values())


def test_on_recordings_whatever_lowers_the_p99s_error_by_a_quarter_hides_a_change_of_the_slowest_requests() -> None:
    """Why the gate keeps the plain quantile: docs/estimators.md."""
    recording = Recording.load(DATA / "slice-0.25.npz")
    same, slower = (of_recording(recording, STANDARD.group_requests, change) for change in (None, slowest(0.02, 0.1)))
    of_same, of_slower = (estimates(groups, 0.99) for groups in (same, slower))
    plain, shown = pair_values(of_same["plain"]), pair_values(of_slower["plain"])
    quieter = {}
    for name, found in of_same.items():
        values = pair_values(found)
        if standard_error(values) < 0.75 * standard_error(plain):
            quieter[name] = (pair_values(of_slower[name]) - values).mean() / (shown - plain).mean()
    assert quieter, "or there would be nothing to explain"
    assert max(quieter.values()) < 0.9
