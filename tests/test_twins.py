"""Duets on the load's side: both arms get the same requests at the same times, and neither gains by the order."""

from __future__ import annotations

from itertools import pairwise

import load_cases
import numpy as np
import pytest
from fault_server import OK, FaultServer, always, silent
from hypothesis import given
from hypothesis import strategies as st
from load_cases import MS, PlainAdapter, S, finish, outcomes, part, plan, run
from perfgate_agent.engine.records import REQUEST
from perfgate_agent.feeder import Feeder, pieces
from perfgate_agent.recorder import Bucket
from perfgate_agent.slots import Slots
from perfgate_agent.source import exchanges
from perfgate_agent.twins import candidate_first, interleaved

from perfgate.interval import Interval
from perfgate.outcome import Outcome
from perfgate.plan import LANES
from perfgate.segment import Arm, Segment, SegmentKind, together

LANES_ALL = tuple(range(LANES))


def duet(*lengths_ms: int, kinds: tuple[SegmentKind, ...] = ()) -> list[Segment]:
    """Both arms at once, window after window."""
    kinds = kinds or (SegmentKind.MEASURED,) * len(lengths_ms)
    result, at = [], 0
    for couple, (length, kind) in enumerate(zip(lengths_ms, kinds, strict=True)):
        for arm in Arm:
            result.append(Segment(len(result), arm, kind, couple, at, at + length * MS, at))
        at += length * MS
    return result


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**40))
def test_each_twin_goes_first_about_half_of_the_time_and_never_in_a_fixed_turn(seed: int, begin: int) -> None:
    first = candidate_first(seed, np.arange(begin, begin + 4096))
    assert abs(first.mean() - 0.5) < 0.06  # seven standard deviations
    assert abs((first[1:] == first[:-1]).mean() - 0.5) < 0.06


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2**50), min_size=1, max_size=50))
def test_the_order_of_twins_depends_on_seed_and_index_alone(seed: int, indices: list[int]) -> None:
    whole = candidate_first(seed, np.array(indices, dtype=np.int64))
    singly = [bool(candidate_first(seed, np.array([index], dtype=np.int64))[0]) for index in indices]
    assert whole.tolist() == singly


def test_another_seed_draws_another_order() -> None:
    index = np.arange(1_000)
    assert 400 < int((candidate_first(1, index) == candidate_first(2, index)).sum()) < 600


def test_twins_stay_side_by_side_when_they_are_interleaved() -> None:
    first = np.array([True, False, True])
    slots = interleaved(np.array([1, 2, 3], dtype=np.uint32), np.array([11, 12, 13], dtype=np.uint32), first)
    assert slots.tolist() == [11, 1, 2, 12, 13, 3]


def test_only_segments_of_both_arms_with_one_window_at_one_time_are_played_together() -> None:
    stretch = duet(100, 100)
    assert [tuple(one.number for one in group) for group in together(stretch)] == [(0, 1), (2, 3)]
    swapped = [stretch[1], stretch[0]]
    assert [one.arm for one in together(swapped)[0]] == list(Arm)
    in_turn = load_cases.segments(100, 100, arms=list(Arm))
    assert [len(group) for group in together(in_turn)] == [1, 1]
    assert together([]) == []


def test_the_feeder_submits_twins_side_by_side_with_one_time_in_the_drawn_order() -> None:
    played = part([1, 2], plan(pattern="poisson"), duet(300, 300))
    table = np.zeros(4096, dtype=REQUEST)
    slots, buckets, order = Slots(4096, table.ctypes.data), dict[int, Bucket](), list[int]()
    made = pieces(played.plan, LANES_ALL, played.segments, 7, buckets, [])
    feeder = Feeder(slots, played.adapters, lambda some: order.extend(some.tolist()), made, buckets, 10 * S)
    feeder.fill_until(0)
    assert feeder.exhausted
    rows = table[order].reshape(-1, 2)
    assert len(rows) > 80
    assert (rows["at_ns"][:, 0] == rows["at_ns"][:, 1]).all()
    assert (np.diff(rows["at_ns"][:, 0]) >= 0).all()
    assert (rows["arm"].sum(axis=1) == 1).all()
    index = slots.index[np.array(order).reshape(-1, 2)]
    assert (index[:, 0] == index[:, 1]).all()
    assert ((rows["arm"][:, 0] == Arm.CANDIDATE) == candidate_first(played.plan.seed, index[:, 0])).all()
    assert sorted(set(rows["segment"].ravel().tolist())) == [0, 1, 2, 3]
    assert [buckets[number].due for number in (0, 2)] == [buckets[number].due for number in (1, 3)]


