"""What a host's line to the others does to packets: delay, loss, rate, nothing at all. Times are integers of nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from perfgate.units import NS_PER_MS, NS_PER_S

MOST_WAITING_NS = 2 * NS_PER_S
"""A slow line drops what would wait longer than this, as a router does whose queue is full."""


@dataclass(frozen=True, slots=True)
class Line:
    """delay_ms: each way. loss: share of the packets, each way. rate: bytes a second each way, None for any. cut: nothing
    passes, and nobody is told."""

    delay_ms: float = 0.0
    loss: float = 0.0
    rate: float | None = None
    cut: bool = False

    @property
    def netem(self) -> list[str]:
        """The same in words of tc-netem(8)."""
        if self.cut:
            return ["loss", "100%"]
        words = ["limit", "10000", "delay", f"{self.delay_ms}ms"]
        words += ["loss", f"{self.loss * 100}%"] if self.loss else []
        return words + (["rate", f"{self.rate * 8:.0f}bit"] if self.rate else [])


class Direction:
    """One way of a line: when a packet that enters it now leaves it."""

    def __init__(self, random: Random) -> None:
        self.line = Line()
        self._random = random
        self._free_ns = 0

    def leaves_ns(self, now_ns: int, size: int) -> int | None:
        """None: never."""
        line = self.line
        if line.cut or (line.loss and self._random.random() < line.loss):
            return None
        sent_ns = now_ns
        if line.rate:
            begin_ns = max(now_ns, self._free_ns)
            if begin_ns - now_ns > MOST_WAITING_NS:
                return None
            self._free_ns = sent_ns = begin_ns + round(size / line.rate * NS_PER_S)
        return sent_ns + round(line.delay_ms * NS_PER_MS)
