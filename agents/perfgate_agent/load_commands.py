"""What a session is told of its load: prepare, start, go on until then, take over lanes, stop. One load after the other."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from perfgate.address import Address
from perfgate.errors import InputError, MeasurementError, PerfgateError
from perfgate.interval import Interval
from perfgate.plan import LANES
from perfgate.scenario import scenario_from_json
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm
from perfgate.targets.load import target_from_json
from perfgate.units import NS_PER_MS, NS_PER_S
from perfgate.wire.convert import address_from_wire, report_to_wire, segment_from_wire
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate_agent.fallen import Fallen
from perfgate_agent.keep import Keeper
from perfgate_agent.limits import Limits
from perfgate_agent.load import Load, LoadOrder
from perfgate_agent.outbox import Outbox

LATEST_START_NS = 600 * NS_PER_S
LAPSED_NS = 200 * NS_PER_MS
GIVE_UP_S = 2.0
LONGEST_NS = 10 * 366 * 86_400 * NS_PER_S
"""More than any run: a permit, like every number of the wire, is kept to what can be reckoned with."""


class Admission(Protocol):
    """What the session and the machine's owner say to a load, before anything of it is done."""

    async def admit(self, scenario: Scenario, seed: int, addresses: Sequence[Address]) -> None:
        """Raises InputError for what this agent may not load."""
        ...


