"""One memory space: memories by id, searchable by text and by embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from perfgate.store.text_index import TextIndex
from perfgate.store.vector_index import VectorIndex

Memory = tuple[str, str, float]
"""id, content, confidence."""

Hits = list[tuple[int, float]]
"""(slot, score), best first."""


class MemorySpace:
    """A memory's slot is its position in order of storing; storing an id again gives it a new slot."""

    def __init__(self, dim: int) -> None:
        self._vectors = VectorIndex(dim)
        self._texts = TextIndex()
        self._memories: list[Memory | None] = []
        self._slots: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def remember(self, memory: Memory, vector: NDArray[np.float32]) -> None:
        """Stores a memory, in place of the one of the same id if there is one."""
        slot = len(self._memories)
        if (old := self._slots.get(memory[0])) is not None:
            self._memories[old] = None
            self._vectors.remove(old)
        self._vectors.add(slot, vector)
        self._append(slot, memory)

    def get(self, memory_id: str) -> Memory | None:
        """None for an id that is not stored."""
        slot = self._slots.get(memory_id)
        return None if slot is None else self._memories[slot]

    def at(self, slot: int) -> Memory | None:
        """None for a slot whose memory was stored anew since."""
        return self._memories[slot]

    @property
    def num_slots(self) -> int:
        """Every store takes one, so it is never less than the number of memories."""
        return len(self._memories)

    def search_text(self, query: str, limit: int) -> Hits:
        return self._texts.search(query, self._memories, limit)

    def search_embedding(self, vector: NDArray[np.float32], limit: int, effort: int = 0) -> Hits:
        """effort: see VectorIndex.search."""
        return self._vectors.search(vector, limit, effort)

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self._vectors.save(directory / "vectors.usearch")
        (directory / "memories.json").write_bytes(orjson.dumps(self._memories))

    @classmethod
    def load(cls, directory: Path, dim: int, lose_index: bool = False) -> MemorySpace:
        """lose_index: without the vectors, so that text recall works and embedding search finds nothing."""
        space = cls(dim)
        if not lose_index:
            space._vectors.load(directory / "vectors.usearch")
        saved: list[Any] = orjson.loads((directory / "memories.json").read_bytes())
        for slot, memory in enumerate(saved):
            space._append(slot, None if memory is None else tuple(memory))
        return space

    def _append(self, slot: int, memory: Memory | None) -> None:
        self._memories.append(memory)
        self._texts.add(slot, "" if memory is None else memory[1])
        if memory is not None:
            self._slots[memory[0]] = slot
