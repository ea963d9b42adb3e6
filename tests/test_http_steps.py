"""What a store makes up itself is learned, and what it does after loading is awaited, before anything is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from cluster import measured, perfgate, write_scenario
from dataset_values import scenario
from perfgate_agent.loader import load_nodes
from perfgate_agent.populate import RunningStore, populate
from perfgate_agent.ports import free_ports
from perfgate_agent.prepare import learn
from test_newcomer import STORE, TARGET

from perfgate.address import Address
from perfgate.dataset import Dataset, build_dataset
from perfgate.errors import InputError, TargetError
from perfgate.operation import OPERATIONS, Operation
from perfgate.requests import Requests
from perfgate.targets.adapter import Adapter, Finishing, Learning, NotLearned, encode_each, make_adapter
from perfgate.targets.load import load_target
from perfgate.targets.model import Target

LEARN = """
[[learn]]
path = "/c/{space}"
take = { handle = "about.handle" }
"""
FINISH = """
[[finish]]
path = "/c/{handle}/index"
until = { "parts[*].pending" = 0, "parts[*].rows" = "{nodes}", "parts[*].ready" = true }
timeout_seconds = TIMEOUT
"""
VARIANT = """
[variants.named]
arguments = ["--handles", "--index", "3"]
"""


def document(timeout: float = 30.0) -> str:
    """The newcomer's file, for a store that goes by handles and indexes what it holds when it is asked to."""
    by_handle = TARGET.replace("/c/{space}/", "/c/{handle}/").replace("STORE", str(STORE))
    first, rest = by_handle.split("[requests.count]")
    return first + LEARN + FINISH.replace("TIMEOUT", str(timeout)) + "[requests.count]" + rest + VARIANT


def written(directory: Path, text: str) -> Target:
    (directory / "named.toml").write_text(text)
    return load_target(directory / "named.toml")


