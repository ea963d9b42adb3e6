"""Claims about who holds an agent."""

from __future__ import annotations

from perfgate_agent.lease import LeaseBook


def test_a_second_controller_gets_no_lease_until_the_first_gives_it_back() -> None:
    book = LeaseBook()
    first = book.take("ci", "gate 1")
    assert first is not None
    assert book.take("ci", "gate 2") is None
    book.release(first)
    assert book.take("ci", "gate 2") is not None


def test_giving_back_an_old_lease_does_not_free_the_agent() -> None:
    book = LeaseBook()
    old = book.take("a", "1")
    assert old is not None
    book.release(old)
    current = book.take("b", "2")
    book.release(old)
    assert book.current == current
