"""The adapter for one path of an HTTP server, against a real one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import orjson
import pytest
from dataset_values import scenario
from fault_server import FaultServer, always
from perfgate_agent.loader import load_nodes
from perfgate_agent.probe import exchange
from perfgate_agent.samples import find_samples

from perfgate.address import Address
from perfgate.dataset import Dataset, build_dataset
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.plan import LANES, Plan
from perfgate.targets.adapter import Adapter, Judgement, encode_block, make_adapter
from perfgate.targets.load import target_from_json

NODES = 100
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"
GONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nlost"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    described = scenario(num_nodes=NODES, dim=8)
    return build_dataset(described, 3, tmp_path_factory.mktemp("data"), store_pool=1, num_queries=NODES)


def adapter_of(dataset: Dataset, port: int, **options: str) -> Adapter:
    target = target_from_json(orjson.dumps({"name": "t", "adapter": "http_get", "options": options}).decode())
    return make_adapter(target, dataset, "127.0.0.1", port)


async def ask(adapter: Adapter, port: int) -> Judgement:
    request = adapter.encode(Operation.RECALL, 7, 1_000)
    return adapter.judge(Operation.RECALL, 7, 1_000, *await exchange(Address("127.0.0.1", port), request, 5), deep=True)


async def test_the_path_is_asked_for_whatever_the_key(dataset: Dataset) -> None:
    async with FaultServer(always(HELLO)) as server:
        adapter = adapter_of(dataset, server.port, path="/a?b=%20c")
        assert (await ask(adapter, server.port)) == Judgement(Outcome.OK, found=1, expected=1)
        assert server.requests[0].startswith(b"GET /a?b=%20c HTTP/1.1\r\n")
        assert f"Host: 127.0.0.1:{server.port}\r\n".encode() in server.requests[0]
    assert adapter.encode(Operation.RECALL, 1, 2) == adapter.encode(Operation.RECALL, 3, 4)


def test_many_requests_at_once_are_the_same_as_one_by_one(dataset: Dataset) -> None:
    adapter = adapter_of(dataset, 1, path="/a")
    block = Plan(dataclasses.replace(scenario(), weights={Operation.RECALL: 1.0})).window(range(LANES), 0, 3 * 10**9)
    data, offsets, sizes = encode_block(adapter, block)
    assert len(offsets) == len(sizes) == len(block) > 0
    one = adapter.encode(Operation.RECALL, 0, 0)
    assert all(data[start : start + size] == one for start, size in zip(offsets.tolist(), sizes.tolist(), strict=True))


async def test_another_status_is_a_failure_that_shows_the_reply(dataset: Dataset) -> None:
    async with FaultServer(always(GONE)) as server:
        judged = await ask(adapter_of(dataset, server.port), server.port)
    assert (judged.outcome, judged.example) == (Outcome.BAD_STATUS, "status 404: lost")


async def test_a_deep_check_looks_for_the_text_that_the_reply_must_hold(dataset: Dataset) -> None:
    async with FaultServer(always(HELLO)) as server:
        assert (await ask(adapter_of(dataset, server.port, contains="ell"), server.port)).outcome is Outcome.OK
        judged = await ask(adapter_of(dataset, server.port, contains="bye"), server.port)
    assert (judged.outcome, judged.example) == (Outcome.WRONG_ANSWER, "'bye' is not in hello\n")


async def test_a_server_without_data_counts_as_loaded_and_passes_the_samples(dataset: Dataset) -> None:
    async with FaultServer(always(HELLO)) as server:
        adapter, address = adapter_of(dataset, server.port), Address("127.0.0.1", server.port)
        assert adapter.read_count(*await exchange(address, adapter.encode_count(), 5)) == NODES
        assert not await find_samples(adapter, address, NODES)
        assert (await load_nodes(adapter, address, NODES, 2)).count == NODES


async def test_a_server_that_refuses_the_path_is_not_counted(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="status 404: lost"):
        adapter_of(dataset, 1).read_count(404, b"lost")


def test_a_target_file_may_name_the_adapter_by_a_path_alone(tmp_path: Path) -> None:
    target = target_from_json('{"name": "x", "adapter": "http_get"}')
    assert target.options == {"path": "/", "contains": ""}
    assert target.operations == {Operation.RECALL}
