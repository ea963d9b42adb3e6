"""Text recall: an inverted index with idf weights, over bounded lists of candidates."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
_MOST_CANDIDATES = 1_000


class TextIndex:
    """Slots (positions of memories) by the words of their content."""

    def __init__(self) -> None:
        self._slots: dict[str, array[int]] = {}
        self._words: list[frozenset[str]] = []

    def add(self, slot: int, content: str) -> None:
        """Slots are added in order, from 0."""
        words = frozenset(_WORD.findall(content.lower()))
        self._words.append(words)
        slots = self._slots
        for word in words:
            if word in slots:
                slots[word].append(slot)
            else:
                slots[word] = array("I", (slot,))

    def search(self, query: str, live: Sequence[object | None], limit: int) -> list[tuple[int, float]]:
        """(slot, score) of the best memories, best first; live[slot] is None where a memory was replaced.

        A score is the idf weight of the query's words that the memory holds, as a share of that of all its words.
        Candidates come from the rarest words, up to 1,000 of them, so a common word costs no more than a rare one.
        """
        words = [word for word in dict.fromkeys(_WORD.findall(query.lower())) if word in self._slots]
        words.sort(key=lambda word: len(self._slots[word]))
        weights = [(word, math.log(1 + len(self._words) / len(self._slots[word]))) for word in words]
        unknown = len(set(_WORD.findall(query.lower()))) - len(words)
        total = sum(weight for _, weight in weights) + unknown * math.log(1 + len(self._words))
        scored = [
            (slot, sum(weight for word, weight in weights if word in self._words[slot]) / total)
            for slot in self._candidates(words)
            if live[slot] is not None
        ]
        scored.sort(key=lambda item: -item[1])
        return scored[:limit]

    def _candidates(self, words: list[str]) -> dict[int, None]:
        found: dict[int, None] = {}
        for word in words:
            slots = self._slots[word]
            if found and len(found) + len(slots) > _MOST_CANDIDATES:
                break
            found.update(dict.fromkeys(slots[:_MOST_CANDIDATES]))
        return found
