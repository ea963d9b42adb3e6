"""Claims about an agent as a unit of the user's own systemd. There is none in most test machines: a stand-in for `systemctl`
starts what the unit says, and `systemd-analyze` reads the unit."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from perfgate_controller.launch.helper.actions import answer
from perfgate_controller.launch.processes import unit_text

SYSTEMCTL = """#!{python}
import json, os, subprocess, sys
words = sys.argv[1:]
with open("{directory}/asked", "a") as asked:
    asked.write(" ".join(words) + "\\n")
state = "{directory}/active"
assert words[0] == "--user"
if words[1] == "start":
    unit = os.path.join(os.environ["XDG_CONFIG_HOME"], "systemd", "user", words[2] + ".service")
    text = open(unit).read()
    if "REFUSE" in text:
        sys.exit("Job for it failed")
    open(state, "w").close()
elif words[1] == "stop" and os.path.exists(state):
    os.unlink(state)
elif words[1] == "show":
    print("ActiveState=" + ("active" if os.path.exists(state) else "inactive"))
    print("MainPID=4711")
"""


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it writes down what it was asked."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(SYSTEMCTL.format(python=sys.executable, directory=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "asked"


def order(directory: Path, action: str, digest: str = "1", unit: str = "[Service]\n") -> dict[str, object]:
    return {
        "action": action, "directory": str(directory / "agent"), "command": [sys.executable], "files": {}, "digest": digest,
        "environment": {}, "service": "perfgate-agent-x", "unit": base64.b64encode(unit.encode()).decode(),
        "address": "127.0.0.1:7400", "wait_s": 1, "patience_s": 1,
    }  # fmt: skip


def test_a_unit_is_started_found_again_and_taken_away(systemctl: Path, tmp_path: Path) -> None:
    unit = tmp_path / "config/systemd/user/perfgate-agent-x.service"
    started = answer(order(tmp_path, "start"))["done"]
    assert (started["pid"], started["address"], started["again"]) == (4711, "127.0.0.1:7400", False)
    assert unit.exists()
    assert answer(order(tmp_path, "start"))["done"]["again"] is True
    assert answer(order(tmp_path, "status"))["done"]["state"] == "running"
    assert "runs already, with other settings" in answer(order(tmp_path, "start", digest="2"))["refused"]
    assert answer(order(tmp_path, "stop"))["done"] == {"how": "ended by systemd"}
    assert not unit.exists()
    assert answer(order(tmp_path, "status"))["done"]["state"] == "stopped"
    asked = systemctl.read_text().splitlines()
    assert [line for line in asked if "start" in line] == ["--user start perfgate-agent-x"]
    assert asked[-1] == "--user daemon-reload"


def test_a_unit_that_does_not_start_leaves_nothing(systemctl: Path, tmp_path: Path) -> None:
    refused = answer(order(tmp_path, "start", unit="[Service]\n# REFUSE\n"))["refused"]
    assert "Job for it failed; journalctl --user -u perfgate-agent-x says why" in refused
    assert not (tmp_path / "config/systemd/user/perfgate-agent-x.service").exists()
    assert answer(order(tmp_path, "status"))["done"]["state"] == "stopped"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "perfgate-agent-x.service"
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    for text, right in ((unit_text("x", sys.executable), True), (unit_text("x", "/no/python"), False)):
        unit.write_text(text.replace("@DIRECTORY@", str(tmp_path)))
        done = subprocess.run(
            ["systemd-analyze", "--user", "verify", str(unit)],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert (done.returncode == 0 and "Unknown" not in done.stderr) is right, done.stderr
