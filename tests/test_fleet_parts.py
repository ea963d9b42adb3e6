"""Claims about what a fleet is made of: clocks, queues, what is kept, counts, what the policy makes of losses."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from fleet_agents import small_scenario
from hypothesis import given, settings
from hypothesis import strategies as st
from interval_values import interval
from pairs import make_pairs
from perfgate_agent.keep import KEPT_MOST, SESSIONS_MOST, Keeper, KeptStore, merge_neighbours
from perfgate_agent.lease import LeaseBook
from perfgate_agent.outbox import BATCH_BYTES, Outbox
from perfgate_controller.clock_offset import measure_offset
from perfgate_controller.fleet_reasons import check_counts, fleet_notes, judge_pair, loss_text, run_reasons
from perfgate_controller.fleet_story import FleetStory, Loss, Start
from perfgate_controller.load_part import DEAD_NS, LoadPart
from perfgate_controller.member import members_of
from perfgate_controller.salvage import KeptRun, Salvaged, write

from perfgate.errors import CountsError, FleetError, InputError, StartError
from perfgate.fleet_file import load_fleet
from perfgate.gate.policy import Policy
from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.report.directory import write_result
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.units import NS_PER_MS
from perfgate.wire.convert import interval_from_wire, segment_to_wire
from perfgate.wire.v1 import wire_pb2 as pb


@settings(max_examples=60, deadline=None)
@given(
    offset=st.integers(-(10**15), 10**15),
    ways=st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=9),
)
def test_an_offset_is_never_further_off_than_its_bound(offset: int, ways: list[tuple[int, int]]) -> None:
    """However unlike the way there and the way back are."""
    now = [10**6]
    waiting = iter(ways)

    async def read() -> pb.ClockReading:
        there, back = next(waiting)
        now[0] += there
        reading = pb.ClockReading(monotonic_ns=now[0] + offset, wall_ns=0)
        now[0] += back
        return reading

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic_ns", lambda: now[0])
        found = asyncio.run(measure_offset(read, len(ways)))
    assert abs(found.offset_ns - offset) <= found.bound_ns
    assert found.bound_ns == -(-min(there + back for there, back in ways) // 2)


def test_whoever_waits_gets_the_agent_in_the_order_of_asking() -> None:
    book = LeaseBook()
    first = book.take("a", "1")
    assert first is not None
    second, third = book.queue("b", "2"), book.queue("c", "3")
    assert [book.before(place) for place in (second, third)] == [1, 2]
    book.release(first)
    assert second.lease is not None
    assert book.take("d", "4") is None
    assert book.before(third) == 1
    assert third.moved.is_set()
    book.release(second.lease)
    assert third.lease == book.current


def test_whoever_leaves_the_queue_holds_nobody_up_even_when_its_turn_has_come() -> None:
    book = LeaseBook()
    first = book.take("a", "1")
    assert first is not None
    second, third = book.queue("b", "2"), book.queue("c", "3")
    book.leave(second)
    assert book.before(third) == 1
    book.release(first)
    book.leave(third)
    assert book.current is None
    assert book.take("d", "4") is not None


def recorded(number: int, segment: int = 0, worker: str = "a/1") -> Interval:
    lag = Histogram.of([1000 + number])
    return interval(
        segment, start_ns=number, end_ns=number + 1, due=number, sent=number, lag=lag, worker=worker, operations={}
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a/1", "a/2"])), min_size=1, max_size=60))
def test_neighbours_merged_lose_no_count(rows: list[tuple[int, str]]) -> None:
    intervals = [recorded(number, segment, worker) for number, (segment, worker) in enumerate(rows)]
    merged = merge_neighbours(intervals)
    assert len(merged) <= len(intervals) // 2 + len({(one.segment, one.worker) for one in intervals})
    for segment, worker in {(one.segment, one.worker) for one in intervals}:
        own = [one for one in intervals if (one.segment, one.worker) == (segment, worker)]
        after = [one for one in merged if (one.segment, one.worker) == (segment, worker)]
        assert Interval.merge(own) == Interval.merge(after)


def test_what_is_kept_of_a_long_load_is_bounded_and_whole(tmp_path: Path) -> None:
    keeper, store = Keeper(), KeptStore(tmp_path / "kept")
    keeper.begin(pb.PrepareLoad(epoch=3, target_json='{"name": "x"}'))
    put = [recorded(number) for number in range(3 * KEPT_MOST)]
    for one in put:
        keeper.put(one)
    store.write(keeper, pb.KeptSession(token="t1", run_id="r"))
    first, *rest = store.parts("t1")
    kept = [interval_from_wire(one) for part in rest for one in part.intervals]
    assert first.load.epoch == 3
    assert len(kept) <= KEPT_MOST
    assert Interval.merge(kept) == Interval.merge(put)
    assert store.sessions()[0].intervals == len(kept)
    assert [path.stat().st_mode & 0o077 for path in (tmp_path / "kept").iterdir()] == [0]


def test_only_the_newest_sessions_are_kept(tmp_path: Path) -> None:
    keeper, store = Keeper(), KeptStore(tmp_path)
    keeper.put(recorded(1))
    for number in range(SESSIONS_MOST + 3):
        store.write(keeper, pb.KeptSession(token=f"t{number}"))
    assert [one.token for one in store.sessions()] == [f"t{number}" for number in range(SESSIONS_MOST + 2, 2, -1)]
    assert list(store.parts("../t10")) == []


def test_a_load_whose_end_was_heard_is_not_worth_keeping() -> None:
    keeper = Keeper()
    assert not keeper.worth_keeping
    keeper.put(recorded(1))
    assert keeper.worth_keeping
    keeper.deliver()
    assert not keeper.worth_keeping


async def test_a_sign_of_life_overtakes_what_is_measured_and_messages_are_small() -> None:
    outbox = Outbox()
    for number in range(200):
        outbox.put_interval(interval(number, lag=Histogram.of(range(1000, 3_000_000, 7000))))
    outbox.put_alive()
    outbox.put_alive()
    assert (await outbox.get()).WhichOneof("event") == "alive"
    sizes = []
    while len(sizes) < 3:
        event = await outbox.get()
        assert event.WhichOneof("event") == "intervals"
        sizes.append((len(event.intervals.intervals), event.ByteSize()))
    assert all(count == 1 or size < BATCH_BYTES + 1024 for count, size in sizes)
    assert any(count > 1 for count, _ in sizes)


REPORT = LoadReport("a/1", due=3, sent=3, completed=2, failed=1, abandoned=0)


async def test_counts_that_came_in_are_held_against_those_that_were_told() -> None:
    part = LoadPart(1, [0])
    part.take(recorded(3))  # 3 due, 3 sent, nothing completed
    part.end((REPORT,), 0.0)
    result = await part.finished
    assert "3 due, 3 sent, 2 completed, 1 failed" in result.difference
    with pytest.raises(CountsError, match=r"counts of agent a differ from what came in.*please report it"):
        check_counts([result])
    (reason,) = run_reasons(FleetStory(), [result], Policy())
    assert reason.code == "counts_differ"


LOSS = Loss(2, "c", "agent c was lost: silent", 10**9, 2 * 10**9, (1, 2), {"a": (1,), "b": (2,)}, 3 * 10**9, 7)


def test_a_loss_is_a_verdict_or_a_mark_as_the_policy_says() -> None:
    story = FleetStory(losses=[LOSS])
    (pair,) = make_pairs(1)
    with pytest.raises(
        FleetError, match=r"silent; its 2 lanes went to a, b 2\.0 s after .* of 7 requests nobody knows"
    ):
        judge_pair(pair, story, 2, Policy())
    assert judge_pair(pair, story, 3, Policy()) == pair
    marked = judge_pair(pair, story, 2, Policy(agent_loss="continue"))
    assert not marked.usable
    assert fleet_notes(story, Policy()) == ()
    assert "went to a, b" in fleet_notes(story, Policy(agent_loss="continue"))[0]
    assert [reason.code for reason in run_reasons(story, [], Policy())] == ["agent_lost"]


def test_who_was_lost_is_told_by_name_and_what_nobody_could_take_over_is_called_so() -> None:
    dead = Loss(2, "c", "worker c/1 was lost: it ended", 10**9, 10**9, (3,), {}, None, 4, worker="c/1", orphaned=True)
    story = FleetStory(losses=[LOSS, dead])
    assert set(story.to_json()["lost"]) == {"c", "c/1"}
    assert str(dead) == (
        "worker c/1 was lost: it ended; nobody could take over its 1 lanes; of 4 requests nobody knows whether it had sent them"
    )
    over = Loss(2, "c", "agent c was lost: silent", 10**9, 2 * 10**9, (1, 2), {}, None, 0)
    assert str(over).endswith("its 2 lanes had nothing left to send")
    assert loss_text(story, 2) == f"{LOSS}; {dead}"
    assert loss_text(story, 3) == ""


def test_starts_that_are_too_far_apart_warn_or_spoil_as_the_policy_says() -> None:
    story = FleetStory(starts=[Start(1, 30 * NS_PER_MS, NS_PER_MS, 31 * NS_PER_MS), Start(2, NS_PER_MS, 1, 1)])
    (pair,) = make_pairs(1)
    strict = Policy(start_spread="invalid")
    assert judge_pair(pair, story, 1, Policy()) == pair
    assert "30.0 ms apart (known to within 1.00 ms; limit 20.0 ms)" in fleet_notes(story, Policy())[0]
    with pytest.raises(StartError):
        judge_pair(pair, story, 1, strict)
    assert judge_pair(pair, story, 2, strict) == pair
    assert [reason.code for reason in run_reasons(story, [], strict)] == ["start_spread"]


GOOD = """
[target]
address = "http://10.0.0.5:7432"
[[hosts]]
name = "load-1"
address = "10.0.0.7:7400"
weight = 2.0
tls_name = "load-1.example.org"
[[hosts]]
name = "perf-1"
address = "perf-1.example.org:7400"
roles = ["host"]
"""


def test_the_host_of_the_stores_comes_first_whatever_the_file_says_first(tmp_path: Path) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(GOOD)
    fleet = load_fleet(path)
    first, second = members_of(fleet)
    assert (first.address, first.loads) == ("perf-1.example.org:7400", False)
    assert (second.weight, second.tls_name, second.loads) == (2.0, "load-1.example.org", True)
    assert fleet.target is not None
    assert fleet.target.port == 7432


BAD = {
    "two stores": (GOOD + '[[hosts]]\nname="x"\naddress="h:1"\nroles=["host"]\n', "both have the role host"),
    "one name": (GOOD + '[[hosts]]\nname="perf-1"\naddress="h:1"\n', "two hosts have the name 'perf-1'"),
    "one address": (GOOD + '[[hosts]]\nname="x"\naddress="10.0.0.7:7400"\n', "two hosts have the address"),
    "nobody loads": ('[[hosts]]\nname="x"\naddress="h:1"\nroles=["host"]\n', "no host has the role load"),
    "no address": ('[[hosts]]\nname="x"\n', "neither an address nor a launcher"),
    "no port": ('[[hosts]]\nname="x"\naddress="h"\n', "give HOST:PORT"),
    "a weight of nothing": ('[[hosts]]\nname="x"\naddress="h:1"\nweight=0\n', "greater than 0"),
    "a role that is none": ('[[hosts]]\nname="x"\naddress="h:1"\nroles=["lead"]\n', "'load' or 'host'"),
    "a key that is none": ('[[hosts]]\nname="x"\nadress="h:1"\n', "adress"),
    "half of the tls": ('[tls]\nca_file="x"\n[[hosts]]\nname="x"\naddress="h:1"\n', "give directory, or ca_file"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_a_fleet_file_is_named(tmp_path: Path, case: str) -> None:
    text, words = BAD[case]
    path = tmp_path / "fleet.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_fleet(path)


def test_a_host_that_a_launcher_starts_needs_no_address_until_it_is_dialled(tmp_path: Path) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text('[launcher]\nkind = "ssh"\nuser = "perf"\n[[hosts]]\nname = "x"\n[hosts.launcher]\nuser = "root"\n')
    fleet = load_fleet(path)
    assert fleet.launcher_of(fleet.hosts[0]) == {"kind": "ssh", "user": "root"}
    with pytest.raises(InputError, match="perfgate fleet up"):
        members_of(fleet)


def test_what_is_salvaged_of_a_pair_holds_both_builds(tmp_path: Path) -> None:
    scenario = small_scenario()
    load = pb.PrepareLoad(epoch=4, target_json='{"name": "mystore"}')
    load.scenario.scenario_json, load.scenario.seed = scenario.source, 1
    for number, arm in enumerate(Arm):
        load.segments.append(segment_to_wire(Segment(number, arm, SegmentKind.MEASURED, 0, 0, 10**9, number * 10**9)))
    run = KeptRun("r", "gate", "ci", 0, "its controller fell silent", {"a": "t"})
    record = write(Salvaged(run, load, (recorded(5), recorded(7, segment=1)), (), ("a",)), tmp_path)
    assert {arm: total.due for arm, total in record.arms.items()} == {Arm.BASE: 5, Arm.CANDIDATE: 7}
    assert set(record.measured_ns.values()) == {10**9}
    assert (record.complete, record.target) == (False, "mystore")
    assert "what a kept of load 4" in record.warnings[0]
    write_result(tmp_path, record, None)
    assert "kept of load 4" in (tmp_path / "report.md").read_text()


async def test_a_process_that_has_died_sends_nothing_until_its_permit_would_have_ended() -> None:
    part = LoadPart(1, [0])
    part.start_ns = 1_000
    part.renew(heard_ns=5_000, lease_ns=10**12)
    part.die(now_ns=6_000)
    assert part.permit_ns == 5_000 + DEAD_NS
    part.die(now_ns=10**15)
    assert part.permit_ns == 5_000 + DEAD_NS, "a permit that has been used for handing over never grows again"
