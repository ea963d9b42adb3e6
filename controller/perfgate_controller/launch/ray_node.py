"""The actor that has an agent on one node of a Ray cluster. It lives in a process of Ray's, and the agent dies with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import perfgate_agent.spawn as spawn

from perfgate_controller.launch.helper.files import write

READY = "perfgate agent ready on "


class RayNode:
    """Its methods are called by Ray, with what pickles; failures come back as words."""

    def __init__(self, directory: str, python: str) -> None:
        self._directory = Path(directory).expanduser()
        self._python = python or sys.executable
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""

    def where(self) -> tuple[str, str]:
        """(address of the node as others see it, its id)."""
        import ray

        return str(ray.util.get_node_ip_address()), str(ray.get_runtime_context().get_node_id())

    def start(self, files: Mapping[str, bytes], wait_s: float) -> tuple[str, str]:
        """(address that it listens on, what went wrong). Keys come here as the argument of a call, and so are in no record
        that the cluster keeps of its actors."""
        for name, content in files.items():
            write(str(self._directory / name), content)
        command = [self._python, "-P", "-m", "perfgate_agent", "--config", "agent.toml"]
        wrapper = [sys.executable, "-I", "-S", spawn.__file__, str(os.getpid()), "-", "normal"]
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*wrapper, *command], cwd=self._directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        late = threading.Timer(wait_s, self._process.kill)
        late.start()
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                if line.decode().startswith(READY):
                    self._address = line.decode().removeprefix(READY).split()[0]
                    return self._address, ""
        finally:
            late.cancel()
        self._process.wait()
        return "", self._last_words() or f"it said nothing within {wait_s:g} s"

    def status(self) -> tuple[str, str]:
        """(state, detail), as a Standing's."""
        if self._process is None:
            return "stopped", ""
        if self._process.poll() is None:
            return "running", f"pid {self._process.pid}, {self._address}"
        return "ended", self._last_words()

    def stop(self, patience_s: float) -> str:
        """How it ended. In order, at once, or by force; nothing of its session is left."""
        how = "was not running"
        if self._process is not None and self._process.poll() is None:
            how = self._end(patience_s)
        shutil.rmtree(self._directory / "certs", ignore_errors=True)
        shutil.rmtree(self._directory / "work", ignore_errors=True)
        return how

    def _end(self, patience_s: float) -> str:
        assert self._process is not None
        for wait_s, word in ((patience_s, "ended"), (3.0, "ended at once")):
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(wait_s)
                return word
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        return "killed"

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return " / ".join((self._directory / "log").read_text(errors="replace").splitlines()[-12:])
        return ""
