"""The engine in C and what feeds it: both sides agree, it catches up at the pace it may, and its absence is no failure."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import struct
import time
from pathlib import Path

import numpy as np
import perfgate_agent.engine
import pytest
from fault_server import OK, FaultServer, always
from hypothesis import given
from hypothesis import strategies as st
from load_cases import MS, PlainAdapter, S, check_counts, part, plan, segments
from perfgate_agent import players
from perfgate_agent.engine import compile as compiling
from perfgate_agent.engine.library import library
from perfgate_agent.engine.records import CODINGS, OUTCOMES, REASONS, REQUEST, outcome_of
from perfgate_agent.native_player import NativePlayer
from perfgate_agent.player import Player
from perfgate_agent.slots import Slots
from perfgate_agent.socket_address import socket_address

from perfgate.address import Address
from perfgate.errors import MeasurementError
from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.outcome import Outcome
from perfgate.plan import LANES
from perfgate.segment import Arm, Segment, SegmentKind, stretches
from perfgate.targets.adapter import EncodedBlock, encode_block

SOURCES = Path(perfgate_agent.engine.__file__).parent
needs_engine = pytest.mark.skipif(library() is None, reason="the engine is not compiled")


def names_of(enum: str, header: str) -> list[str]:
    """The names of one C enum, in order."""
    text = re.sub(r"/\*.*?\*/", "", (SOURCES / header).read_text(), flags=re.S)
    found = re.search(r"typedef enum \{([^}]*)\} " + enum + ";", text)
    assert found is not None
    return [name.split("=")[0].strip() for name in found.group(1).split(",") if name.strip()]


def test_every_way_a_request_can_end_in_the_engine_has_its_outcome() -> None:
    special = {"END_REPLY": Outcome.OK, "END_STALE": Outcome.STALE_CONNECTION}
    kinds = names_of("end_kind", "engine.h")
    assert [special[kind] if kind in special else Outcome[kind.removeprefix("END_")] for kind in kinds] == list(
        OUTCOMES
    )


def test_every_reason_and_coding_of_the_parser_has_its_words() -> None:
    assert len(names_of("reply_error", "reply.h")) == len(REASONS)
    assert len(names_of("content_coding", "reply.h")) == len(CODINGS)
    assert [name.removeprefix("CODING_").lower() for name in names_of("content_coding", "reply.h")][1:-1] == list(
        CODINGS[1:-1]
    )


def test_what_this_machine_has_run_out_of_is_not_blamed_on_the_store() -> None:
    import errno

    refused = OUTCOMES.index(Outcome.REFUSED)
    assert outcome_of(refused, errno.EMFILE) is Outcome.LOCAL_LIMIT
    assert outcome_of(refused, errno.ECONNREFUSED) is Outcome.REFUSED


@needs_engine
async def test_an_engine_that_is_late_catches_up_no_faster_than_twice_the_schedule() -> None:
    """The run starts 300 ms ago. At once, half of all requests would be late by next to nothing; at twice the pace of the
    schedule request n goes out 300 ms - n / 2 after its time."""
    loaded = library()
    assert loaded is not None
    intervals: list[Interval] = []
    async with FaultServer(always(OK)) as server:
        player = NativePlayer(part([server], plan(rate=1_000), segments(900)), intervals.append, loaded)
        await player.open()
        report = await player.play(time.monotonic_ns() - 300 * MS)
    check_counts(report, intervals)
    assert report.completed == 900, "late requests are sent, never skipped"
    lag = Histogram.merge([one.lag for one in intervals])
    assert lag.quantile(0.5) > 60 * MS
    assert lag.quantile(0.9) > 200 * MS
    assert lag.min_ns < lag.quantile(0.5) / 2, "and it does catch up"


@needs_engine
async def test_a_closed_loop_sends_what_connections_allow_and_was_never_due_more() -> None:
    loaded = library()
    assert loaded is not None
    intervals: list[Interval] = []
    async with FaultServer(always(OK)) as server:
        played = part([server], plan(rate=50_000), segments(300), closed_loop=True, connections=4)
        player = NativePlayer(played, intervals.append, loaded)
        await player.open()
        report = await player.play(time.monotonic_ns() + 30 * MS)
    check_counts(report, intervals)
    assert report.due == report.completed == len(server.requests) > 20
    assert Histogram.merge([one.lag for one in intervals]).quantile(0.5) < MS


async def play_slowly(server: FaultServer, **fields: object) -> tuple[NativePlayer, list[Interval]]:
    """40 requests, one each 50 ms, so that there is time to sleep between reply and request."""
    loaded = library()
    assert loaded is not None
    intervals: list[Interval] = []
    player = NativePlayer(part([server], plan(rate=20), segments(2_000), **fields), intervals.append, loaded)
    await player.open()
    report = await player.play(time.monotonic_ns() + 30 * MS)
    check_counts(report, intervals)
    assert report.due == 40
    assert report.completed >= 36, "a busy machine may send a request just as the store closes"
    return player, intervals


def service_of(intervals: list[Interval]) -> Histogram:
    return Histogram.merge([part.service for one in intervals for part in one.operations.values()])


@needs_engine
async def test_a_reply_that_nobody_waited_for_is_timed_by_when_it_arrived() -> None:
    """Read when the next request is due, 50 ms later."""
    async with FaultServer(always(OK)) as server:
        player, intervals = await play_slowly(server)
    assert player._state.deaf >= 10, "after the first second"
    assert service_of(intervals).quantile(0.5) < 25 * MS


@needs_engine
async def test_a_reply_that_may_not_fit_into_the_kernel_is_waited_for() -> None:
    """The store could send the rest of it only once the first part is read."""
    body = b"x" * 2_000_000
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with FaultServer(always(huge)) as server:
        player, intervals = await play_slowly(server)
    assert player._state.deaf == 0
    assert service_of(intervals).quantile(0.5) < 45 * MS


@needs_engine
async def test_a_connection_that_was_closed_while_nobody_waited_gets_no_request() -> None:
    async def answer_and_close(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()

    async with FaultServer(answer_and_close) as server:
        player, _ = await play_slowly(server)
    assert player._state.opened >= 30, "each gets another connection"


@needs_engine
async def test_a_reply_of_a_unix_socket_which_has_no_stamps_is_waited_for(tmp_path: Path) -> None:
    async with FaultServer(always(OK), path=tmp_path / "s") as server:
        where = {Arm.BASE: Address.unix(str(tmp_path / "s"))}
        player, intervals = await play_slowly(server, addresses=where)
    assert player._state.deaf == 0
    assert service_of(intervals).quantile(0.5) < 25 * MS


async def test_the_driver_is_the_engine_unless_it_cannot_or_must_not(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = part([1], plan(), segments(100))
    secret = part([1], plan(), segments(100), addresses={Arm.BASE: Address("127.0.0.1", 1, tls=True)})
    monkeypatch.delenv(players.VARIABLE, raising=False)
    if library() is not None:
        assert isinstance(players.make_player(plain, print), NativePlayer)
    assert isinstance(players.make_player(secret, print), Player)
    monkeypatch.setenv(players.VARIABLE, "portable")
    assert isinstance(players.make_player(plain, print), Player)
    monkeypatch.setenv(players.VARIABLE, "engine")
    with pytest.raises(MeasurementError, match="TLS"):
        players.make_player(secret, print)
    monkeypatch.setenv(players.VARIABLE, "rocket")
    with pytest.raises(MeasurementError, match="PERFGATE_DRIVER = 'rocket' must be engine or portable"):
        players.make_player(plain, print)


def test_without_a_compiler_there_is_a_reason_and_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in compiling.SOURCES:
        shutil.copy(SOURCES / name, tmp_path)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    made, why = compiling.compile_engine(tmp_path)
    assert made is None
    assert "no C compiler" in why
    assert not (tmp_path / compiling.LIBRARY).exists()


def test_a_compiler_that_fails_is_quoted(tmp_path: Path) -> None:
    if not compiling.compiler():
        pytest.skip("no C compiler")
    (tmp_path / "engine.c").write_text("#error nothing works\n")
    (tmp_path / "reply.c").write_text("")
    made, why = compiling.compile_engine(tmp_path)
    assert made is None
    assert "nothing works" in why


class TestSlots:
    @given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 2**31)), max_size=30))
    def test_a_place_has_one_owner_and_its_bytes_are_held_until_it_is_given_back(
        self, steps: list[tuple[int, int]]
    ) -> None:
        memory = np.zeros(32, dtype=REQUEST)
        slots = Slots(32, memory.ctypes.data)
        owned: set[int] = set()
        for count, die in steps:
            if count <= slots.free:
                taken = slots.take(slots.pages.write([bytes([count])] * count)[2]).tolist()
                assert len(set(taken)) == count
                assert not owned.intersection(taken)
                owned.update(taken)
            ended = sorted(owned)[: die % (len(owned) + 1)]
            if ended:
                slots.give_back(np.array(ended, dtype=np.uint32))
                owned.difference_update(ended)
            assert slots.taken().tolist() == sorted(owned)
            assert slots.taken_count == len(owned) == 32 - slots.free
            assert slots.pages.held == len(owned)
        if owned:
            slots.give_back(np.array(sorted(owned), dtype=np.uint32))
        assert slots.pages.held == 0

    def test_more_than_is_free_is_refused(self) -> None:
        slots = Slots(4, np.zeros(4, dtype=REQUEST).ctypes.data)
        with pytest.raises(ValueError, match="5 requests, but only 4 places"):
            slots.take(slots.pages.write([b""] * 5)[2])


def test_a_block_is_encoded_to_the_same_bytes_as_its_requests() -> None:
    adapter, block = PlainAdapter(), plan(rate=200).window(range(LANES), 0, S)
    payload, offsets, sizes = encode_block(adapter, block)
    pieces = [payload[start : start + size] for start, size in zip(offsets.tolist(), sizes.tolist(), strict=True)]
    from perfgate.operation import OPERATIONS

    rows = zip(block.operation.tolist(), block.key.tolist(), block.index.tolist(), strict=True)
    assert pieces == [adapter.encode(OPERATIONS[code], key, index) for code, key, index in rows]
    assert payload == b"".join(pieces)


def test_an_adapter_that_encodes_blocks_itself_is_asked() -> None:
    class Whole(PlainAdapter):
        def encode_block(self, block: object) -> EncodedBlock:
            return b"x", np.zeros(1, np.uint64), np.ones(1, np.uint32)

    assert encode_block(Whole(), plan().window(range(LANES), 0, S))[0] == b"x"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_is_packed_as_the_system_has_it(host: str) -> None:
    packed = socket_address(Address(host, 7432))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    assert struct.unpack_from("=H", packed)[0] == family
    assert struct.unpack_from("!H", packed, 2)[0] == 7432
    offset, size = (8, 16) if ":" in host else (4, 4)
    assert packed[offset : offset + size] == socket.inet_pton(family, host)


def test_a_unix_socket_is_packed_with_its_path() -> None:
    assert socket_address(Address.unix("/run/store.sock")) == struct.pack("=H", socket.AF_UNIX) + b"/run/store.sock\0"


def test_a_stretch_lasts_as_long_as_an_arm_gets_every_window() -> None:
    def segment(number: int, arm: Arm, start: int, end: int) -> Segment:
        return Segment(number, arm, SegmentKind.MEASURED, -1, start, end, number)

    base, candidate = Arm.BASE, Arm.CANDIDATE
    run = [
        segment(0, base, 10, 20), segment(1, candidate, 10, 20), segment(2, candidate, 20, 30), segment(3, base, 20, 30),
        segment(4, base, 40, 50), segment(5, candidate, 30, 40),
    ]  # fmt: skip
    assert [stretches(run)[one.arm, one.number] for one in run] == [10, 10, 10, 10, 40, 10]
