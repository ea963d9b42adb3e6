"""The verdict: one word, its reasons, and the exit code that follows from nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Word(StrEnum):
    """What the gate says."""

    PASS = "PASS"
    BLOCK = "BLOCK"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: `code` for programs (`regression`, `recall`, `errors`, `absolute_limit`, `saturated`, `generator_lag`, …),
    `text` one sentence for people with figures, `remedy` what to do about it."""

    code: str
    text: str
    remedy: str = ""
    metric: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first reason is the most important one."""

    word: Word
    reasons: tuple[Reason, ...]
    competitive: bool = False

    @property
    def exit_code(self) -> int:
        """0 PASS, 1 BLOCK internal, 2 BLOCK competitive, 3 INVALID (as bad input and failures), 4 INCONCLUSIVE."""
        if self.word is Word.BLOCK:
            return 2 if self.competitive else 1
        return {Word.PASS: 0, Word.INVALID: 3, Word.INCONCLUSIVE: 4}[self.word]
