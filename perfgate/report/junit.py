"""A gate as JUnit XML, which every CI shows: one test case a metric, and one for the verdict as a whole."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from perfgate.gate.comparison import Comparison
from perfgate.gate.effect import Effect, Finding
from perfgate.gate.verdict import Word
from perfgate.report.words import bounds, headline, ratio, sentence
from perfgate.run import RunRecord
from perfgate.units import NS_PER_S

SUITE = "perfgate"
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, escaped or not."""


def gate_junit(record: RunRecord, comparison: Comparison) -> str:
    """The verdict BLOCK is a failure, INVALID an error, INCONCLUSIVE a skipped test: whether that stops a merge is the
    exit code's to say. A metric by itself fails only where the gate blocks."""
    word = comparison.verdict.word
    suite = Xml.Element("testsuite", name=f"{SUITE}: {_clean(record.name)}", time=_seconds(record.duration_ns))
    properties = Xml.SubElement(suite, "properties")
    for name, value in _properties(record, comparison):
        Xml.SubElement(properties, "property", name=name, value=_clean(value))
    verdict = _case(suite, "verdict", record.duration_ns)
    reasons = "\n".join(
        sentence(one.text) + (f"\n  {sentence(one.remedy)}" if one.remedy else "") for one in comparison.verdict.reasons
    )
    kind = {Word.BLOCK: "failure", Word.INVALID: "error", Word.INCONCLUSIVE: "skipped"}.get(word)
    if kind is not None:
        said = Xml.SubElement(verdict, kind, message=_clean(f"{word.value}: {headline(record, comparison)}"))
        said.text = _clean(reasons)
    else:
        Xml.SubElement(verdict, "system-out").text = _clean(reasons)
    for effect in comparison.effects:
        _metric(suite, effect, word)
    cases = suite.findall("testcase")
    for name, child in (("tests", None), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(child is None or case.find(child) is not None for case in cases)))
    whole = Xml.Element("testsuites")
    whole.append(suite)
    Xml.indent(whole)
    return Xml.tostring(whole, encoding="unicode", xml_declaration=True) + "\n"


def _metric(suite: Xml.Element, effect: Effect, word: Word) -> None:
    case = _case(suite, effect.name, 0)
    said = f"{ratio(effect)} ({bounds(effect)}), {effect.finding.value}"
    if effect.finding is Finding.REGRESSED and word is Word.BLOCK:
        Xml.SubElement(case, "failure", message=_clean(f"{effect.name} {said}"))
    else:
        Xml.SubElement(case, "system-out").text = _clean(said)


def _case(suite: Xml.Element, name: str, duration_ns: int) -> Xml.Element:
    return Xml.SubElement(suite, "testcase", classname=SUITE, name=_clean(name), time=_seconds(duration_ns))


def _properties(record: RunRecord, comparison: Comparison) -> list[tuple[str, str]]:
    builds = [(arm.name.lower(), build) for arm, build in record.builds.items()]
    about = [("target", record.target), ("policy", comparison.policy.name), ("seed", str(record.seed))]
    return [*builds, *about, ("pairs", str(comparison.pairs))]


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)


def _seconds(ns: int) -> str:
    return f"{ns / NS_PER_S:.3f}"
