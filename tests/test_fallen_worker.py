"""Claims about a worker whose process dies in the middle of a load: who sends its lanes, and what is counted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from embedded_store import embedded
from fault_server import FaultServer, always
from fleet_agents import Running, agent_processes, one_segment, small_scenario
from perfgate_agent.fallen import Recorded
from perfgate_controller.fleet import Fleet, dial
from perfgate_controller.link import LoadResult
from perfgate_controller.member import Patience

from perfgate.errors import FleetError
from perfgate.interval import Interval
from perfgate.plan import LANES, Plan
from perfgate.segment import Arm
from perfgate.units import NS_PER_S

STORED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
SEED = 1
SECONDS = 4.0
PATIENT = Patience(60 * NS_PER_S, 8 * NS_PER_S, 9 * NS_PER_S)


@dataclass(slots=True)
class Loaded:
    """A fleet on a store that answers everything."""

    fleet: Fleet
    store: FaultServer
    running: dict[str, Running]
    heard: list[Interval] = field(default_factory=list)

    async def load(self, *victims: str, seconds: float = SECONDS) -> list[LoadResult]:
        """Workers of these names are killed when some requests have been answered."""
        before = len(self.store.requests)
        load = asyncio.ensure_future(
            self.fleet.load(small_scenario(), SEED, embedded(), {Arm.BASE: self.store.address}, one_segment(seconds))
        )
        while len(self.store.requests) < before + 40 and not load.done():
            await asyncio.sleep(0.02)
        for name in victims:
            os.kill(self.running[name.partition("/")[0]].workers()[name], signal.SIGKILL)
        return await load

    @property
    def unknown(self) -> int:
        return sum(loss.unknown for loss in self.fleet.story.losses)


@contextlib.asynccontextmanager
async def loaded(directory: Path, names: list[str], workers: int) -> AsyncIterator[Loaded]:
    with agent_processes(directory, names, workers) as running:
        async with (
            FaultServer(always(STORED)) as store,
            dial([one.address for one in running.values()], "run", patience=PATIENT) as fleet,
        ):
            made = Loaded(fleet, store, running)
            fleet.on_interval(made.heard.append)
            await fleet.prepare_data(small_scenario(), SEED)
            yield made


def planned(seconds: float = SECONDS) -> int:
    return len(Plan(small_scenario(), SEED).window(range(LANES), 0, round(seconds * NS_PER_S)))


async def test_the_other_workers_of_the_agent_send_what_a_dead_one_had_to(tmp_path: Path) -> None:
    async with loaded(tmp_path, ["a", "b"], workers=2) as made:
        results = await made.load("a/1")
        (loss,) = made.fleet.story.losses
        assert (loss.worker, set(loss.taken)) == ("a/1", {"a"})
        assert "worker a/1 was lost: its process ended in the middle of the load; its 16 lanes went to a" in str(loss)
        assert [link.lost for link in made.fleet.links] == [None, None]
        assert sum(one.due for one in made.heard) + made.unknown == planned()
        assert len(made.store.requests) == len(set(made.store.requests)) <= planned(), "a request was sent twice"
        assert [result.difference for result in results] == ["", ""]
        assert sorted(report.worker for result in results for report in result.reports) == ["a/1", "a/2", "b/1", "b/2"]
        assert all(report.reconciles for result in results for report in result.reports)


async def test_other_agents_send_it_where_the_agent_has_no_worker_left_and_the_next_load_has_a_new_one(
    tmp_path: Path,
) -> None:
    async with loaded(tmp_path, ["a", "b"], workers=1) as made:
        await made.load("b/1")
        (loss,) = made.fleet.story.losses
        assert (loss.worker, set(loss.taken), len(loss.lanes)) == ("b/1", {"a"}, LANES // 2)
        assert sum(one.due for one in made.heard) + made.unknown == planned()
        made.heard.clear()
        await made.load(seconds=1.0)
        assert {one.worker for one in made.heard} == {"a/1", "b/1"}
        assert sum(one.due for one in made.heard) == planned(1.0)
        assert len(made.fleet.story.losses) == 1, "the agent itself was never lost"


async def test_where_nobody_can_take_over_the_load_ends_with_what_was_measured(tmp_path: Path) -> None:
    async with loaded(tmp_path, ["a"], workers=1) as made:
        with pytest.raises(FleetError, match=r"worker a/1 was lost.*nobody can take over its 64 lanes: no other"):
            await made.load("a/1", seconds=30.0)
        (loss,) = made.fleet.story.losses
        assert loss.orphaned
        assert "nobody could take over its 64 lanes" in str(loss)
        assert "nothing" not in str(loss)
        assert 0 <= loss.unknown < planned(30.0) / 2, "what was never to be sent is not among what nobody knows"
        assert sum(one.due for one in made.heard) + loss.unknown <= planned(30.0)


def test_what_is_told_of_a_dead_worker_is_what_came_of_it() -> None:
    report = Recorded((1, 2)).report("a/1")
    assert (report.worker, report.due, report.reconciles, report.stopped) == ("a/1", 0, True, False)
