"""Claims about who is blamed when the offered rate is not held, and after how many pairs."""

from __future__ import annotations

import pytest
from perfgate_controller.capacity_watch import CapacityWatch
from test_capacity import a_pair

from perfgate.gate.generator import ONCE, spoilt_reason
from perfgate.gate.policy_load import QUICK
from perfgate.gate.verdict import Word

STRONG, WEAK = a_pair(4000, 4000), a_pair(4000, 400)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def watch(told: list[str]) -> CapacityWatch:
    return CapacityWatch(QUICK, told.append)


def test_builds_that_hold_the_rate_are_asked_once(watch: CapacityWatch, told: list[str]) -> None:
    assert watch.check(STRONG) == (STRONG, None)
    assert watch.check(WEAK) == (WEAK, None), "after the first pair the latencies tell"
    assert not told


def test_a_candidate_that_falls_behind_in_two_pairs_is_blocked(watch: CapacityWatch, told: list[str]) -> None:
    _, first = watch.check(WEAK)
    assert first is None
    assert "if the next pair shows it, too" in told[0]
    assert watch.doubtful
    _, second = watch.check(WEAK)
    assert second is not None
    assert second.verdict.word is Word.BLOCK
    assert (second.pairs, second.final) == (2, True)


def test_a_candidate_that_falls_behind_once_is_not_blocked_and_that_pair_does_not_count(
    watch: CapacityWatch, told: list[str]
) -> None:
    pair, _ = watch.check(WEAK)
    assert not pair.usable
    assert {couple.dropped for couple in pair.couples} == {ONCE}
    assert spoilt_reason([pair], QUICK) is None, "the generator is not to blame"
    assert watch.check(STRONG) == (STRONG, None)
    assert "does not count" in told[1]
    assert not watch.doubtful
    assert watch.check(WEAK) == (WEAK, None)


@pytest.mark.parametrize("base", [400, 500])
def test_a_base_that_does_not_hold_it_either_is_invalid_at_once(watch: CapacityWatch, base: int) -> None:
    _, found = watch.check(a_pair(base, 400))
    assert found is not None
    assert found.verdict.word is Word.INVALID
    assert found.pairs == 1


def test_a_base_that_falls_behind_in_the_second_pair_makes_it_invalid(watch: CapacityWatch) -> None:
    watch.check(WEAK)
    _, found = watch.check(a_pair(400, 400))
    assert found is not None
    assert found.verdict.word is Word.INVALID
    assert found.pairs == 2
