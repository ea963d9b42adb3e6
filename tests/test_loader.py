"""Loading a store: all of it arrives, or an error says what did not."""

from __future__ import annotations

import asyncio

import pytest
from embedded_store import data_of, embedded, running_store, small_plan
from fault_server import OK, Answer, FaultServer, always
from load_cases import PlainAdapter
from perfgate_agent import loader
from perfgate_agent.loader import load_nodes

from perfgate.address import Address
from perfgate.errors import TargetError
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import Judgement, make_adapter


class Finding(PlainAdapter):
    """A recall finds its memory unless the server says otherwise."""

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        return Judgement(Outcome.OK, found=int(body != b"nothing"), expected=1)


def store(count: bytes = b"100", recall: bytes = b"{}") -> Answer:
    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        body = count if b"/count" in request else recall if b"/recall" in request else b"{}"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    return answer


async def load(answer: Answer, num_nodes: int = 100) -> tuple[FaultServer, loader.LoadingReport]:
    async with FaultServer(answer) as server:
        return server, await load_nodes(Finding(), Address("127.0.0.1", server.port), num_nodes, 4)


async def test_every_node_is_sent_once_over_the_given_connections() -> None:
    server, report = await load(store())
    sent = [request.split(b" ")[1] for request in server.requests if b"/store" in request]
    assert sorted(sent) == sorted(b"/store/%d/%d" % (node, node) for node in range(100))
    assert report.count == 100


async def test_a_server_that_closes_after_every_reply_is_loaded_all_the_same() -> None:
    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        body = b"100" if b"/count" in request else b"{}"
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server, report = await load(answer)
    assert report.count == 100
    assert server.connections >= 100


async def test_a_store_that_keeps_less_than_it_acknowledged_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "SETTLE_S", 0.0)
    with pytest.raises(TargetError, match="holds 99 memories after 100 were loaded"):
        await load(store(count=b"99"))


async def test_a_count_that_settles_late_is_awaited() -> None:
    counts = iter([b"98", b"99", b"100"])

    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        await store(next(counts) if b"/count" in request else b"")(server, request, writer)

    _, report = await load(answer)
    assert report.count == 100


async def test_what_was_loaded_must_be_found_again() -> None:
    with pytest.raises(
        TargetError, match="100 memories were loaded, but memory 0 of 100 is not found by its text: other memories"
    ):
        await load(store(recall=b"nothing"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (always(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"), "loading memory . of 100 failed: status 400"),
        (always(b"what?\r\n\r\n"), "loading memory . of 100 failed: bad reply"),
        (always(OK[:20], close=True), "loading memory . of 100 failed: truncated"),
        (store(count=b"many"), "count cannot be read"),
    ],
)
async def test_a_refusal_names_the_memory_and_the_words(answer: Answer, words: str) -> None:
    with pytest.raises(TargetError, match=words):
        await load(answer)


async def test_a_store_that_dies_while_loading_ends_it() -> None:
    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 50:
            server.kill()
        else:
            await store()(server, request, writer)

    with pytest.raises(
        TargetError, match=r"loading memory \d+ of 100 failed: (reset|refused|truncated|stale connection)"
    ):
        await load(answer)


@pytest.mark.parametrize("spaces", [1, 3])
async def test_the_built_in_store_is_loaded_and_its_searches_are_right(spaces: int, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    plan = small_plan(spaces=spaces)
    data = data_of(plan, tmp_path_factory.mktemp("cache"))
    fractions: list[float] = []
    async with running_store(32) as port:
        adapter = make_adapter(embedded(), data, "127.0.0.1", port)
        report = await load_nodes(adapter, Address("127.0.0.1", port), data.num_nodes, 4, fractions.append)
    assert report.count == 400
    assert fractions[-1] == 1.0
    assert fractions == sorted(fractions)


async def test_a_store_that_fails_some_requests_cannot_be_loaded(tmp_path) -> None:  # type: ignore[no-untyped-def]
    data = data_of(small_plan(), tmp_path)
    async with running_store(32, "--fail", "store=0.05") as port:
        adapter = make_adapter(embedded(), data, "127.0.0.1", port)
        with pytest.raises(TargetError, match=r"loading memory \d+ of 400 failed: status 500"):
            await load_nodes(adapter, Address("127.0.0.1", port), data.num_nodes, 4)


async def test_searches_that_find_nothing_true_are_a_broken_set_up() -> None:
    """Recalls by text may work where the index of vectors was not read back."""

    async def nothing_found(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        body = b"100" if b"/count" in request else b"nothing" if b"/embedding_search" in request else b"{}"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    with pytest.raises(TargetError, match="but embedding searches find 0 of 10 nearest memories: other"):
        await load(nothing_found)


async def test_only_what_the_target_can_do_is_sampled() -> None:
    class Storing(Finding):
        operations = frozenset({Operation.STORE})

    async with FaultServer(store(recall=b"nothing")) as server:
        await load_nodes(Storing(), Address("127.0.0.1", server.port), 100, 4)
        assert not any(b"/recall" in request or b"/embedding_search" in request for request in server.requests)
