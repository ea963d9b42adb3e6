"""Memory for the bytes of requests, in pages of one size that are used again and again.

A worker at 5,000 requests a second with vectors writes 45 MB of them a second. Taken from the heap they leave holes, since
a piece of the plan has never the size of the one before, and the worker's memory grows for as long as it runs. Pages are
mapped once and filled to the end, so that no more are mapped than were ever full at once.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

PAGE_BYTES = 512 * 1024
"""Some 60 requests with 768 floats each."""
_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class _Page:
    __slots__ = ("address", "capacity", "held", "memory")

    def __init__(self, capacity: int) -> None:
        self.memory = mmap.mmap(-1, capacity, flags=_FLAGS)
        self.capacity = capacity
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.held = 0
        """Texts in it that have not been released."""


class Pages:
    """Of one run. A text stays where it was written until it has been released as often as it was held."""

    def __init__(self, page_bytes: int = PAGE_BYTES) -> None:
        self._page_bytes = page_bytes
        self._pages: dict[int, _Page] = {}
        self._next = 0
        self._free: list[int] = []  # of the usual size; the one used last is on top: the caches may still hold it
        self._filling, self._filled = self._take(page_bytes), 0

    @property
    def held(self) -> int:
        """Texts that have not been released."""
        return sum(page.held for page in self._pages.values())

    @property
    def mapped_bytes(self) -> int:
        return sum(page.capacity for page in self._pages.values())

    def write(self, texts: Iterable[bytes]) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.int64]]:
        """Copies n texts, each held once: their addresses, sizes and pages (numbers for `release`), (n) each."""
        addresses, sizes, numbers = [], [], []
        for text in texts:
            size = len(text)
            number, at = self._room(size)
            page = self._pages[number]
            page.memory[at : at + size] = text
            page.held += 1
            addresses.append(page.address + at)
            sizes.append(size)
            numbers.append(number)
        return np.array(addresses, np.uint64), np.array(sizes, np.uint32), np.array(numbers, np.int64)

    def write_shared(self, text: bytes, times: int) -> tuple[int, int]:
        """The same for one text that is held so many times: its address and page."""
        addresses, _, numbers = self.write([text])
        number = int(numbers[0])
        self._pages[number].held += times - 1
        return int(addresses[0]), number

    def release(self, numbers: NDArray[np.int64]) -> None:
        """One for each text that is no longer needed."""
        found, counts = np.unique(numbers, return_counts=True)
        for number, count in zip(found.tolist(), counts.tolist(), strict=True):
            page = self._pages[number]
            page.held -= count
            if not page.held and number != self._filling:
                self._give_back(number)

    def _room(self, size: int) -> tuple[int, int]:
        """A page and where in it so many bytes may be written."""
        if size > self._page_bytes:
            return self._take(size), 0
        if self._filled + size > self._page_bytes:
            full, self._filling, self._filled = self._filling, self._take(self._page_bytes), 0
            if not self._pages[full].held:
                self._give_back(full)
        at, self._filled = self._filled, self._filled + size
        return self._filling, at

    def _take(self, capacity: int) -> int:
        if capacity == self._page_bytes and self._free:
            return self._free.pop()
        self._pages[self._next] = _Page(capacity)
        self._next += 1
        return self._next - 1

    def _give_back(self, number: int) -> None:
        """To be used again, unless more than two thirds are free: after a standstill, when much more was held."""
        if self._pages[number].capacity != self._page_bytes:
            del self._pages[number]
            return
        self._free.append(number)
        while 3 * len(self._free) > 2 * len(self._pages):
            del self._pages[self._free.pop(0)]
