"""A series with a real git repository and a history, and a stand-in for its gates: what is true is set, no load is sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from history_values import BEGAN_NS, DAY_NS, add, at, small_gate
from repository import StoreRepository

from perfgate.baseline.ledger import Ledger
from perfgate.baseline.question import Question, Rule
from perfgate.baseline.refresh import Done, Refresh
from perfgate.builds.git import Repository
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Word
from perfgate.history.baselines import BASELINE, GOLDEN, Baseline, Series
from perfgate.history.entry import Entry
from perfgate.segment import Arm

SCENARIO, TARGET, DIGEST = "CI Quick Check", "embedded", "0123456789abcdef"


def commit_gate(
    number: int, base: str, candidate: str, word: Word, *, margin: float = 0.05, policy: str = "standard",
    dirty: bool = False, **fields: Any,
) -> Entry:  # fmt: skip
    """An entry of the history: gate number `number` of two commits."""
    end = "-dirty" if dirty else ""
    builds = {"base": {"commit": base, "dirty": False}, "candidate": {"commit": candidate, "dirty": dirty}}
    environment = {
        "controller": "host-1",
        "perfgate": "0.1.0",
        "agents": {},
        "builds": builds,
        "command": "perfgate gate",
    }
    environment |= fields.pop("environment", {})
    names = {Arm.BASE: base[:12], Arm.CANDIDATE: candidate[:12] + end}
    record, comparison = small_gate(number, word, builds=names, environment=environment, **fields)
    asked = dataclasses.replace(comparison.policy, margin=margin, name=policy)
    return Entry.of(record, dataclasses.replace(comparison, policy=asked), Path("/gone"))


class World:
    """slowness: by commit, how much slower than the first one (a fraction); gates say what follows from it. asked: the
    questions that were gated. words: answers by (base, candidate) that do not follow from it."""

    def __init__(self, path: Path) -> None:
        self.repo = StoreRepository(path / "repo")
        self.location = at(path / "history.db")
        self.ledger = Ledger(self.location, Series(SCENARIO, TARGET), "me@here")
        self.rule = Rule(DIGEST, Policy())
        self.slowness: dict[str, float] = {self.repo.first: 0.0}
        self.words: dict[tuple[str, str], Word] = {}
        self.asked: list[Question] = []
        self.told: list[str] = []
        self.number = 0

    def commit(self, slowness: float = 0.0, message: str = "a change") -> str:
        sha = self.repo.commit(message)
        self.slowness[sha] = slowness
        return sha

    def record(self, base: str, candidate: str, word: Word, **fields: Any) -> None:
        self.number += 1
        add(self.location, commit_gate(self.number, base, candidate, word, **fields))

    def gate(self, question: Question) -> None:
        self.asked.append(question)
        cost = (1 + self.slowness[question.candidate]) / (1 + self.slowness[question.base]) - 1
        word = Word.BLOCK if cost > question.margin else Word.PASS
        word = self.words.get((question.base, question.candidate), word)
        self.record(question.base, question.candidate, word, margin=question.margin)

    def refresh(self, anchor_margin: float = 0.05, **changes: Any) -> Done:
        repository = Repository(self.repo.path)
        refresh = Refresh(
            self.ledger,
            repository,
            repository.main("main", "--branch"),
            self.rule,
            anchor_margin,
            self.gate,
            self.told.append,
        )
        return dataclasses.replace(refresh, **changes).run()

    def present(self) -> Mapping[str, Baseline]:
        return {one.role: one for one in self.ledger.baselines()}

    @property
    def base(self) -> str:
        return self.present()[BASELINE].commit_sha

    @property
    def golden(self) -> str:
        return self.present()[GOLDEN].commit_sha


__all__ = ["BEGAN_NS", "DAY_NS", "World", "commit_gate"]
