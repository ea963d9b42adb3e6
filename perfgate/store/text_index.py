"""Text recall: an inverted index with idf weights, over bounded lists of candidates."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from heapq import nlargest

_WORD = re.compile(r"\w+")
_MOST_CANDIDATES = 256


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
        Candidates come from the rarest words, up to 256 of them, so a common word costs no more than a rare one.
        """
        asked = dict.fromkeys(_WORD.findall(query.lower()))
        words = sorted((word for word in asked if word in self._slots), key=lambda word: len(self._slots[word]))
        scores: dict[int, float] = {}
        total = (len(asked) - len(words)) * self._weight(1)
        for word in words:
            weight = self._weight(len(self._slots[word]))
            self._score(scores, word, weight)
            total += weight
        best = nlargest(limit, ((score, -slot) for slot, score in scores.items() if live[slot] is not None))
        return [(-slot, score / total) for score, slot in best]

    def _weight(self, holders: int) -> float:
        return math.log(1 + len(self._words) / holders)

    def _score(self, scores: dict[int, float], word: str, weight: float) -> None:
        """Adds the word's weight to its holders; a word of too many holders finds no new candidates."""
        slots = self._slots[word]
        if scores and len(scores) + len(slots) > _MOST_CANDIDATES:
            for slot in scores:
                if word in self._words[slot]:
                    scores[slot] += weight
        else:
            for slot in slots[:_MOST_CANDIDATES]:
                scores[slot] = scores.get(slot, 0.0) + weight
