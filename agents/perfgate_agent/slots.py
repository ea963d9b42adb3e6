"""The table of requests that the engine and the feeder share, and what the feeder knows of each request beside it."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from perfgate_agent.engine.records import REQUEST
from perfgate_agent.pages import Pages


class Slots:
    """`count` places for requests that have not ended yet; a place is taken, submitted, and given back when the request
    has ended. The bytes of requests lie in `pages`.

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
        self.pages = Pages()
        self._page = np.zeros(count, dtype=np.int64)
        self._free = np.arange(count, dtype=np.uint32)
        self._free_count = count

    @property
    def free(self) -> int:
        return self._free_count

    @property
    def taken_count(self) -> int:
        return len(self.code) - self._free_count

    def take(self, pages: NDArray[np.int64]) -> NDArray[np.uint32]:
        """A place for each request whose bytes lie in these pages; the bytes are released when it has ended."""
        count = len(pages)
        if count > self._free_count:
            raise ValueError(f"{count} requests, but only {self._free_count} places are free")
        self._free_count -= count
        slots = self._free[self._free_count : self._free_count + count].copy()
        self._page[slots] = pages
        return slots

    def give_back(self, slots: NDArray[np.uint32]) -> None:
        """The requests have ended."""
        self._free[self._free_count : self._free_count + len(slots)] = slots
        self._free_count += len(slots)
        self.pages.release(self._page[slots])

    def taken(self) -> NDArray[np.uint32]:
        """Places whose requests have not ended."""
        free = np.zeros(len(self.code), dtype=np.bool_)
        free[self._free[: self._free_count]] = True
        return np.flatnonzero(~free).astype(np.uint32)
