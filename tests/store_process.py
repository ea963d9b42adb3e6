"""A built-in store as a process of its own, for tests."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

READY = re.compile(r"perfgate store ready on http://127\.0\.0\.1:(\d+) pid (\d+)\n")
JSON = {"Content-Type": "application/json"}


@dataclass
class StoreProcess:
    """A store that has said that it is ready."""

    process: subprocess.Popen[str]
    port: int

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and decoded body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            content = response.read()
            return response.status, orjson.loads(content) if content else None
        finally:
            connection.close()

    def remember(self, body: Any, space: str = "default") -> tuple[int, Any]:
        headers = {**JSON, "X-Memory-Space": space}
        return self.ask("POST", "/api/v1/memories/remember", orjson.dumps(body), headers)

    def recall(self, question: str, space: str = "default") -> list[str]:
        """The ids found, best first."""
        status, body = self.ask("GET", f"/api/v1/memories/recall?{question}", headers={"X-Memory-Space": space})
        assert status == 200, body
        return [item["id"] for tier in ("vivid", "associated") for item in body["memories"][tier]]

    def count(self, space: str = "default") -> int:
        status, body = self.ask("GET", f"/api/v1/system/health?space={space}")
        assert status == 200
        return int(body["spaces"][0]["memories"])

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "perfgate.store", *arguments]


def refused(*arguments: str) -> str:
    """The message of a store that must not start; checks its exit code."""
    done = subprocess.run(command(arguments), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done
    assert done.stdout == ""
    return done.stderr


@contextmanager
def running_store(*arguments: str) -> Iterator[StoreProcess]:
    """A ready store, gone at the end whatever happens."""
    process = subprocess.Popen(
        command(arguments), stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        ready = READY.fullmatch(line)
        assert ready, line
        assert int(ready[2]) == process.pid
        yield StoreProcess(process, int(ready[1]))
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