def test_both_drivers_send_twins_in_the_same_order() -> None:
    played = part([1, 2], plan(pattern="poisson"), duet(300, 300))
    made = exchanges(played.plan, LANES_ALL, played.segments, played.adapters, 7, [])
    sent = [(one.at_ns, one.index, one.bucket.segment.arm) for one in made if one is not None and one.bucket]
    assert len(sent) > 160
    for base, candidate in zip(sent[::2], sent[1::2], strict=True):
        assert base[:2] == candidate[:2]
    firsts = [arm is Arm.CANDIDATE for _, _, arm in sent[::2]]
    assert firsts == candidate_first(played.plan.seed, np.array([index for _, index, _ in sent[::2]])).tolist()
    assert all(before[0] <= after[0] for before, after in pairwise(sent))


@pytest.mark.usefixtures("driver")
async def test_both_stores_of_a_duet_get_the_same_requests_and_each_arm_its_own_record() -> None:
    async with FaultServer(always(OK)) as base, FaultServer(always(OK)) as candidate:
        report, intervals = await run(part([base, candidate], plan(pattern="poisson"), duet(200, 1_300)))
    seen = [sorted(request.split(b" ")[1] for request in server.requests) for server in (base, candidate)]
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == len(seen[0]) > 200
    due = {number: sum(one.due for one in intervals if one.segment == number) for number in range(4)}
    assert due[0] == due[1] > 0
    assert due[2] == due[3] > 0
    assert report.completed == sum(due.values())
    assert all(one.lag.total == one.sent == one.completed for one in intervals)


@pytest.mark.usefixtures("driver")
async def test_two_workers_share_the_lanes_of_a_duet() -> None:
    stretch = duet(400)
    async with FaultServer(always(OK)) as base, FaultServer(always(OK)) as candidate:
        for half in (LANES_ALL[::2], LANES_ALL[1::2]):
            await run(part([base, candidate], plan(pattern="poisson"), stretch, lanes=half))
    seen = [sorted(request.split(b" ")[1] for request in server.requests) for server in (base, candidate)]
    whole = plan(pattern="poisson").window(LANES_ALL, 0, 400 * MS)
    assert seen[0] == seen[1]
    assert len(seen[0]) == len(whole)


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("bad", [(Arm.BASE,), (Arm.CANDIDATE,), tuple(Arm)], ids=["base", "candidate", "both"])
async def test_a_saturated_warm_up_of_a_duet_ends_the_run_and_tells_whose_it_was(bad: tuple[Arm, ...]) -> None:
    stretch = duet(300, 300, kinds=(SegmentKind.WARMUP, SegmentKind.MEASURED))
    async with FaultServer(silent) as mute, FaultServer(silent) as mute_too, FaultServer(always(OK)) as good:
        servers = [(mute, mute_too)[arm] if arm in bad else good for arm in Arm]
        intervals: list[Interval] = []
        bounds = {"timeout_ns": 60 * S, "backlog_most": 30, "drain_ns": 200 * MS}
        player = load_cases.make_player(part(servers, plan(), stretch, **bounds), intervals.append)
        await player.open()
        report, _ = await finish(player, intervals)
    assert report.saturated
    by_segment = {one.segment: outcomes([one]) for one in intervals}
    for arm in Arm:
        assert by_segment[int(arm)] == {Outcome.ABANDONED if arm in bad else Outcome.OK: 60}
    assert all(set(by_segment[number]) == {Outcome.ABANDONED} for number in by_segment if number > 1)
    assert not mute.requests[16:], "the queue is given up, not sent"
    assert not mute_too.requests[16:]


def test_a_duet_is_made_ready_for_twice_the_rate() -> None:
    one = part([1, 2], plan(rate=300), load_cases.segments(100, 100, arms=list(Arm)))
    both = part([1, 2], plan(rate=300), duet(100))
    assert both.rate == one.rate == one.send_rate == pytest.approx(300)
    assert both.send_rate == pytest.approx(600)
    assert both.backlog == one.backlog


def test_adapters_are_asked_with_their_own_port() -> None:
    played = part([1, 2], plan(), duet(100), adapters={arm: PlainAdapter(9000 + arm) for arm in Arm})
    made = [one for one in exchanges(played.plan, LANES_ALL, played.segments, played.adapters, 0, []) if one]
    for one in made:
        assert one.bucket is not None
        assert b"h:%d" % (9000 + one.bucket.segment.arm) in one.payload
