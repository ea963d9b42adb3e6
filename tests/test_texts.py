from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from perfgate.dataset.texts import COMMON_WORDS, Texts

TEXTS = Texts(3)
NUMBERS = st.integers(0, 10_000_000)


@given(NUMBERS, NUMBERS)
def test_only_the_node_itself_holds_both_rare_words_of_its_query(node: int, other: int) -> None:
    rare = set(TEXTS.query_text(node).split()[:2])
    assert rare <= set(TEXTS.text(node).split())
    assert other == node or not rare <= set(TEXTS.text(other).split())


@given(NUMBERS, NUMBERS)
def test_what_is_stored_during_a_run_holds_no_rare_word_of_a_node(node: int, index: int) -> None:
    assert not set(TEXTS.query_text(node).split()[:2]) & set(TEXTS.pool_text(index).split())


@given(NUMBERS)
def test_a_query_s_common_word_is_in_its_text(node: int) -> None:
    assert set(TEXTS.query_text(node).split()) <= set(TEXTS.text(node).split())


@given(NUMBERS, st.integers(-(2**63), 2**64))
def test_texts_are_a_pure_function_of_seed_and_number(number: int, seed: int) -> None:
    assert Texts(3).text(number) == TEXTS.text(number)
    assert Texts(3).pool_text(number) == TEXTS.pool_text(number)
    assert len(TEXTS.text(number).split()) == COMMON_WORDS + 2


def test_words_follow_a_zipf_law() -> None:
    counts = Counter(word for node in range(5_000) for word in TEXTS.text(node).split()[:COMMON_WORDS])
    ranked = [count for _, count in counts.most_common()]
    assert len(ranked) > 3_000
    assert 1.6 < ranked[0] / ranked[1] < 2.7
    assert 6 < ranked[0] / ranked[9] < 20


def test_another_seed_gives_other_texts() -> None:
    assert Texts(4).text(0) != TEXTS.text(0)
