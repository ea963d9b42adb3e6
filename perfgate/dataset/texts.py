"""Texts of memories: words by a Zipf law, and two rare words that belong to one memory. Made when asked for."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from perfgate.dataset.streams import Purpose, stream

VOCABULARY = 5_000
COMMON_WORDS = 12
_ZIPF_EXPONENT = 1.07
_DRAWS = 1 << 16
_SHARED_BY = 16
_SECOND = 1_024
_MASK = (1 << 64) - 1
_ONSETS = "bcdfghklmnprstvw"
_VOWELS = "aeiou"
_SYLLABLES = tuple(onset + vowel for onset in _ONSETS for vowel in _VOWELS)
_NODE_FAMILY = ("xa", "zo")
_POOL_FAMILY = ("qui", "jy")


class Texts:
    """Texts of nodes and of memories stored during a run: a pure function of seed and number.

    Common words, 5,000 of them, follow a Zipf law: few are in most texts, most in few. Node i also has two rare words.
    One is shared by 16 nodes in a row, the other by every 1,024th, so only node i has both, and a text search for the
    two and one common word (query_text) has node i as its answer. Memories stored during a run use another family of
    rare words, so they never answer for a node.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._words = _zipf_words(seed)

    def text(self, node: int) -> str:
        """12 common words and the node's two rare ones."""
        return f"{self._common(node)} {_rare(_NODE_FAMILY, node)}"

    def query_text(self, node: int) -> str:
        """What a recall of this node asks for: its rare words and one common word of its text."""
        return f"{_rare(_NODE_FAMILY, node)} {self._words[self._walk(node)[0]]}"

    def pool_text(self, index: int) -> str:
        """The text of the memory stored as number `index`."""
        return f"{self._common(~index)} {_rare(_POOL_FAMILY, index)}"

    def pool_query_text(self, index: int) -> str:
        """What a recall of the memory stored as number `index` asks for: its rare words and one common word."""
        return f"{_rare(_POOL_FAMILY, index)} {self._words[self._walk(~index)[0]]}"

    def _common(self, number: int) -> str:
        start, stride = self._walk(number)
        return " ".join(self._words[start : start + COMMON_WORDS * stride : stride])

    def _walk(self, number: int) -> tuple[int, int]:
        """Where a text's common words start and how far apart they lie."""
        mixed = _mix(number ^ (self._seed << 32))
        return mixed & 0x7FFF, 1 + (mixed >> 16) % 2_500


@lru_cache(maxsize=4)
def _zipf_words(seed: int) -> tuple[str, ...]:
    """65,536 draws of common words, from which texts take every so-manieth."""
    share = np.arange(1, VOCABULARY + 1, dtype=np.float64) ** -_ZIPF_EXPONENT
    ranks = stream(seed, Purpose.ZIPF).choice(VOCABULARY, size=_DRAWS, p=share / share.sum())
    vocabulary = [_spell(rank * 100_003 % 505_600 + 6_400) for rank in range(VOCABULARY)]
    return tuple(vocabulary[rank] for rank in ranks)


def _rare(family: tuple[str, str], number: int) -> str:
    group, place = divmod(number, _SHARED_BY)
    second = group % (_SECOND // _SHARED_BY) * _SHARED_BY + place
    return f"{family[0]}{_spell(group)} {family[1]}{_spell(second)}"


def _spell(number: int) -> str:
    """A made-up word that can be spoken: the number's digits to base 80, a syllable each."""
    word = ""
    while True:
        number, digit = divmod(number, len(_SYLLABLES))
        word = _SYLLABLES[digit] + word
        if not number:
            return word


def _mix(number: int) -> int:
    """splitmix64's finaliser: spreads neighbouring numbers over all 64 bits."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)
