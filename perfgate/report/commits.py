"""What a report says of a gate of two commits: which they are, and how the one that is to blame is found between them."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping
from typing import Any

from perfgate.gate.comparison import Comparison
from perfgate.gate.verdict import Word
from perfgate.report.document import Section
from perfgate.run import RunRecord
from perfgate.segment import Arm

KEPT = ("--target", "--repo", "--policy", "--variant")
"""Options of the gate that the search for the commit takes over."""


def compared(record: RunRecord) -> Section:
    """Both commits with their subjects and what was asked for; nothing for builds that are of no commit."""
    builds = record.environment.get("builds")
    facts = []
    for arm in (Arm.CANDIDATE, Arm.BASE):
        build = builds.get(arm.name.lower()) if isinstance(builds, Mapping) else None
        if isinstance(build, Mapping) and build.get("commit"):
            facts.append((arm.name.lower(), _line(build)))
    return Section("Compared", facts=tuple(facts))


def _line(build: Mapping[str, Any]) -> str:
    """`9e2b053f77b9 a remark (topic)`; the subject says itself where it is of uncommitted changes."""
    label, asked = str(build.get("label", "?")), str(build.get("asked", "?"))
    named = "" if str(build["commit"]).startswith(asked) else f" ({asked})"
    return f"{label} {build.get('subject', '')}{named}"


def search(record: RunRecord, comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """After a BLOCK for latencies: the command that finds the commit. Nothing where that is not known."""
    builds = record.environment.get("builds")
    slower = any(reason.code == "regression" for reason in comparison.verdict.reasons)
    if comparison.verdict.word is not Word.BLOCK or not slower or not isinstance(builds, Mapping):
        return ()
    both = [builds.get(arm.name.lower(), {}) for arm in (Arm.BASE, Arm.CANDIDATE)]
    if any(not build.get("commit") or not build.get("label") or build.get("dirty") for build in both):
        return ()
    words = _taken_over(str(record.environment.get("command", "")))
    return (("bisect", shlex.join([*words, *(str(build["label"]) for build in both)])),) if words else ()


def _taken_over(command: str) -> list[str]:
    """`perfgate bisect SCENARIO --target FILE --repo DIR …` of the command that gated; empty where it cannot be read."""
    try:
        words = [part for word in shlex.split(command) for part in (word.split("=", 1) if word[:2] == "--" else [word])]
    except ValueError:
        return []
    values = {word: following for word, following in itertools.pairwise(words) if word in KEPT}
    before = itertools.pairwise(words)
    scenarios = [word for previous, word in before if word.endswith(".toml") and not previous.startswith("--")]
    if words[1:2] != ["gate"] or len(scenarios) != 1 or not {"--target", "--repo"} <= values.keys():
        return []
    return [words[0], "bisect", *scenarios, *(part for option in values.items() for part in option)]
