"""Claims about who sends what, however agents are lost: every request of the plan has one sender at most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from load_cases import MS, S, plan, segments
from perfgate_agent.feeder import PIECE_NS, Piece, pieces
from perfgate_agent.share import Share
from perfgate_controller.handover import due_from
from perfgate_controller.load_part import LoadPart

from perfgate.plan import LANES, share_lanes

LENGTH_NS = 4 * S
AHEAD_NS = 250 * MS
LEASE_NS = 900 * MS


def test_lanes_are_sent_from_when_they_were_taken_and_never_twice() -> None:
    share = Share([1, 2])
    assert share.take([2, 5], 250) == 250
    assert list(share.windows(0, 200)) == [(0, 200, (1, 2))]
    assert list(share.windows(200, 400)) == [(200, 250, (1, 2)), (250, 400, (1, 2, 5))]
    assert share.take([7], 100) == 400
    assert list(share.windows(400, 500)) == [(400, 500, (1, 2, 5, 7))]


def test_a_permit_never_goes_back() -> None:
    share = Share([1])
    share.permit(500)
    share.permit(300)
    assert share.permit_ns == 500


@dataclass
class Agent:
    """As a worker feeds its engine: pieces ahead of their time, none of them beyond its permit."""

    share: Share
    made: Iterator[Piece]
    part: LoadPart
    alive: bool = True
    held: Piece | None = None
    sent: list[int] = field(default_factory=list)

    def feed(self, now_ns: int) -> None:
        """Whoever stands still feeds late, but nothing else than it would have."""
        newest = -1
        while newest < now_ns + AHEAD_NS:
            piece = self.held or next(self.made, None)
            self.held = piece
            if piece is None or piece.last_ns >= self.share.permit_ns:
                return
            self.held = None
            self.sent += piece.block.index.tolist()
            newest = piece.last_ns if len(piece) else newest


def agents(count: int, rate: float) -> list[Agent]:
    made = []
    for lanes in share_lanes(LANES, [1.0] * count):
        share = Share(lanes)
        share.permit(LEASE_NS)
        own = pieces(plan(rate), share, tuple(segments(LENGTH_NS // MS)), 0, {}, [])
        made.append(Agent(share, own, a_part(lanes)))
    return made


def a_part(lanes: tuple[int, ...]) -> LoadPart:
    part = object.__new__(LoadPart)  # without a loop that its future would belong to
    part.epoch, part.lanes, part.start_ns, part.permit_ns = 1, dict.fromkeys(lanes, 0), 0, LEASE_NS
    return part


@settings(max_examples=40, deadline=None)
@given(data=st.data(), count=st.integers(2, 5), rate=st.sampled_from([30.0, 400.0]))
def test_whatever_is_lost_when_the_union_is_the_plan_and_nothing_is_sent_twice(
    data: st.DataObject, count: int, rate: float
) -> None:
    """Of lost agents that go on, too: they are cut off and know nothing of it."""
    fleet = agents(count, rate)
    stall = st.lists(st.booleans(), min_size=count, max_size=count)
    holes: list[tuple[int, int, int]] = []  # (lane, from, until): nobody knows whether it was sent
    for now in range(0, LENGTH_NS + S, 100 * MS):
        for agent, stands_still in zip(fleet, data.draw(stall), strict=True):
            if agent.alive and not stands_still:
                agent.part.renew(now, LEASE_NS)
                agent.share.permit(agent.part.permit_ns)
            if not stands_still:
                agent.feed(now)
        living = [agent for agent in fleet if agent.alive]
        if len(living) > 1 and data.draw(st.integers(0, 9)) == 0:
            lost = data.draw(st.sampled_from(living))
            lost.alive = False
            hand_over(lost, [agent for agent in living if agent is not lost], holes)
    for agent in fleet:
        agent.feed(LENGTH_NS + S)
    everything = plan(rate).window(range(LANES), 0, LENGTH_NS)
    sent = [index for agent in fleet for index in agent.sent]
    assert len(sent) == len(set(sent)), "a request was sent twice"
    missing = np.isin(everything.index, sent, invert=True)
    for index in np.flatnonzero(missing):
        lane, time = int(everything.lane[index]), int(everything.time_ns[index])
        assert any(one == lane and start <= time < end for one, start, end in holes), "a request was left out"


def hand_over(lost: Agent, others: list[Agent], holes: list[tuple[int, int, int]]) -> None:
    for from_ns, lanes in due_from(lost.part.lanes, lost.part.permit_ns).items():
        for agent, places in zip(others, share_lanes(len(lanes), [1.0] * len(others)), strict=True):
            own = [lanes[place] for place in places]
            since = agent.share.take(own, from_ns)
            agent.part.lanes.update(dict.fromkeys(own, since))
            # The lost one's last piece may end beyond its permit; and it was cut off at some time before that.
            holes += [(lane, lost.part.permit_ns - LEASE_NS - PIECE_NS - S, since) for lane in own]


@pytest.mark.parametrize("weights", [[1, 1], [1, 3], [2, 0.5, 1]])
def test_lanes_go_by_weight_and_their_union_stays_the_same(weights: list[float]) -> None:
    shares = share_lanes(LANES, weights)
    assert sorted(lane for own in shares for lane in own) == list(range(LANES))
    for own, weight in zip(shares, weights, strict=True):
        assert abs(len(own) - LANES * weight / sum(weights)) < 1
