from __future__ import annotations

import argparse
import signal
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_process import JSON, StoreProcess, refused, running_store

from perfgate.cli.store import add_parser
from perfgate.errors import InputError
from perfgate.operation import Operation
from perfgate.store import misbehave
from perfgate.store.misbehave import UNSEEN_NS, Mischief
from perfgate.store.options import add_arguments, parse_options
from perfgate.store.recent_times import LEAST, WINDOW, RecentTimes

MEMORY = {"content": "green tea", "embedding": [1.0, 0.0, 0.0], "confidence": 0.95}
SEARCH = "/api/v1/memories/recall?embedding=[1,0,0]"
TEXT = "/api/v1/memories/recall?query=tea"


def fill(store: StoreProcess, count: int) -> None:
    for number in range(count):
        memory = {**MEMORY, "id": f"m{number}", "embedding": [1.0, number / 10, 0.0]}
        assert store.remember(memory)[0] == 201


def options(*arguments: str) -> Any:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parse_options(parser.parse_args(arguments))


def test_memories_outlive_an_orderly_stop(tmp_path: Path) -> None:
    arguments = ("--dim", "3", "--data-dir", str(tmp_path / "data"))
    with running_store(*arguments) as store:
        fill(store, 20)
        store.remember({**MEMORY, "id": "m3", "content": "replaced words"})
        store.remember({**MEMORY, "id": "other"}, "second")
        identity = store.ask("GET", "/api/v1/system/health")[1]["identity"]
        assert store.stop() == 0
    for _ in range(2):  # also what was loaded is kept by the next stop
        with running_store(*arguments) as store:
            assert store.ask("GET", "/api/v1/system/health")[1]["identity"] == identity
            assert (store.count(), store.count("second")) == (20, 1)
            assert store.recall("query=replaced") == ["m3"]
            assert len(store.recall("embedding=[1,0,0]&max_results=100")) == 20
            assert store.ask("GET", "/api/v1/memories/m7")[1]["content"] == "green tea"
            assert store.remember({**MEMORY, "id": "m0"})[0] == 201
            assert store.stop() == 0


def test_a_killed_store_leaves_the_state_of_the_last_orderly_stop(tmp_path: Path) -> None:
    arguments = ("--dim", "3", "--data-dir", str(tmp_path))
    with running_store(*arguments) as store:
        fill(store, 2)
        assert store.stop() == 0
    with running_store(*arguments) as store:
        fill(store, 5)
        store.process.send_signal(signal.SIGKILL)
        store.process.wait()
    with running_store(*arguments) as store:
        assert store.count() == 2


def test_a_data_directory_of_another_dimension_is_refused(tmp_path: Path) -> None:
    with running_store("--dim", "3", "--data-dir", str(tmp_path)) as store:
        assert "in use by another store" in refused("--dim", "3", "--data-dir", str(tmp_path))
        assert store.stop() == 0
    message = refused("--dim", "4", "--data-dir", str(tmp_path))
    assert "--dim is 4" in message
    assert "write --dim 3" in message