@contextmanager
def newcomer(*arguments: str) -> Iterator[Address]:
    (port,) = free_ports(1)
    command = [sys.executable, str(STORE), "--port", str(port), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield Address("127.0.0.1", port)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build_dataset(
        scenario(num_nodes=120, dim=8), 1, tmp_path_factory.mktemp("data"), store_pool=10, num_queries=20
    )


def test_a_store_that_makes_up_names_and_builds_an_index_is_proved_and_loaded_by_every_worker(tmp_path: Path) -> None:
    (tmp_path / "named.toml").write_text(document())
    checked = perfgate(
        ["target", "check", str(tmp_path / "named.toml"), "--dim", "16", "--variant", "named"], tmp_path / "cache"
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "until what follows loading was done" in checked.stdout
    done = perfgate(
        ["run", str(write_scenario(tmp_path, seconds=1, rate=60)), "--target", str(tmp_path / "named.toml"),
         "--variant", "named", "--out", str(tmp_path / "out"), "--warmup", "0s"], tmp_path / "cache",
    )  # fmt: skip
    assert measured(done), done.stdout + done.stderr
    record = json.loads((tmp_path / "out" / "result.json").read_text())["record"]
    outcomes = [each["outcomes"] for arm in record["arms"].values() for each in arm["operations"].values()]
    assert outcomes
    assert all(set(each) == {"ok"} for each in outcomes), outcomes


async def test_a_running_store_is_asked_for_its_names_or_told_its_schema_first(
    tmp_path: Path, dataset: Dataset
) -> None:
    small = scenario(num_nodes=120, dim=8)
    with newcomer("--handles", "--index", "3") as address:
        store = RunningStore(written(tmp_path, document()), small, dataset, address)
        first, second = await populate(store, lambda fraction: None), await populate(store, lambda fraction: None)
        assert (first.memories, first.loaded) == (120, True)
        assert (second.memories, second.loaded) == (120, False)


async def test_an_index_that_is_never_ready_ends_loading_with_what_is_missing(tmp_path: Path, dataset: Dataset) -> None:
    with newcomer("--handles", "--index", "100000") as address:
        adapter = make_adapter(written(tmp_path, document(timeout=0.3)), dataset, address.host, address.port)
        with pytest.raises(
            TargetError, match=r"after loading, step 1 .*timeout_seconds = 0\.3: parts\[\*\]\.pending is 99"
        ):
            await load_nodes(adapter, address, dataset.num_nodes, 2)


async def test_a_store_without_what_is_to_be_learned_is_named(tmp_path: Path, dataset: Dataset) -> None:
    with newcomer("--handles") as address:
        adapter = make_adapter(written(tmp_path, document()), dataset, address.host, address.port)
        with pytest.raises(TargetError, match=r"was asked GET /c/gate HTTP/1\.1: status 410"):
            await learn(adapter, address)


def named(tmp_path: Path, dataset: Dataset) -> Adapter:
    return make_adapter(written(tmp_path, document()), dataset, "h", 1)


def test_no_request_is_made_before_its_names_are_learned(tmp_path: Path, dataset: Dataset) -> None:
    adapter = named(tmp_path, dataset)
    assert isinstance(adapter, Learning)
    for encode in (adapter.encode_count, lambda: adapter.encode_load(1)):
        with pytest.raises(NotLearned):
            encode()
    adapter.learn(0, 200, b'{"about": {"handle": "a b"}}')
    assert adapter.encode_count().startswith(b"GET /c/a%20b/size ")
    assert adapter.encode_load(1).startswith(b"POST /c/a%20b/rows ")


@pytest.mark.parametrize(
    "reply",
    [
        "{}",
        '{"about": {"handle": null}}',
        '{"about": {"handle": ""}}',
        '{"about": []}',
        '{"about": {"handle": "a\\nb"}}',
        "x",
    ],
)
def test_a_reply_that_teaches_nothing_is_refused(tmp_path: Path, dataset: Dataset, reply: str) -> None:
    adapter = named(tmp_path, dataset)
    assert isinstance(adapter, Learning)
    with pytest.raises(ValueError):
        adapter.learn(0, 200, reply.encode())


def test_names_are_learned_for_each_memory_space(tmp_path: Path) -> None:
    spaces = scenario(num_nodes=9, dim=8, memory_spaces=3)
    three = build_dataset(spaces, 3, tmp_path / "data", store_pool=3, num_queries=9)
    adapter = named(tmp_path, three)
    assert isinstance(adapter, Learning)
    assert [one.split(b" ")[1] for one in adapter.questions()] == [b"/c/gate-0", b"/c/gate-1", b"/c/gate-2"]
    for number, handle in enumerate("xyz"):
        adapter.learn(number, 200, orjson.dumps({"about": {"handle": handle}}))
    assert [adapter.encode_load(node).split(b" ")[1] for node in range(3)] == [b"/c/x/rows", b"/c/y/rows", b"/c/z/rows"]
    assert isinstance(adapter, Finishing)
    assert len(adapter.finishing()) == 3


@pytest.mark.parametrize(("parts", "missing"), [
    ([{"pending": 0, "rows": 120, "ready": True}], ""),
    ([{"pending": 0, "rows": "120", "ready": True}] * 2, ""),
    ([{"pending": 1, "rows": 120, "ready": True}], "pending is 1, not 0"),
    ([{"pending": 0, "rows": 119, "ready": True}], "rows is 119, not 120"),
    ([{"pending": 0, "rows": 120, "ready": 1}], "ready is 1, not True"),
    ([{"pending": False, "rows": 120, "ready": True}], "pending is False, not 0"),
    ([], "pending is [], not 0"),
])  # fmt: skip
def test_all_that_is_awaited_must_stand_there(tmp_path: Path, dataset: Dataset, parts: list[Any], missing: str) -> None:
    adapter = named(tmp_path, dataset)
    assert isinstance(adapter, Finishing)
    said = adapter.finished(0, 200, orjson.dumps({"parts": parts}))
    assert said.endswith(missing)
    assert bool(said) is bool(missing)


def test_a_failure_is_not_waited_for(tmp_path: Path, dataset: Dataset) -> None:
    adapter = named(tmp_path, dataset)
    assert isinstance(adapter, Finishing)
    with pytest.raises(ValueError, match="status 500"):
        adapter.finished(0, 500, b"no disk")


def test_a_bulk_load_may_be_written_column_by_column(tmp_path: Path, dataset: Dataset) -> None:
    columns = "columns = { keys = '{id}', bodies = '\"{text}\"', features = '{vector}' }"
    text = TARGET.replace("STORE", str(STORE))
    text = text.replace('{"rows": [{items}]}', '{"k": [{keys}], "b": [{bodies}], "f": [{features}]}')
    item = next(line for line in text.splitlines() if line.startswith("item ="))
    adapter = make_adapter(written(tmp_path, text.replace(item, columns)), dataset, "h", 1)
    request = adapter.encode_load_batch(range(2, 5))
    assert request is not None
    body = orjson.loads(request.partition(b"\r\n\r\n")[2])
    assert body["k"] == [2, 3, 4]
    assert body["b"] == [dataset.text(node) for node in (2, 3, 4)]
    assert body["f"] == [orjson.loads(dataset.encoded_node(node)) for node in (2, 3, 4)]


Change = Callable[[str], str]


@pytest.mark.parametrize(("change", "message"), [
    (lambda text: text.replace('handle = "about', 'id = "about'), r"learn names .*id"),
    (lambda text: text.replace('"about.handle"', '"about..handle"'), r"learn\.0\.take = .*about\.\.handle"),
    (lambda text: text.replace('"parts[*].pending"', '"parts[*"'), r"finish\.0\.until"),
    (lambda text: text.replace('path = "/ready"', 'path = "/ready/{handle}"'), r"requests\.health\.path names \{handle\}"),
    (lambda text: text.replace("[{items}]", "[]"), r"body does not name \{items\}"),
    (lambda text: text.replace("batch = 50", "columns = { id = '{id}' }"), r"requests\.load\.columns names .*id"),
    (lambda text: text.replace("batch = 50", "columns = { other = '{id}' }"), r"body does not name \{other\}.*columns\.other"),
])  # fmt: skip
def test_steps_that_do_not_fit_are_named(tmp_path: Path, change: Change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        written(tmp_path, change(document()))


def test_no_more_than_one_request_is_in_memory_at_a_time(tmp_path: Path, dataset: Dataset) -> None:
    adapter = named(tmp_path, dataset)
    assert isinstance(adapter, Learning)
    adapter.learn(0, 200, b'{"about": {"handle": "x"}}')
    rows, code = np.arange(20), np.full(20, OPERATIONS.index(Operation.EMBEDDING_SEARCH), np.uint8)
    block = Requests(rows, code, rows, rows, np.zeros(20, np.bool_), np.zeros(20, np.uint16))
    each = encode_each(adapter, block)
    assert next(each) == adapter.encode(Operation.EMBEDDING_SEARCH, 0, 0)
    assert list(each) == [adapter.encode(Operation.EMBEDDING_SEARCH, row, row) for row in range(1, 20)]
