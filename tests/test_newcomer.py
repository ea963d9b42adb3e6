"""A store that perfgate has never heard of is gated with nothing but a target file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import TARGET as CLUSTER
from cluster import perfgate, write_scenario
from dataset_values import scenario
from perfgate_agent.populate import RunningStore, populate
from perfgate_agent.ports import free_ports

from perfgate.address import Address
from perfgate.dataset import build_dataset
from perfgate.targets.load import load_target

STORE = Path(__file__).with_name("newcomer_store.py")
TARGET = """
name = "newcomer"
adapter = "http"
ids = "number"
options = { k = 10, space = "gate" }

[host]
command = ["{python}", "STORE", "--port", "{port}"]
copyable = false

[requests.health]
path = "/ready"

[[prepare]]
method = "PUT"
path = "/c/{space}"
body = '{"width": {dim}}'
success = [202]

[requests.count]
path = "/c/{space}/size"
count = "stats.rows"

[requests.load]
path = "/c/{space}/rows"
body = '{"rows": [{items}]}'
item = '{"key": {id}, "body": "{text}", "features": {vector}}'
batch = 50
success = [207]

[requests.store]
path = "/c/{space}/rows"
body = '{"rows": [{"key": {id}, "body": "{text}", "features": {vector}}]}'
success = [207]

[requests.recall]
path = "/c/{space}/look"
body = '{"words": "{text}", "top": {k}}'
ids = "answer.rows[*].row.meta.key"
errors = { "fault.reason" = "bad_status" }

[requests.embedding_search]
path = "/c/{space}/look"
body = '{"features": {vector}, "top": {k}}'
ids = "answer.rows[*].row.meta.key"
scores = "answer.rows[*].far"
errors = { "fault.reason" = "bad_status", "418" = "wrong_answer" }

[requests.get]
path = "/c/{space}/rows/{id}"
ids = "key"
missing = [410]

[variants.default]
[variants.failing]
arguments = ["--fail", "0.5"]
"""


def write_newcomer(directory: Path) -> Path:
    path = directory / "newcomer.toml"
    path.write_text(TARGET.replace("STORE", str(STORE)))
    return path


def test_a_newcomer_is_gated_with_nothing_but_a_target_file(tmp_path: Path) -> None:
    small, target = write_scenario(tmp_path, rate=100.0), write_newcomer(tmp_path)
    done = perfgate(
        ["gate", str(small), "--target", str(target), "--base", "default", "--candidate", "default",
         "--out", str(tmp_path / "out")], tmp_path / "cache",
    )  # fmt: skip
    assert done.returncode in (0, 4), done.stdout + done.stderr
    record = json.loads((tmp_path / "out" / "result.json").read_text())["record"]
    search = record["arms"]["base"]["operations"]["embedding_search"]
    assert set(search["outcomes"]) == {"ok"}, search
    assert search["found"] == search["expected"] > 0


@pytest.mark.slow
def test_a_newcomer_whose_errors_come_with_status_200_is_never_a_pass(tmp_path: Path) -> None:
    small, target = write_scenario(tmp_path, rate=100.0), write_newcomer(tmp_path)
    done = perfgate(
        ["gate", str(small), "--target", str(target), "--base", "default", "--candidate", "failing",
         "--out", str(tmp_path / "out")], tmp_path / "cache",
    )  # fmt: skip
    assert done.returncode not in (0, 4), done.stdout + done.stderr
    assert "fault" in done.stdout + done.stderr or "fail" in done.stdout + done.stderr


def test_the_newcomers_file_is_proved_step_by_step(tmp_path: Path) -> None:
    done = perfgate(["target", "check", str(write_newcomer(tmp_path)), "--dim", "16"], tmp_path / "cache")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 preparing step;" in done.stdout


@pytest.mark.slow
def test_a_gate_catches_a_stall_of_a_minute_in_the_candidate(tmp_path: Path) -> None:
    small = write_scenario(tmp_path, rate=400.0)
    target = tmp_path / "freezing.toml"
    target.write_text(CLUSTER + '[variants.freezing]\narguments = ["--freeze", "500:60"]\n')
    done = perfgate(
        ["gate", str(small), "--target", str(target), "--base", "default", "--candidate", "freezing",
         "--out", str(tmp_path / "out")], tmp_path / "cache", watched=True,
    )  # fmt: skip
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, text
    assert "timeout" in text or "the base held the rate" in text, text


@pytest.fixture
def running() -> Iterator[Address]:
    """A newcomer without a collection."""
    (port,) = free_ports(1)
    command = [sys.executable, str(STORE), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Address("127.0.0.1", port)
        process.kill()


async def test_a_running_store_without_its_schema_is_prepared_and_loaded(tmp_path: Path, running: Address) -> None:
    small = scenario(num_nodes=120, dim=8)
    dataset = build_dataset(small, 1, tmp_path, store_pool=10, num_queries=20)
    store = RunningStore(load_target(write_newcomer(tmp_path)), small, dataset, running)
    first, second = await populate(store, lambda fraction: None), await populate(store, lambda fraction: None)
    assert (first.memories, first.loaded) == (120, True)
    assert (second.memories, second.loaded) == (120, False)
