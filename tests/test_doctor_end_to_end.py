"""The real command, briefly: agent, worker, echo and probes, and that none of them outlives it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import jsonschema
import pytest
from cluster import ROOT, perfgate, started, wait_for_line, write_scenario
from perfgate_agent.ports import descendants

SCHEMA = json.loads((ROOT / "docs" / "doctor.schema.json").read_text())
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("with_scenario", [False, True])
def test_the_doctor_examines_this_host_and_its_json_is_as_the_schema_says(with_scenario: bool, tmp_path: Path) -> None:
    wanted = [str(write_scenario(tmp_path))] if with_scenario else []
    out = tmp_path / "doctor.json"
    done = perfgate(["doctor", *wanted, "--seconds", "2", "--rate", "400", "--json", str(out)], tmp_path)
    data = json.loads(out.read_text())
    jsonschema.validate(data, SCHEMA)
    assert done.returncode == data["exit_code"], done.stderr
    assert data["echo"]["completed"] == data["echo"]["due"] > 0
    assert data["fitness"] in done.stdout


@pytest.mark.parametrize("phase", ["noise: listening", "echo: 400 requests"])
def test_ctrl_c_leaves_no_process(phase: str, tmp_path: Path) -> None:
    with started(["doctor", "--seconds", "20", "--rate", "400"] if "echo" not in phase else
                 ["doctor", "--seconds", "2", "--rate", "400"], tmp_path) as process:  # fmt: skip
        wait_for_line(process, phase)
        family = _helpers(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 3
        assert not [pid for pid in family if _alive(pid)]


def _helpers(root: int) -> set[int]:
    """Of the phase that has just been announced: they are started a moment later."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if found := descendants(root) - {root}:
            return found
        time.sleep(0.01)
    raise AssertionError("nothing was started")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