def test_a_directory_of_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    assert "give an empty directory" in refused("--data-dir", str(tmp_path))
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_taken_port_is_an_error_and_not_another_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"--port {port} is taken" in refused("--port", str(port), "--data-dir", str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_stop_waits_for_no_idle_and_no_half_sent_request() -> None:
    with running_store("--dim", "3") as store:
        idle = socket.create_connection(("127.0.0.1", store.port))
        half = socket.create_connection(("127.0.0.1", store.port))
        with idle, half:
            idle.sendall(b"GET /health/alive HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(4_096).startswith(b"HTTP/1.1 200")
            half.sendall(b"POST /api/v1/memories/remember HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{")
            assert store.ask("GET", "/health/alive")[0] == 200
            assert store.stop() == 0


def test_standard_output_is_the_ready_line_and_nothing_else() -> None:
    with running_store("--dim", "3") as store:
        fill(store, 3)
        assert store.stop() == 0
        assert store.process.stdout is not None
        assert store.process.stdout.read() == ""


def test_failing_and_empty_answers_come_as_asked_for() -> None:
    with running_store("--dim", "3", "--fail", "store=1:503", "--wrong-empty", "recall") as store:
        assert store.remember({**MEMORY, "id": "a"})[0] == 503
        assert store.ask("POST", "/api/v1/memories/remember_batch", b'{"memories":[]}', JSON)[0] == 201
        assert store.count() == 0
        assert store.ask("GET", TEXT)[1]["memories"] == {"vivid": [], "associated": [], "reconstructed": []}
        assert store.ask("GET", SEARCH)[0] == 200


def test_a_share_of_failures_is_about_that_share() -> None:
    with running_store("--dim", "3", "--fail", "embedding_search=0.3") as store:
        statuses = [store.ask("GET", SEARCH)[0] for _ in range(200)]
        assert set(statuses) == {200, 500}
        assert 30 <= statuses.count(500) <= 90


def test_forgotten_results_are_replaced_by_others() -> None:
    with running_store("--dim", "3", "--forget", "0.5") as store:
        fill(store, 40)
        true = [f"m{number}" for number in range(10)]
        asked = [store.recall("embedding=[1,0,0]&max_results=10") for _ in range(20)]
        right = sum(found == wanted for ids in asked for found, wanted in zip(ids, true, strict=True))
        assert all(len(ids) == 10 for ids in asked)
        assert 60 <= right <= 140


def test_the_store_dies_abruptly_at_the_request_after_the_last_allowed(tmp_path: Path) -> None:
    with running_store("--dim", "3", "--data-dir", str(tmp_path), "--die-after", "3") as store:
        fill(store, 3)
        with pytest.raises((ConnectionError, OSError)):
            store.ask("GET", TEXT)
        assert store.process.wait(timeout=20) == misbehave.DEATH_STATUS


def test_leaked_memory_stays() -> None:
    def resident(store: StoreProcess) -> int:
        words = Path(f"/proc/{store.process.pid}/statm").read_text().split()
        return int(words[1]) * 4_096

    with running_store("--dim", "3", "--leak", "500000") as store:
        store.ask("GET", TEXT)
        before = resident(store)
        for _ in range(60):
            store.ask("GET", TEXT)
        assert resident(store) - before > 50 * 500_000


def test_a_stall_stops_everything_for_its_time() -> None:
    with running_store("--dim", "3", "--stall", "0.3:0.4") as store:
        longest, end = 0.0, time.monotonic() + 20
        while longest <= 0.15 and time.monotonic() < end:
            start = time.monotonic()
            store.ask("GET", "/health/alive")
            longest = max(longest, time.monotonic() - start)
        assert longest > 0.15


def test_no_more_requests_are_answered_than_the_capacity() -> None:
    with running_store("--dim", "3", "--capacity", "50") as store:
        start = time.monotonic()
        for _ in range(10):
            assert store.ask("GET", TEXT)[0] == 200
        assert time.monotonic() - start >= 9 / 50


def test_a_start_delay_holds_the_ready_line_back() -> None:
    start = time.monotonic()
    with running_store("--dim", "3", "--start-delay", "0.2"):
        assert time.monotonic() - start >= 0.2


class Ticks:
    """A clock that goes on by 1 µs at each look."""

    def __init__(self) -> None:
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        self.now_ns += 1_000
        return self.now_ns


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    clock = Ticks()
    monkeypatch.setattr(misbehave, "time", SimpleNamespace(monotonic_ns=clock.monotonic_ns))
    return clock


def test_a_slowed_request_takes_the_factor_from_end_to_end(ticks: Ticks) -> None:
    mischief = Mischief(options("--slow", "embedding_search=1.2").misbehaviour)
    ticks.now_ns = 500_000
    mischief.after(Operation.EMBEDDING_SEARCH, 0)
    assert ticks.now_ns + UNSEEN_NS == pytest.approx(1.2 * (500_000 + UNSEEN_NS), abs=5_000)
    before_ns = ticks.now_ns
    mischief.after(Operation.RECALL, before_ns - 300_000)
    assert ticks.now_ns - before_ns <= 2_000  # two looks at the clock


def test_waiting_for_slowed_requests_is_not_multiplied_again(ticks: Ticks) -> None:
    mischief = Mischief(options("--slow", "embedding_search=2").misbehaviour)
    for _ in range(30):  # all arrived at 0 and each takes 100 µs of its own
        ticks.now_ns += 100_000
        mischief.after(Operation.EMBEDDING_SEARCH, 0)
    assert ticks.now_ns == pytest.approx(30 * (200_000 + UNSEEN_NS), rel=0.05)


def test_a_slow_tail_slows_its_share(ticks: Ticks) -> None:
    mischief = Mischief(options("--slow-tail", "recall=10:0.1").misbehaviour)
    slowed = 0
    for _ in range(1_000):
        arrived_ns = ticks.now_ns
        ticks.now_ns += 100_000
        mischief.after(Operation.RECALL, arrived_ns)
        slowed += ticks.now_ns - arrived_ns > 900_000
    assert 60 <= slowed <= 140


def service_times(ticks: Ticks, naturals: list[int], *switches: str) -> list[int]:
    """What each request takes when, left alone, it would take `naturals`; all from end to end, in ns."""
    mischief, taken = Mischief(options(*switches).misbehaviour), []
    for natural_ns in naturals:
        arrived_ns = ticks.now_ns
        ticks.now_ns += natural_ns - UNSEEN_NS
        mischief.after(Operation.EMBEDDING_SEARCH, arrived_ns)
        taken.append(ticks.now_ns - arrived_ns + UNSEEN_NS)
    return taken


def quantile_ratios(before: list[int], after: list[int]) -> tuple[float, float, float]:
    """Of p50, p95 and p99, without the first requests, by which the store learns what is fast."""
    shares = (0.5, 0.95, 0.99)
    ratios = np.quantile(after[LEAST:], shares) / np.quantile(before[LEAST:], shares)
    return tuple(ratios.tolist())  # type: ignore[return-value]


NATURALS = np.exp(np.random.default_rng(6).normal(np.log(400_000), 0.4, 6_000)).astype(int).tolist()
"""Lognormal service times with a median of 0.4 ms."""


@pytest.mark.parametrize("percent", [10, 20])
def test_slowing_the_fastest_moves_the_median_and_leaves_the_tail(ticks: Ticks, percent: int) -> None:
    switch = f"embedding_search={1 + percent / 100}:0.85"
    p50, p95, p99 = quantile_ratios(NATURALS, service_times(ticks, NATURALS, "--slow-fastest", switch))
    assert p50 == pytest.approx(1 + percent / 100, abs=0.01)
    assert (p95, p99) == (pytest.approx(1, abs=0.01), pytest.approx(1, abs=0.01))


@pytest.mark.parametrize("percent", [10, 20])
def test_slowing_the_slowest_moves_the_tail_and_leaves_the_median(ticks: Ticks, percent: int) -> None:
    switch = f"embedding_search={1 + percent / 100}:0.1"
    p50, p95, p99 = quantile_ratios(NATURALS, service_times(ticks, NATURALS, "--slow-slowest", switch))
    assert p50 == pytest.approx(1, abs=0.01)
    assert p95 == pytest.approx(1 + percent / 100, abs=0.015)
    assert p99 == pytest.approx(1 + percent / 100, abs=0.015)


@pytest.mark.parametrize("percent", [10, 20])
def test_slowing_all_moves_every_quantile_alike(ticks: Ticks, percent: int) -> None:
    slowed = service_times(ticks, NATURALS, "--slow", f"embedding_search={1 + percent / 100}")
    assert quantile_ratios(NATURALS, slowed) == pytest.approx((1 + percent / 100,) * 3, abs=0.01)


def test_ranks_follow_a_store_that_becomes_slower(ticks: Ticks) -> None:
    naturals = NATURALS[:1_000] + [3 * natural for natural in NATURALS[:1_000]]
    slowed = service_times(ticks, naturals, "--slow-fastest", "embedding_search=1.1:0.85")
    later = quantile_ratios(naturals[1_000 + WINDOW :], slowed[1_000 + WINDOW :])
    assert later == pytest.approx((1.1, 1, 1), abs=0.02)


def test_no_rank_is_claimed_before_enough_requests_were_seen(ticks: Ticks) -> None:
    first = NATURALS[: LEAST - 1]
    slowed = service_times(
        ticks, first, "--slow-slowest", "embedding_search=9:1", "--slow-fastest", "embedding_search=9:1"
    )
    assert slowed == pytest.approx(first, abs=3_000)


@given(st.lists(st.integers(0, 10**9), min_size=LEAST, max_size=3 * WINDOW), st.floats(0, 1))
def test_the_quantile_of_recent_times_is_that_of_the_sorted_window(times: list[int], share: float) -> None:
    recent = RecentTimes()
    for time_ns in times:
        recent.add(time_ns)
    window = sorted(times[-WINDOW:])
    assert recent.quantile(share) == window[min(len(window) - 1, int(share * len(window)))]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--slow", "embedding_search"),
        ("--slow", "embedding_search=0.9"),
        ("--slow", "searching=2"),
        ("--slow", "pattern_completion=2"),
        ("--slow", "recall=nan"),
        ("--slow-tail", "recall=2"),
        ("--slow-tail", "recall=2:1.5"),
        ("--slow-fastest", "recall=0.9:0.5"),
        ("--slow-slowest", "recall=2"),
        ("--leak", "-1"),
        ("--leak", "1.5"),
        ("--fail", "store=2"),
        ("--fail", "store=0.1:200"),
        ("--stall", "1:0.5"),
        ("--stall", "1"),
        ("--start-delay", "inf"),
        ("--forget", "1.1"),
        ("--die-after", "soon"),
        ("--capacity", "0"),
        ("--wrong-empty", "everything"),
        ("--port", "70000"),
        ("--dim", "0"),
    ],
)
def test_a_bad_value_is_refused_with_switch_value_and_remedy(arguments: tuple[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        options(*arguments)
    assert arguments[0] in str(caught.value)
    assert repr(arguments[1]) in str(caught.value)
    assert "write" in str(caught.value)


def test_a_bad_value_ends_the_process_with_3_before_it_listens() -> None:
    assert "--slow" in refused("--slow", "embedding_search=fast")


def test_hyphens_in_operations_are_accepted_and_the_last_of_a_switch_counts() -> None:
    told = options("--slow", "embedding-search=2", "--slow", "recall=3", "--forget", "0.1", "--forget", "0.2")
    assert told.misbehaviour.slow == {Operation.EMBEDDING_SEARCH: 2.0, Operation.RECALL: 3.0}
    assert told.misbehaviour.forget == 0.2


def test_the_command_line_s_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["store", "serve", "--help"])
    shown = capsys.readouterr().out
    assert "example:" in shown
    assert "--slow-tail OP=FACTOR:SHARE" in shown
