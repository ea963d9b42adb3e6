"""Claims about rates that no worker can send: real runs and gates, against a server that does next to nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cluster import perfgate
from perfgate_agent.engine.library import library

RATES = {"engine": 1_000_000, "portable": 100_000}
"""A second; what the driver cannot send with one core, however fast the server is."""
BOUND_MB = 400
"""Of the worker, which holds a backlog of no more than a second. One that nothing bounds would soon be beyond it."""

SCENARIO = """
name = "too much"
[duration]
total_seconds = 4
[arrival]
pattern = "constant"
rate = {rate}
[operations]
recall_weight = 1
[data]
num_nodes = 100
embedding_dim = 8
[gate]
policy = "quick"
"""
TARGET = """
name = "echo"
adapter = "http_get"
operations = ["recall"]
[host]
command = ["{{python}}", "{echo}", "{{port}}"]
[variants.default]
"""


@pytest.fixture
def rate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """With the driver whose rate it is."""
    if request.param == "engine" and library() is None:
        pytest.skip("the engine is not compiled")
    monkeypatch.setenv("PERFGATE_DRIVER", request.param)
    return RATES[request.param]


def order(directory: Path, rate: int) -> list[str]:
    scenario, target = directory / "much.toml", directory / "echo.toml"
    scenario.write_text(SCENARIO.format(rate=rate))
    target.write_text(TARGET.format(echo=Path(__file__).with_name("echo_at.py")))
    return [str(scenario), "--target", str(target), "--out", str(directory / "out")]


def result(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "out" / "result.json").read_text())
    return found


@pytest.mark.parametrize(
    ("rate", "warmup"),
    [("engine", "0s"), ("engine", "2s"), ("portable", "0s"), pytest.param("portable", "2s", marks=pytest.mark.slow)],
    indirect=["rate"],
)
def test_a_run_at_a_rate_that_no_worker_can_send_blames_the_worker(rate: int, warmup: str, tmp_path: Path) -> None:
    done = perfgate(["run", *order(tmp_path, rate), "--warmup", warmup], tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    record = result(tmp_path)["record"]
    said = " ".join([*record["warnings"], *(reason["text"] + reason["remedy"] for reason in record["invalid"])])
    assert "the store fell" not in said, done.stdout
    assert "worker 1 of agent local-1" in said, done.stdout
    busy = "of its core at its busiest" in said and "add workers" in said
    assert busy or "but had no core for" in said, done.stdout  # where another real-time process used the same one
    assert record["workers"][0]["usage"]["peak_rss_bytes"] < BOUND_MB * 1e6


@pytest.mark.slow  # a run's twin; what a gate makes of it: test_capacity
@pytest.mark.parametrize("rate", ["engine", "portable"], indirect=True)
def test_a_gate_at_a_rate_that_no_worker_can_send_blames_the_worker(rate: int, tmp_path: Path) -> None:
    done = perfgate(
        ["gate", *order(tmp_path, rate), "--base", "default", "--candidate", "default"], tmp_path, watched=True
    )
    assert done.returncode == 3, done.stdout + done.stderr
    verdict = result(tmp_path)["comparison"]["verdict"]
    (reason,) = verdict["reasons"]
    assert reason["code"] == "generator_busy", done.stdout
    assert "the load generator cannot send the offered" in reason["text"]
    assert "add workers" in reason["remedy"]
