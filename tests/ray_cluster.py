"""A Ray cluster of two nodes on loopback, in an environment of its own, since Ray is large and not among the pinned libraries.

`uv venv ~/.cache/perfgate-ray && uv pip install --python ~/.cache/perfgate-ray/bin/python 'ray>=2.40'` makes that environment,
by the same version of Python; PERFGATE_RAY_PYTHON names another.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from cluster import ROOT

PYTHON = Path(os.environ.get("PERFGATE_RAY_PYTHON") or Path.home() / ".cache/perfgate-ray/bin/python")
HOST = "127.0.0.1"
MEMORY = str(80 * 1024 * 1024)


def why_not() -> str:
    """Why there can be no cluster here; empty where there can."""
    return "" if PYTHON.exists() else f"no Ray here; {__doc__}"


def environment(**more: str) -> dict[str, str]:
    """perfgate and what it needs from this environment, Ray from its own."""
    places = (ROOT, ROOT / "agents", ROOT / "controller", sysconfig.get_path("purelib"))
    return {
        **os.environ, "PYTHONPATH": ":".join(map(str, places)), "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", **more,
    }  # fmt: skip


@contextlib.contextmanager
def ray_cluster(temporary: Path) -> Iterator[str]:
    """Its address. temporary: a short path, since Ray has sockets there."""
    port = _free_port()
    head = ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={temporary}")
    with _node(HOST, *head), _node(HOST, f"--address={HOST}:{port}"):
        yield f"{HOST}:{port}"


def perfgate(arguments: list[str], seconds: float = 240, **more: str) -> subprocess.CompletedProcess[str]:
    """The command line, with Ray at hand."""
    return subprocess.run(
        [str(PYTHON), "-m", "perfgate", *arguments],
        capture_output=True, text=True, timeout=seconds, env=environment(**more), cwd=ROOT, check=False,
    )  # fmt: skip


@contextlib.contextmanager
def _node(host: str, *arguments: str) -> Iterator[None]:
    """In the foreground and a session of its own, so that it ends with all its processes, and no others."""
    command = [
        str(PYTHON.parent / "ray"), "start", "--block", "--num-cpus=1", f"--node-ip-address={host}",
        f"--object-store-memory={MEMORY}", "--disable-usage-stats", *arguments,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if "runtime started" in line:
                break
        else:
            raise AssertionError(f"Ray's node did not start: {said}")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