class LoadCommands:
    """Owns the session's workers, what they record and how long they may go on."""

    def __init__(self, load: Load, limits: Limits, outbox: Outbox, admission: Admission) -> None:
        self._load = load
        self._limits = limits
        self._outbox = outbox
        self._admission = admission
        self.keeper = Keeper()
        self._order: LoadOrder | None = None
        self._start_ns = 0
        self._permit_ns: int | None = None
        self._playing: asyncio.Task[None] | None = None

    @property
    def loading(self) -> bool:
        """From a load's start until its workers have reported."""
        return self._playing is not None and not self._playing.done()

    @property
    def lapsed(self) -> bool:
        """A load is running that has been without a permit for a while."""
        if not self.loading or self._permit_ns is None:
            return False
        return time.monotonic_ns() > self._start_ns + self._permit_ns + LAPSED_NS

    async def prepare(self, order: pb.PrepareLoad) -> None:
        """Raises InputError for what may not be loaded, or no so fast; MeasurementError when a worker cannot."""
        await self._give_up()
        scenario, seed = scenario_from_json(order.scenario.scenario_json), order.scenario.seed
        addresses = {Arm(message.arm): address_from_wire(message) for message in order.addresses}
        await self._admission.admit(scenario, seed, list(addresses.values()))
        prepared = LoadOrder(
            scenario=scenario,
            seed=seed,
            target=target_from_json(order.target_json),
            addresses=addresses,
            segments=tuple(segment_from_wire(segment) for segment in order.segments),
            lanes=_check_lanes(order.lanes),
            agents=max(1, order.agents),
            connections=order.connections,
            epoch=order.epoch,
        )
        self._check(prepared)
        await self._load.prepare(prepared)
        self._order = prepared
        self._outbox.begin(order.epoch)
        self._start_ns, self._permit_ns = 0, None
        self.keeper.begin(_without_secrets(order, prepared.target.name))

    def start(self, order: pb.StartAt) -> None:
        """Raises InputError for a start that cannot be meant."""
        ahead_ns = order.monotonic_ns - time.monotonic_ns()
        if ahead_ns > LATEST_START_NS:
            raise InputError(
                f"a start in {ahead_ns / NS_PER_S:,.0f} s is too far ahead: is it on the clock of another machine?"
            )
        if self.loading:
            raise InputError("a load is running already in this session")
        self._start_ns = order.monotonic_ns
        self._permit_ns = min(order.permit_ns, LONGEST_NS) if order.HasField("permit_ns") else None
        self._playing = asyncio.ensure_future(self._play(self._order.epoch if self._order else 0))

    def permit(self, beat: pb.Heartbeat) -> None:
        """A heartbeat that belongs to another load permits nothing."""
        mine = self._order is not None and beat.epoch == self._order.epoch
        if mine and beat.HasField("permit_ns") and self._permit_ns is not None:
            self._permit_ns = max(self._permit_ns, min(beat.permit_ns, LONGEST_NS))
            self._load.permit(self._permit_ns)

    async def take_lanes(self, order: pb.TakeLanes) -> list[int]:
        """Lanes of an agent that was lost, within this one's own limits; since when each is sent. Raises InputError beyond
        those, MeasurementError where that load is not running any more."""
        mine = self._order
        if mine is None or not self.loading or order.epoch != mine.epoch:
            raise MeasurementError(f"load {order.epoch} is not running here: its lanes cannot be taken over")
        more = replace(mine, lanes=tuple(sorted({*mine.lanes, *_check_lanes(order.lanes)})))
        self._check(more)
        since = await self._load.take_lanes(tuple(order.lanes), max(0, min(order.from_ns, LONGEST_NS)))
        self._order = more
        return since

    def stop(self) -> None:
        """Ask for an early end; what was measured still comes."""
        self._load.stop()

    async def end(self, patience_s: float) -> None:
        """End it early and wait for what the workers still have, but not longer than that."""
        if self._playing is not None and not self._playing.done():
            self._load.stop()
            await asyncio.wait([self._playing], timeout=patience_s)

    async def close(self) -> None:
        """End the workers, whatever they do."""
        await self._cancel()
        await self._load.close()

    async def _give_up(self) -> None:
        """A load that nobody waits for any more."""
        await self.end(GIVE_UP_S)
        await self._cancel()

    async def _cancel(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    async def _play(self, epoch: int) -> None:
        def began(monotonic_ns: int) -> None:
            self._outbox.put(pb.Event(load_began=pb.LoadBegan(monotonic_ns=monotonic_ns, epoch=epoch)))

        def fell(fallen: Fallen) -> None:
            told = pb.WorkerFell(
                epoch=epoch, worker=fallen.worker, lanes=fallen.lanes, ended_ns=fallen.ended_ns, due=fallen.due
            )
            self._outbox.put(pb.Event(worker_fell=told))

        try:
            reports, steal = await self._load.run(self._start_ns, self._record, self._permit_ns, began, fell)
        except PerfgateError as error:
            self._outbox.put(pb.Event(failure=pb.Failure(kind=type(error).__name__, text=str(error))))
            return
        except Exception as error:  # a bug must reach the controller, not die with a task
            text = f"{type(error).__name__} in the agent during the load: {error}"
            self._outbox.put(pb.Event(failure=pb.Failure(kind="PerfgateError", text=text)))
            raise
        told = [report_to_wire(report) for report in reports]
        self.keeper.finish(told)
        finished = pb.LoadFinished(workers=told, steal_fraction=steal, epoch=epoch)
        self._outbox.put(pb.Event(load_finished=finished))

    def _record(self, interval: Interval) -> None:
        self._outbox.put_interval(interval)
        self.keeper.put(interval)

    def _check(self, order: LoadOrder) -> None:
        own = order.connections or order.scenario.connection.connections // order.agents
        self._limits.check_connections(max(1, own))
        self._limits.check_segments(order.segments)
        self._limits.check_rate(order.scenario, order.seed, order.lanes, order.segments)


def _check_lanes(lanes: Sequence[int]) -> tuple[int, ...]:
    wrong = [lane for lane in lanes if not 0 <= lane < LANES]
    if wrong:
        raise InputError(f"lane {wrong[0]} does not exist: is the controller another version?")
    return tuple(lanes)


def _without_secrets(order: pb.PrepareLoad, target: str) -> pb.PrepareLoad:
    """What is kept of it: of the target, which may hold passwords, a later reader needs nothing but the name."""
    kept = pb.PrepareLoad()
    kept.CopyFrom(order)
    kept.target_json = json.dumps({"name": target})
    return kept
