"""The JUnit file says what the verdict says, in XML that every CI reads."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

import pytest
from builders import gate
from hypothesis import given
from hypothesis import strategies as st

from perfgate.gate.verdict import Word
from perfgate.report.junit import _clean, gate_junit


@pytest.mark.parametrize(
    ("word", "failures", "errors", "skipped"),
    [(Word.PASS, 0, 0, 0), (Word.INCONCLUSIVE, 0, 0, 1), (Word.INVALID, 0, 1, 0)],
)
def test_each_verdict_is_its_own_kind_of_outcome(word: Word, failures: int, errors: int, skipped: int) -> None:
    suite = Xml.fromstring(gate_junit(*gate(word))).find("testsuite")
    assert suite is not None
    counts = tuple(int(suite.get(name, "")) for name in ("failures", "errors", "skipped"))
    assert counts == (failures, errors, skipped)
    assert int(suite.get("tests", "")) == len(suite.findall("testcase"))


def test_a_block_fails_the_verdict_and_each_metric_that_regressed_and_no_other() -> None:
    record, comparison = gate(Word.BLOCK)
    suite = Xml.fromstring(gate_junit(record, comparison)).find("testsuite")
    assert suite is not None
    failed = {case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None}
    regressed = {effect.name for effect in comparison.effects if effect.finding.value == "regressed"}
    assert failed == {"verdict", *regressed}
    assert regressed
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert comparison.verdict.reasons[0].text[:40] in (failure.text or "")


@given(st.text())
def test_no_text_makes_the_file_unreadable(text: str) -> None:
    element = Xml.Element("a", b=_clean(text))
    element.text = _clean(text)
    Xml.fromstring(Xml.tostring(element, encoding="unicode"))
