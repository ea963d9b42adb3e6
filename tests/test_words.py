from __future__ import annotations

import dataclasses
import math

import pytest
from builders import effect, record
from hypothesis import given
from hypothesis import strategies as st
from pairs import OPERATIONS, World, make_pairs

from perfgate.gate.compare import compare
from perfgate.gate.policy import Policy
from perfgate.operation import Operation
from perfgate.report.words import BARS, bounds, change, detectable, headline, quantity, ratio, sentence, sparkline
from perfgate.segment import Arm
from perfgate.units import format_percent

SEARCH = Operation.EMBEDDING_SEARCH


@given(st.lists(st.floats(-1e9, 1e9), max_size=200), st.integers(1, 60))
def test_a_sparkline_is_never_wider_than_asked(numbers: list[float], width: int) -> None:
    line = sparkline(numbers, width)
    assert len(line) == min(len(numbers), width)
    assert set(line) <= set(BARS)


def test_a_sparkline_spans_from_the_lowest_bar_to_the_highest() -> None:
    assert sparkline(range(8)) == BARS


def test_a_sparkline_of_equal_numbers_is_flat() -> None:
    assert sparkline([3, 3, 3]) == BARS[3] * 3


def test_a_sparkline_leaves_out_what_is_no_number() -> None:
    assert sparkline([1, math.nan, 2, math.inf]) == "▁█"


def test_no_change_has_no_sign_of_a_worse_one() -> None:
    one = dataclasses.replace(effect("recall", SEARCH), estimate=0.0, lower=0.0, upper=1e-9)
    assert (ratio(one), bounds(one)) == ("+0.00 pp", "+0.00 … +0.00 pp")


def test_what_a_few_noisy_pairs_leave_open_is_told_without_its_digits() -> None:
    assert change(43.9) == change(900.0) == "over 1,000 x"
    assert bounds(effect("p99", SEARCH, lower=-0.1, upper=900.0)) == "-9.5 … ∞ %"
    assert bounds(effect("p99", SEARCH, lower=-0.1, upper=43.9)) == "-9.5 … ∞ %"
    assert format_percent(math.nan, signed=True) == "–"


def test_a_log_ratio_becomes_percent() -> None:
    assert change(math.log(1.2)) == "+20.0 %"
    assert change(math.log(0.5)) == "-50.0 %"


def test_a_loss_of_recall_is_shown_as_less() -> None:
    lost = effect("recall", Operation.EMBEDDING_SEARCH, 0.02, lower=0.01, upper=0.03)
    assert ratio(lost) == "-2.00 pp"
    assert bounds(lost) == "-3.00 … -1.00 pp"


def test_an_interval_without_an_upper_end_is_shown() -> None:
    assert bounds(effect("p99", None, lower=0.0, upper=math.inf)) == "+0.0 … ∞ %"


def test_what_cannot_be_told_is_a_dash() -> None:
    unknown = effect("p99", None, lower=None, upper=None, detectable_80=None, estimate=math.nan)
    assert (bounds(unknown), detectable(unknown), ratio(unknown)) == ("–", "–", "–")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.01, "share", "1 %"),
        (5.0, "ms", "5.00 ms"),
        (1234.5, "ops/s", "1,234 ops/s"),
        (None, "ms", "–"),
        (0, "ms", "0 ms"),
    ],
)
def test_a_figure_has_its_unit(value: object, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_a_sentence_ends_with_one_stop() -> None:
    assert sentence("a") == sentence("a.") == "a."


def test_the_headline_names_the_cause_before_what_it_made_wait() -> None:
    factors = {Operation.STORE: 1.2, Operation.EMBEDDING_SEARCH: 1.6}
    compared = compare(make_pairs(20, World(factor=factors)), Policy(), OPERATIONS)
    builds = {Arm.BASE: "old", Arm.CANDIDATE: "new"}
    assert headline(record(builds=builds), compared).startswith("new must not replace old: embedding_search p99")
