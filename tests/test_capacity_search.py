"""The search for the highest rate: against stores whose capacity is known, exactly and by chance."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfgate.capacity_search import Found, Ladder, Trial, found, next_rung
from perfgate.errors import InputError


def search(ladder: Ladder, holds: Callable[[float], bool]) -> tuple[Found, list[Trial]]:
    trials: list[Trial] = []
    while (rung := next_rung(trials, ladder)) is not None:
        trials.append(Trial(rung, holds(ladder.rate(rung))))
    return found(trials, ladder), trials


@settings(max_examples=200, deadline=None)
@given(
    capacity=st.floats(20, 900_000),
    start=st.floats(20, 900_000),
    precision=st.sampled_from([0.01, 0.05, 0.1, 0.5]),
    confirm=st.integers(1, 6),
)
def test_an_exact_store_is_found_within_one_rung(capacity: float, start: float, precision: float, confirm: int) -> None:
    ladder = Ladder(start, precision, lowest=10, highest=3_000_000, confirm=confirm, most=200)
    result, trials = search(ladder, lambda rate: rate <= capacity)
    assert result.settled
    assert not result.at_top
    assert result.rung is not None
    assert ladder.rate(result.rung) <= capacity < ladder.rate(result.rung + 1)
    assert (result.held, result.above_held) == (confirm, 0)
    bracket = abs(math.log2(capacity / start)) + 2
    assert len(trials) <= bracket + math.log2(ladder.octave) + 2 + 2 * confirm


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_answers_that_are_wrong_one_time_in_ten_move_the_result_by_a_few_rungs(seed: int) -> None:
    chance = random.Random(seed)
    ladder = Ladder(100, 0.05, confirm=5, most=300)
    result, _ = search(ladder, lambda rate: (rate <= 3_000) != (chance.random() < 0.1))
    assert result.settled
    assert result.rung is not None
    assert abs(math.log(ladder.rate(result.rung) / 3_000)) < 6 * math.log(1.05)


def test_one_wrong_no_at_a_low_rate_does_not_hide_the_rest() -> None:
    ladder = Ladder(100, 0.1, confirm=3)
    asked: list[float] = []

    def holds(rate: float) -> bool:
        asked.append(rate)
        return rate <= 5_000 and len(asked) != 2  # the second trial is spoilt

    result, _ = search(ladder, holds)
    assert result.rung is not None
    assert 4_500 < ladder.rate(result.rung) <= 5_000


def test_bounds_are_said_to_be_bounds() -> None:
    ladder = Ladder(100, 0.1, lowest=50, highest=1_000, confirm=3)
    most, _ = search(ladder, lambda rate: True)
    assert most.at_top
    assert most.rung == ladder.top
    assert most.held == 3
    least, trials = search(ladder, lambda rate: False)
    assert least.rung is None
    assert least.settled
    assert min(ladder.rate(trial.rung) for trial in trials) >= 50
    assert sum(trial.rung == ladder.bottom for trial in trials) == 3


def test_a_search_without_an_end_says_that_it_is_not_settled() -> None:
    result, trials = search(Ladder(100, 0.01, most=4), lambda rate: rate <= 40_000)
    assert len(trials) == 4
    assert not result.settled


def test_five_of_five_bound_how_often_a_rate_is_held() -> None:
    assert Found(3, 5, 5, 0, 5, True, False, 20).least_share() == pytest.approx(0.05 ** (1 / 5))
    assert Found(3, 4, 5, 0, 5, True, False, 20).least_share() == 0.0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"start": 5.0, "lowest": 10.0}, "begins at 5"),
        ({"precision": 0.0}, "precision 0"),
        ({"confirm": 0}, "0 trials"),
    ],
)
def test_what_is_no_ladder_is_refused(wrong: dict[str, float], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Ladder(**{"start": 100.0, **wrong})  # type: ignore[arg-type]
