"""The weekly move of the rolling baseline: to the newest commit of main that passed, and only while all that came since the
golden anchor is within the margin together.

What has been done is read from the history each time, and a gate records itself at its end. So it does not matter where an
earlier refresh was broken off: this one asks only what has not been answered yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from perfgate.baseline.ledger import Ledger, former_anchors, present
from perfgate.baseline.question import Gate, Question, Rule, answer, shown
from perfgate.baseline.standing import Standing, standing, worth_trying
from perfgate.builds.git import Commit, Repository
from perfgate.gate.verdict import Word
from perfgate.history.baselines import BASELINE, GOLDEN, Baseline
from perfgate.history.summary import Summary

MOST_TRIES = 3
"""Commits that one refresh gates against the old baseline, at most: each takes minutes of the host."""
_CODES = {Word.PASS: 0, Word.BLOCK: 1, Word.INVALID: 3, Word.INCONCLUSIVE: 4}


@dataclass(frozen=True, slots=True)
class Done:
    """What a refresh came to. exit_code: 0 moved or nothing to do, 1 blocked or creep, 3 no evidence, 4 undecided."""

    exit_code: int
    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """word: INVALID where a gate gave no verdict. by: the gate, where it did."""

    word: Word
    by: Summary | None

    @property
    def run(self) -> str | None:
        return self.by.id if self.by else None

    def __str__(self) -> str:
        figures = shown(self.by) if self.by else ""
        return f"{self.word}{f', {figures}' if figures else ''}{f', run {self.run[:8]}' if self.run else ''}"


@dataclass(frozen=True, slots=True)
class Refresh:
    """anchor_margin: what all commits since the anchor may cost together, a fraction. told: a line about what is being
    done."""

    ledger: Ledger
    repository: Repository
    branch: Commit
    rule: Rule
    anchor_margin: float
    gate: Gate
    told: Callable[[str], None] = lambda text: None

    def run(self) -> Done:
        """Raises InputError where a baseline's commit is not in the repository (any more)."""
        baselines = self.ledger.baselines()
        base, golden = present(baselines, BASELINE), present(baselines, GOLDEN)
        if base is None:
            return self._first(golden)
        if golden is None:
            golden = self._anchor(base)
        if base.kind == "pinned":
            return Done(0, f"not moved: {base} is pinned ({base.why}); perfgate baseline release lets it move again")
        commits = self.repository.since(self.branch, base.commit_sha)
        if not commits:
            return Done(0, f"nothing to do: {base} is the newest commit of {self.branch.asked} already")
        if not self.repository.holds(self.branch, base.commit_sha):
            self.told(
                f"{base} is not on {self.branch.asked} any more: it was rewritten; all of it since they parted counts"
            )
        return self._move(base, golden, commits)

    def _first(self, golden: Baseline | None) -> Done:
        """Nothing is known yet, so the present main is where everything is measured from: it is what runs today."""
        gates = self.ledger.gates()
        commit, skipped = self.branch, []
        for commit in self._line():
            found = standing(gates, commit.sha, self.rule, frozenset())
            if found not in (Standing.BLOCKED, Standing.UNDECIDED):
                break
            skipped.append(f"{commit.label} was {found}")
        else:
            return Done(1, f"no baseline set: {'; '.join(skipped)}; perfgate baseline pin names another commit")
        why = f"the first baseline: the newest commit of {self.branch.asked}" + (
            f" that was neither blocked nor undecided ({'; '.join(skipped)})" if skipped else ""
        )
        new = [self.ledger.make(BASELINE, "rolling", commit, why, None)]
        if golden is None:
            new.append(self.ledger.make(GOLDEN, "golden", commit, f"{why}; creep is measured from it", None))
        text = f"baseline{' and golden anchor' if golden is None else ''} set to {new[0]}: {why}; nothing was gated"
        self.ledger.write("set", commit.sha, text, tuple(new))
        return Done(0, text)

    def _line(self) -> Sequence[Commit]:
        """The newest commits of main. A hundred that are all blocked are no main branch."""
        return [self.branch, *self.repository.before(self.branch, 100)]

    def _anchor(self, base: Baseline) -> Baseline:
        commit = Commit(base.commit_sha, base.commit_sha, base.subject)
        why = "there was no anchor: the baseline as it is; creep is measured from it"
        golden = self.ledger.make(GOLDEN, "golden", commit, why, None)
        self.ledger.write("set", commit.sha, f"golden anchor set to {golden}: {why}", (golden,))
        return golden

    def _move(self, base: Baseline, golden: Baseline, commits: Sequence[Commit]) -> Done:
        """The newest that passed, first against the old baseline, then against the anchor."""
        by_sha = {commit.sha: commit for commit in commits}
        gates, anchors = self.ledger.gates(), former_anchors(self.ledger.baselines())
        found = [standing(gates, commit.sha, self.rule, anchors) for commit in commits]
        self.told(f"{len(commits)} new on {self.branch.asked}: {_counts(found)}")
        worth = worth_trying([commit.sha for commit in commits], found)
        for sha in worth[:MOST_TRIES]:
            said = self._ask(Question(base.commit_sha, sha, self.rule.policy.margin), "the old baseline", base)
            if said.word is Word.INVALID:
                return Done(3, f"not moved: no verdict on {by_sha[sha].label} against {base}; run it again")
            if said.word is Word.PASS:
                newer = found[: [commit.sha for commit in commits].index(sha)]
                return self._against_anchor(base, golden, by_sha[sha], said, _counts(newer))
        return self._kept(base, commits, anchors)

    def _against_anchor(
        self, base: Baseline, golden: Baseline, commit: Commit, passed: Answered, newer: str
    ) -> Done:  # fmt: skip
        """newer: what the commits are that are passed over; empty for none."""
        question = Question(golden.commit_sha, commit.sha, self.anchor_margin)
        said = self._ask(question, "the golden anchor", golden)
        runs = (passed.run, said.run)
        if said.word is Word.PASS:
            over = f" (newer: {newer})" if newer else ""
            why = f"the newest of {self.branch.asked} that passed{over}; against the old one {passed}; against the anchor {said}"
            new = self.ledger.make(BASELINE, "rolling", commit, why, base, runs)
            text = f"baseline moved from {base} to {new}: {why}"
            self.ledger.write("moved", commit.sha, text, (new,), runs)
            return Done(0, text)
        if said.word is Word.INVALID:
            return Done(3, f"not moved: no verdict on {commit.label} against the anchor {golden}; run it again")
        margin = f"{100 * self.anchor_margin:g} %"
        if said.word is Word.BLOCK:
            text = (
                f"not moved: creep since the anchor {golden}: {commit.label} ({commit.subject}) passed against the baseline "
                f"({passed}), but all that came since the anchor is together over the cumulative margin of {margin} ({said}); "
                "find it and mend it, or accept it with perfgate baseline pin --golden --reason"
            )
        else:
            text = (
                f"not moved: {commit.label} ({commit.subject}) against the anchor {golden} is undecided at the cumulative "
                f"margin of {margin} ({said}); it is owed: perfgate gate --owed decides it"
            )
        self.ledger.write("kept", commit.sha, text, runs=runs)
        return Done(_CODES[said.word], text)

    def _kept(self, base: Baseline, commits: Sequence[Commit], anchors: Set[str]) -> Done:
        """No commit passed. The newest that was gated says how bad that is."""
        gates = self.ledger.gates()
        found = [standing(gates, commit.sha, self.rule, anchors) for commit in commits]
        at = next(place for place, one in enumerate(found) if one is not Standing.UNKNOWN)
        commit, by = (
            commits[at],
            answer(gates, Question(base.commit_sha, commits[at].sha, self.rule.policy.margin), self.rule),
        )
        said = f" (against {base}: {Answered(Word(by.verdict), by)})" if by else ""
        text = (
            f"not moved from {base}: none of {len(commits)} new on {self.branch.asked} has passed ({_counts(found)}); "
            f"{commit.label} ({commit.subject}) was {found[at]}{said}"
        )
        self.ledger.write("kept", commit.sha, text, runs=(by.id if by else None, None))
        return Done(1 if found[at] is Standing.BLOCKED else 4, text)

    def _ask(self, question: Question, whom: str, base: Baseline) -> Answered:
        """As it was answered before, else by a gate now."""
        known = answer(self.ledger.gates(), question, self.rule)
        if known is None:
            margin = f"margin {100 * question.margin:g} %"
            self.told(f"gating {question.candidate[:12]} against {whom}, {base}, {margin}")
            self.gate(question)
            known = answer(self.ledger.gates(), question, self.rule)
        if known is None:
            return Answered(Word.INVALID, None)
        return Answered(Word(known.verdict), known)


def _counts(found: Sequence[Standing]) -> str:
    return ", ".join(f"{found.count(one)} {one}" for one in Standing if one in found)
