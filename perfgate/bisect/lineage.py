"""The commits between GOOD and BAD, and which of them holds which other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.errors import InputError

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Link:
    """A commit as git tells it; parents: their ids, also of those outside the range."""

    sha: str
    parents: tuple[str, ...]
    author: str = ""
    authored: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Lineage:
    """good: the commit before the range. links: the commits after it, parents first, the last one is BAD. contains:
    bool (n, n), [c, k] where commit c is k or a descendant of it, and so has what k brought."""

    good: str
    links: tuple[Link, ...]
    contains: Flags

    def __len__(self) -> int:
        return len(self.links)

    def held(self, sha: str) -> Flags:
        """bool (n,): what the commit contains of the range; of GOOD nothing. Raises KeyError."""
        return np.zeros(len(self), bool) if sha == self.good else self.contains[self.place(sha)]

    def place(self, sha: str) -> int:
        """Raises KeyError for a commit outside the range."""
        for place, link in enumerate(self.links):
            if link.sha == sha:
                return place
        raise KeyError(sha)

    def between(self, base: str, candidate: str) -> Flags:
        """bool (n,): what the candidate has and the base has not."""
        flags: Flags = self.held(candidate) & ~self.held(base)
        return flags


def make_lineage(good: str, links: Sequence[Link]) -> Lineage:
    """links: parents first. Raises InputError for an empty range."""
    if not links:
        raise InputError(f"{good[:12]}: there is no commit between GOOD and BAD; give two different commits")
    ancestors: dict[str, int] = {}
    rows = np.zeros((len(links), len(links)), bool)
    for place, link in enumerate(links):
        held = 1 << place
        for parent in link.parents:
            held |= ancestors.get(parent, 0)
        ancestors[link.sha] = held
        rows[place] = [bool(held >> other & 1) for other in range(len(links))]
    return Lineage(good, tuple(links), rows)
