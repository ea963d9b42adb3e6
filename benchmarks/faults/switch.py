"""A switch between hosts' lines, packet by packet, for kernels without netem: `python -m benchmarks.faults.switch PORT …`.

Runs in a network namespace of its own. PORT n is the interface pn, behind which the one host lives whose MAC address ends
in n. Reads a line of JSON for each setting ({"port": 2, "delay_ms": 20, …}) and says "ok"; ends when its input ends.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import os
import select
import socket
import sys
import time
from random import Random

from benchmarks.faults.line import Direction, Line
from perfgate.units import NS_PER_MS

ALL_PROTOCOLS = 0x0003
IGNORE_OUTGOING = 23  # PACKET_IGNORE_OUTGOING of packet(7)
SOL_PACKET = 263
FRAME = 65536
AT_ONCE = 64
SEED = 1


class Switch:
    """Frames wait in one heap, by the time at which they leave."""

    def __init__(self, ports: list[int]) -> None:
        random = Random(SEED)
        self._sockets = {port: _open(port) for port in ports}
        self._up = {port: Direction(random) for port in ports}
        self._down = {port: Direction(random) for port in ports}
        self._waiting: list[tuple[int, int, int, bytes]] = []
        self._numbers = itertools.count()

    def run(self) -> None:
        """Until standard input ends."""
        poll = select.poll()
        by_number = {one.fileno(): port for port, one in self._sockets.items()}
        for number in (0, *by_number):
            poll.register(number, select.POLLIN)
        while True:
            for number, _ in poll.poll(self._patience_ms()):
                if number:
                    self._take(by_number[number])
                elif not self._told():
                    return
            self._send_due()

    def _patience_ms(self) -> float | None:
        """poll(2) counts whole milliseconds, rounded up: the last one is spent in looking again and again."""
        if not self._waiting:
            return None
        return max(0, (self._waiting[0][0] - time.monotonic_ns()) // NS_PER_MS)

    def _told(self) -> bool:
        words = sys.stdin.buffer.readline()
        if not words:
            return False
        told = json.loads(words)
        port = told.pop("port")
        self._up[port].line = self._down[port].line = Line(**told)
        os.write(1, b"ok\n")
        return True

    def _take(self, port: int) -> None:
        own = self._sockets[port]
        for _ in range(AT_ONCE):
            try:
                frame = own.recv(FRAME)
            except BlockingIOError:
                return
            to = frame[5]
            for other in (to,) if frame[0] == 2 else [one for one in self._sockets if one != port]:
                if other in self._sockets:
                    self._forward(port, other, frame)

    def _forward(self, port: int, other: int, frame: bytes) -> None:
        arrives = self._up[port].leaves_ns(time.monotonic_ns(), len(frame))
        leaves = arrives and self._down[other].leaves_ns(arrives, len(frame))
        if leaves:
            heapq.heappush(self._waiting, (leaves, next(self._numbers), other, frame))

    def _send_due(self) -> None:
        now = time.monotonic_ns()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, port, frame = heapq.heappop(self._waiting)
            with contextlib.suppress(OSError):  # a full queue drops what comes
                self._sockets[port].send(frame)


def _open(port: int) -> socket.socket:
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ALL_PROTOCOLS))
    one.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    one.bind((f"p{port}", 0))
    return one


if __name__ == "__main__":
    switch = Switch([int(word) for word in sys.argv[1:]])
    os.write(1, b"ok\n")
    switch.run()
