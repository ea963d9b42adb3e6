"""Claims about stores that cannot hold the offered rate."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from builders import worker_load
from gate_values import EMPTY, SEARCH, STORE, Build, pairs

from perfgate.gate.capacity import capacity_check, fell_behind
from perfgate.gate.policy_load import QUICK, policy_for
from perfgate.gate.verdict import Word
from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.pair import Couple, Pair
from perfgate.segment import Arm
from perfgate.units import NS_PER_MS, NS_PER_S

RATE = 1000
WARMUP_NS, SLICE_NS = 2 * NS_PER_S, 250 * NS_PER_MS


def queueing(length_ns: int, capacity: float, rate: float = RATE, abandoned: int = 0) -> Interval:
    """What one server that answers `capacity` requests a second shows of an even load: a simulation of its queue."""
    arrivals = np.arange(0, length_ns, round(NS_PER_S / rate))
    service = np.random.default_rng(1).lognormal(0, 0.5, len(arrivals))
    service *= NS_PER_S / capacity / service.mean()
    done = np.empty(len(arrivals))
    free = 0.0
    for number, (arrival, takes) in enumerate(zip(arrivals, service, strict=True)):
        free = done[number] = max(free, float(arrival)) + float(takes)
    return interval(length_ns, (done - arrivals).astype(np.int64), int(done[-1]), abandoned)


def interval(length_ns: int, latencies: np.ndarray, last_ns: int, abandoned: int = 0) -> Interval:
    parts = {}
    for operation, share in ((STORE, latencies[::2]), (SEARCH, latencies[1::2])):
        outcomes = [0] * len(OUTCOMES)
        outcomes[Outcome.OK], outcomes[Outcome.ABANDONED] = len(share), abandoned
        parts[operation] = OperationInterval(Histogram.of(share), Histogram.of(share), tuple(outcomes))
    due = len(latencies) + 2 * abandoned
    return Interval(0, 0, length_ns, due, due, last_ns, parts, EMPTY, EMPTY)


def a_pair(base: float, candidate: float, in_slices: tuple[float, float] | None = None) -> Pair:
    """Warm-ups at these capacities, slices at the same unless told otherwise."""
    sliced = in_slices or (base, candidate)
    couple = Couple(0, Arm.BASE, queueing(SLICE_NS, sliced[0]), queueing(SLICE_NS, sliced[1]))
    warmup = {Arm.BASE: queueing(WARMUP_NS, base), Arm.CANDIDATE: queueing(WARMUP_NS, candidate)}
    return Pair(0, (couple,) * 8, warmup, {}, {}, {})


def sent_late(pair: Pair, lag_ns: int) -> Pair:
    """Every request of it."""

    def late(one: Interval) -> Interval:
        return dataclasses.replace(one, lag=Histogram.of([lag_ns] * one.sent))

    couples = tuple(
        dataclasses.replace(couple, base=late(couple.base), candidate=late(couple.candidate)) for couple in pair.couples
    )
    return dataclasses.replace(pair, couples=couples, warmup={arm: late(one) for arm, one in pair.warmup.items()})


@pytest.mark.parametrize("capacity", [1300.0, 2000.0, 20_000.0])
def test_stores_that_hold_the_rate_are_left_alone(capacity: float) -> None:
    assert capacity_check(a_pair(capacity, capacity), QUICK) is None


@pytest.mark.parametrize("capacity", [200.0, 500.0, 800.0])
def test_a_store_that_does_not_hold_the_rate_is_invalid_with_the_rate_it_held(capacity: float) -> None:
    comparison = capacity_check(a_pair(capacity, capacity), QUICK)
    assert comparison is not None
    assert comparison.verdict.word is Word.INVALID
    (reason,) = comparison.verdict.reasons
    assert reason.code == "saturated"
    held = float(reason.text.split("the highest rate held was ")[1].split("/s")[0].replace(",", ""))
    assert held == pytest.approx(capacity, rel=0.05)
    asked = float(reason.remedy.split("rate to ")[1].split(" ")[0].replace(",", ""))
    assert asked == pytest.approx(0.7 * held, abs=1)
    assert "alternation" not in reason.remedy


def one_queue(capacity: float, pause: tuple[float, float] = (0, 0)) -> list[Interval]:
    """A warm-up and eight slices of load without a pause, as in a duet, on one server; it stands still meanwhile."""
    ends = np.cumsum([WARMUP_NS] + [SLICE_NS] * 8)
    arrivals = np.arange(0, ends[-1], NS_PER_S // RATE)
    free, done = 0.0, np.empty(len(arrivals))
    for number, arrival in enumerate(arrivals):
        begin = max(free, float(arrival))
        begin = max(begin, pause[1]) if begin >= pause[0] else begin
        free = done[number] = begin + NS_PER_S / capacity
    result = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        mine = (arrivals >= start) & (arrivals < end)
        one = interval(int(end - start), (done - arrivals)[mine].astype(np.int64), int(done[mine][-1]))
        result.append(dataclasses.replace(one, start_ns=int(start), end_ns=int(end)))
    return result


def a_duet(base: list[Interval], candidate: list[Interval]) -> Pair:
    couples = tuple(
        Couple(number, Arm.BASE, *both) for number, both in enumerate(zip(base[1:], candidate[1:], strict=True))
    )
    return Pair(0, couples, {Arm.BASE: base[0], Arm.CANDIDATE: candidate[0]}, {}, {}, {})


DUET = policy_for({}, "quick", mode="duet")


@pytest.mark.parametrize("capacity", [200.0, 500.0, 800.0])
def test_builds_that_do_not_hold_the_rate_at_once_may_do_so_in_turn(capacity: float) -> None:
    comparison = capacity_check(a_duet(one_queue(capacity), one_queue(capacity)), DUET)
    assert comparison is not None
    assert comparison.verdict.reasons[0].code == "saturated"
    assert "alternation" in comparison.verdict.reasons[0].remedy


@pytest.mark.parametrize("capacity", [200.0, 500.0, 800.0])
def test_a_candidate_whose_queue_grows_through_a_duet_blocks_on_throughput(capacity: float) -> None:
    comparison = capacity_check(a_duet(one_queue(2000.0), one_queue(capacity)), DUET)
    assert comparison is not None
    assert (comparison.verdict.word, comparison.verdict.reasons[0].code) == (Word.BLOCK, "throughput")


@pytest.mark.parametrize("capacity", [1300.0, 2000.0, 20_000.0])
def test_builds_that_hold_the_rate_in_a_duet_are_left_alone_whatever_covers_the_warm_up(capacity: float) -> None:
    assert capacity_check(a_duet(one_queue(capacity), one_queue(capacity)), DUET) is None
    stood_still = one_queue(capacity, pause=(1.5 * NS_PER_S, 2.1 * NS_PER_S))
    assert capacity_check(a_duet(one_queue(capacity), stood_still), DUET) is None


def test_a_candidate_alone_that_does_not_hold_the_rate_blocks_on_throughput() -> None:
    comparison = capacity_check(a_pair(2000.0, 600.0), QUICK)
    assert comparison is not None
    assert comparison.verdict.word is Word.BLOCK
    assert comparison.verdict.reasons[0].code == "throughput"
    assert comparison.final


def test_a_base_alone_that_does_not_hold_the_rate_is_invalid() -> None:
    comparison = capacity_check(a_pair(600.0, 2000.0), QUICK)
    assert comparison is not None
    assert comparison.verdict.word is Word.INVALID


def test_a_generator_that_cannot_send_the_rate_is_blamed_and_not_the_store() -> None:
    """Its delay is part of every response time, so that the store looks as if it had a queue."""
    pair = a_pair(500.0, 500.0)
    comparison = capacity_check(sent_late(pair, NS_PER_S // 2), QUICK)
    assert comparison is not None
    assert comparison.verdict.word is Word.INVALID
    (reason,) = comparison.verdict.reasons
    assert reason.code == "generator_busy"
    assert "cannot send the offered 1,000 requests/s" in reason.text
    assert "add workers" in reason.remedy


def test_a_load_that_was_cut_while_a_worker_was_at_its_limit_is_put_down_to_the_worker() -> None:
    """It reads replies late, has no connection free, and so has more under way than the bound."""
    cut, nothing = queueing(WARMUP_NS, 2000.0, abandoned=300), interval(SLICE_NS, np.empty(0, dtype=np.int64), 0)
    pair = dataclasses.replace(
        a_pair(2000.0, 2000.0), warmup=dict.fromkeys(Arm, cut), couples=(Couple(0, Arm.BASE, nothing, nothing),)
    )
    for share, code, words in (
        (0.97, "generator_busy", "requests/s: worker 1 of agent agent-1 used 97 % of its core"),
        (0.5, "saturated", "the store cannot hold"),
    ):
        comparison = capacity_check(dataclasses.replace(pair, workers=(worker_load(busiest_share=share),)), QUICK)
        assert comparison is not None
        assert comparison.verdict.word is Word.INVALID
        (reason,) = comparison.verdict.reasons
        assert reason.code == code
        assert words in reason.text


def test_a_generator_that_stood_still_in_the_warm_up_alone_is_not_called_too_slow() -> None:
    pair = a_pair(2000.0, 2000.0)
    late = sent_late(pair, NS_PER_S // 2)
    assert capacity_check(dataclasses.replace(pair, warmup=late.warmup), QUICK) is None


def test_a_burst_that_covers_the_warm_up_alone_decides_nothing() -> None:
    assert capacity_check(a_pair(2000.0, 600.0, in_slices=(2000.0, 2000.0)), QUICK) is None


def test_load_that_was_given_up_in_the_warm_up_is_enough() -> None:
    pair = a_pair(2000.0, 2000.0)
    cut = queueing(WARMUP_NS, 2000.0, abandoned=300)
    comparison = capacity_check(dataclasses.replace(pair, warmup={**pair.warmup, Arm.CANDIDATE: cut}), QUICK)
    assert comparison is not None
    assert comparison.verdict.word is Word.BLOCK


def test_a_pair_without_measured_answers_trusts_its_warm_up() -> None:
    pair = a_pair(600.0, 600.0)
    nothing = interval(SLICE_NS, np.empty(0, dtype=np.int64), 0)
    silent = (Couple(0, Arm.BASE, nothing, nothing),)
    assert capacity_check(dataclasses.replace(pair, couples=silent), QUICK) is not None


@pytest.mark.parametrize("median_ms", [1, 20, 80, 300])
def test_a_slow_store_that_keeps_up_is_not_called_saturated(median_ms: int) -> None:
    latencies = (np.random.default_rng(2).lognormal(0, 0.6, 2000) * median_ms * NS_PER_MS).astype(np.int64)
    assert not fell_behind(interval(WARMUP_NS, latencies, WARMUP_NS + 2 * median_ms * NS_PER_MS))


def test_a_fast_and_a_slow_operation_together_are_not_a_backlog() -> None:
    latencies = np.where(np.arange(2000) % 2, 2, 120) * NS_PER_MS
    assert not fell_behind(interval(WARMUP_NS, latencies, WARMUP_NS + 120 * NS_PER_MS))


def test_made_up_pairs_of_the_same_build_hold_their_rate() -> None:
    assert all(capacity_check(pair, QUICK) is None for pair in pairs(4, Build(restart_sd=0.1)))
