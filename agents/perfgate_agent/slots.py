"""The table of requests that the engine and the feeder share, and what the feeder knows of each request beside it."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from perfgate_agent.engine.records import REQUEST


class Slots:
    """`count` places for requests that have not ended yet; a place is taken, submitted, and given back when the request
    has ended. The bytes of requests are held in pieces of many, each let go with the last of its requests.

    Parallel arrays by slot: code (position in OPERATIONS), index, key, checked (as in Requests), bucket (a number that the
    caller chose).
    """

    def __init__(self, count: int, table: int) -> None:
        """`table`: address of the engine's table of `count` requests."""
        memory = (ctypes.c_char * (count * REQUEST.itemsize)).from_address(table)
        self.requests: NDArray[np.void] = np.frombuffer(memoryview(memory), dtype=REQUEST)
        self.code = np.zeros(count, dtype=np.uint8)
        self.index = np.zeros(count, dtype=np.int64)
        self.key = np.zeros(count, dtype=np.int64)
        self.checked = np.zeros(count, dtype=np.bool_)
        self.bucket = np.zeros(count, dtype=np.int64)
        self._piece = np.zeros(count, dtype=np.int64)
        self._free = np.arange(count, dtype=np.uint32)
        self._free_count = count
        self._pieces: dict[int, tuple[bytes, int]] = {}  # the bytes, and how many of their requests have not ended
        self._next_piece = 0

    @property
    def free(self) -> int:
        return self._free_count

    @property
    def taken_count(self) -> int:
        return len(self.code) - self._free_count

    @property
    def held_bytes(self) -> int:
        """Of requests that have not ended, and of their neighbours in the same piece."""
        return sum(len(payload) for payload, _ in self._pieces.values())

    def take(self, payload: bytes, count: int) -> NDArray[np.uint32]:
        """Places for `count` requests whose bytes lie in `payload`, which stays until they all have ended."""
        if count > self._free_count:
            raise ValueError(f"{count} requests, but only {self._free_count} places are free")
        self._free_count -= count
        slots = self._free[self._free_count : self._free_count + count].copy()
        self._piece[slots] = self._next_piece
        self._pieces[self._next_piece] = (payload, count)
        self._next_piece += 1
        return slots

    def give_back(self, slots: NDArray[np.uint32]) -> None:
        """The requests have ended."""
        self._free[self._free_count : self._free_count + len(slots)] = slots
        self._free_count += len(slots)
        pieces, counts = np.unique(self._piece[slots], return_counts=True)
        for piece, count in zip(pieces.tolist(), counts.tolist(), strict=True):
            payload, left = self._pieces.pop(piece)
            if left > count:
                self._pieces[piece] = (payload, left - count)

    def taken(self) -> NDArray[np.uint32]:
        """Places whose requests have not ended."""
        free = np.zeros(len(self.code), dtype=np.bool_)
        free[self._free[: self._free_count]] = True
        return np.flatnonzero(~free).astype(np.uint32)


def address_of(payload: bytes) -> int:
    """Where its bytes lie; they stay there as long as the object lives."""
    return ctypes.cast(ctypes.c_char_p(payload), ctypes.c_void_p).value or 0
