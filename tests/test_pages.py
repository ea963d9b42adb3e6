"""Claims about the pages that hold requests: bytes stay where they were written, and pages are used again."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perfgate_agent.pages import Pages

PAGE = 64
TEXTS = st.lists(st.binary(max_size=PAGE + 20), max_size=12)


def read(address: int, size: int) -> bytes:
    return ctypes.string_at(address, size)


@given(st.lists(st.tuples(TEXTS, st.integers(0, 2**31)), max_size=12))
def test_a_text_can_be_read_at_its_address_until_it_is_released(steps: list[tuple[list[bytes], int]]) -> None:
    pages = Pages(PAGE)
    live: list[tuple[int, bytes, int]] = []
    for texts, die in steps:
        addresses, sizes, numbers = pages.write(texts)
        assert sizes.tolist() == [len(text) for text in texts]
        live.extend(zip(addresses.tolist(), texts, numbers.tolist(), strict=True))
        cut = die % (len(live) + 1)
        ended, live = live[:cut], live[cut:]
        pages.release(np.array([number for _, _, number in ended], dtype=np.int64))
        assert [read(address, len(text)) for address, text, _ in live] == [text for _, text, _ in live]
        assert pages.held == len(live)


def test_a_text_longer_than_a_page_has_one_of_its_own_which_is_let_go_with_it() -> None:
    pages = Pages(PAGE)
    before = pages.mapped_bytes
    addresses, _, numbers = pages.write([b"a" * 1000, b"b"])
    assert pages.mapped_bytes == before + 1000
    assert read(int(addresses[0]), 1000) == b"a" * 1000
    pages.release(numbers[:1])
    assert pages.mapped_bytes == before
    assert read(int(addresses[1]), 1) == b"b"


def test_a_shared_text_stays_until_the_last_request_with_it_has_ended() -> None:
    pages = Pages(PAGE)
    address, page = pages.write_shared(b"same", 3)
    for _ in range(2):
        pages.release(np.array([page]))
        pages.release(pages.write([b"x" * 60])[2])
        assert read(address, 4) == b"same"
    pages.release(np.array([page]))
    assert pages.held == 0


@pytest.mark.parametrize("rounds", [30, 3000])
def test_as_many_pages_are_mapped_as_were_full_at_once_however_long_it_goes_on(rounds: int) -> None:
    pages, random = Pages(PAGE), np.random.default_rng(1)
    waiting: list[np.ndarray] = []
    for _ in range(rounds):
        waiting.append(pages.write([bytes(int(size)) for size in random.integers(20, 30, 8)])[2])
        if len(waiting) > 3:
            pages.release(waiting.pop(0))
    assert pages.mapped_bytes <= PAGE * (4 * 8 // 2 + 2)


def test_after_a_standstill_no_more_than_three_times_what_is_needed_stays_mapped() -> None:
    pages = Pages(PAGE)
    needed = pages.write([b"x" * PAGE] * 6)[2]
    standstill = pages.write([b"x" * PAGE] * 60)[2]
    assert pages.mapped_bytes >= 66 * PAGE
    pages.release(standstill)
    assert pages.mapped_bytes <= 3 * (len(needed) + 1) * PAGE
    assert pages.held == len(needed)
