"""Stores that do not speak HTTP, the whole way: command line, controller, agent, worker, the real store, and back."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from cluster import ROOT, perfgate, write_scenario

from perfgate.targets.facts import about_of, search_of
from perfgate.targets.launch_postgres import find_programs
from perfgate.targets.launch_redis import find_module, find_server
from perfgate.targets.load import load_target

NEEDS = {
    "redis": find_server() is not None,
    "falkordb": find_module() is not None,
    "postgres_pgvector": find_programs() is not None and importlib.util.find_spec("asyncpg") is not None,
}


@pytest.mark.parametrize("adapter", ["redis", "falkordb", "pgvector"])
def test_a_new_target_file_is_the_stores_own(adapter: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert perfgate(["target", "new", "--adapter", adapter, str(path)], tmp_path).returncode == 0
    target = load_target(path)
    assert target.adapter == adapter
    assert search_of(target) is not None
    assert about_of(target).durability


@pytest.mark.slow
@pytest.mark.parametrize("name", list(NEEDS))
def test_each_step_of_a_check_holds(name: str, tmp_path: Path) -> None:
    if not NEEDS[name]:
        pytest.skip(f"no {name} here: make setup, or put its server into PATH")
    done = perfgate(["target", "check", str(ROOT / "targets" / f"{name}.toml"), "--dim", "32"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "steps hold" in done.stdout
    assert "a fresh process on a copy of the stopped directory holds and finds the memories" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", list(NEEDS))
def test_a_gate_of_a_build_against_itself_sends_everything_and_finds_what_is_true(name: str, tmp_path: Path) -> None:
    if not NEEDS[name]:
        pytest.skip(f"no {name} here: make setup, or put its server into PATH")
    scenario = write_scenario(tmp_path, rate=200)
    if name == "redis":  # which has no text search
        scenario.write_text(scenario.read_text().replace("recall_weight = 0.35", "recall_weight = 0"))
    done = perfgate(
        ["gate", str(scenario), "--target", str(ROOT / "targets" / f"{name}.toml"), "--base", "default", "--candidate",
         "default", "--out", str(tmp_path / "out")], tmp_path / "cache",
    )  # fmt: skip
    assert done.returncode in (0, 4), done.stdout + done.stderr  # three short pairs prove little
    record = json.loads((tmp_path / "out" / "result.json").read_text())["record"]
    assert record["complete"] is True
    assert len(record["pairs"]) >= 2
    words = " ".join(done.stdout.split())
    assert "failed base 0 (0.0 %); candidate 0 (0.0 %)" in words
    assert "search recall" in words
    assert ("recall" in words.replace("search recall", "")) == (name != "redis"), (
        "texts are asked for where they can be"
    )
