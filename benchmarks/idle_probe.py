"""Asks both stores of a gate all the time, and a clock: what the host does to whoever is not loaded.

While one arm is loaded, the other one idles. How long its `/health` takes then, and how late a thread of its own wakes up, are
the two build-blind probes that `recordings.py record --ask` keeps beside the requests.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from pathlib import Path

EVERY_S = 0.01
LOOK_EVERY_S = 0.25
STORE = re.compile(rb"\0perfgate\.store\0.*--port\0(\d+)\0")
REQUEST = b"GET /health HTTP/1.1\r\nHost: store\r\n\r\n"
TIMEOUT_S = 0.5


class IdleProbe:
    """samples: (when it was due, monotonic ns; port, 0 for the clock; how long it took, ns), in a thread."""

    def __init__(self) -> None:
        self.samples: list[tuple[int, int, int]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._open: dict[int, socket.socket] = {}

    def __enter__(self) -> IdleProbe:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        due, look = time.monotonic(), 0.0
        ports: list[int] = []
        while not self._ended.is_set():
            if time.monotonic() >= look:
                ports, look = _ports(), time.monotonic() + LOOK_EVERY_S
                for gone in self._open.keys() - set(ports):
                    self._open.pop(gone).close()
            due = max(due + EVERY_S, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            self.samples.append((round(due * 1e9), 0, round((time.monotonic() - due) * 1e9)))
            for port in ports:
                self._ask(port)

    def _ask(self, port: int) -> None:
        """One request; a store that does not answer is asked again next time, on a new connection."""
        before = time.monotonic_ns()
        try:
            link = self._open.get(port) or socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
            self._open[port] = link
            link.settimeout(TIMEOUT_S)
            link.sendall(REQUEST)
            if not link.recv(4096):
                raise ConnectionError
        except OSError:
            if broken := self._open.pop(port, None):
                broken.close()
            return
        self.samples.append((before, port, time.monotonic_ns() - before))


def _ports() -> list[int]:
    """Of the stores that run on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if match := STORE.search(path.read_bytes()):
                found.append(int(match[1]))
        except OSError:
            continue  # it has ended meanwhile
    return found
