"""A round in slices: a fresh process of every store, all of them there but one alone running. Bursts of noise on the host last
for seconds; stores that take turns of seconds meet different ones, and slices that alternate meet the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from perfgate.address import Address
from perfgate.compete.contender import Contender
from perfgate.compete.model import Reading, Turn
from perfgate.compete.slices import Step, group_of, passes_of, steps
from perfgate.errors import TargetError
from perfgate.operation import Operation
from perfgate.plan import Plan
from perfgate_controller.compete_load import CompeteLoad, Heard, quantiles_of
from perfgate_controller.compete_request import CompeteRequest
from perfgate_controller.compete_watch import Watch, watching
from perfgate_controller.fleet import Fleet
from perfgate_controller.link import Running
from perfgate_controller.store_tree import CannotPause, StoreTree, room_left

LEAST_ROOM = 0.05
"""Of the machine's memory, with all stores in it: with less, a paused one may be written to the disk, and be slow when it goes
on."""


@dataclass(slots=True)
class Seat:
    """A store's process in a round, and what was heard of it: by value and pass, None where that says nothing. alone: whether
    all others stood still whenever it was measured."""

    contender: Contender
    running: Running
    tree: StoreTree
    watch: Watch
    heard: dict[tuple[int, int], Heard | None] = field(default_factory=dict)
    windows: int = 0
    warm: bool = False
    alone: bool = True
    dropped: int = 0
    rate: float | None = None


class SlicePlayer:
    """Plays one round after the other; nothing of any store is left when `play` returns."""

    def __init__(
        self, request: CompeteRequest, fleet: Fleet, load: CompeteLoad, tree: Callable[[int, str, Address], StoreTree]
    ) -> None:
        self._request = request
        self._fleet = fleet
        self._load = load
        self._tree = tree
        self._passes = passes_of(request.policy.measured_ns, self.slice_ns)
        self._rate = Plan(request.scenario, request.seed).mean_rate
        self._died: dict[int, str] = {}
        self.other: list[float] = []

    @property
    def slice_ns(self) -> int:
        """Of the policy, but no longer than what is measured of a value."""
        return min(self._request.policy.slice_ns, self._request.policy.measured_ns)

    async def play(self, round_number: int, order: Sequence[int], rate_values: Sequence[int]) -> list[Turn]:
        """order: in which stores are started and warmed up. rate_values: of each store, the value at which throughput is
        searched after the latencies; empty: it is not. Raises CannotPause for a store that cannot be stopped, TargetError for
        one that does not start, or ends, or serves other data; FleetError when the agent is lost."""
        request = self._request
        self._load.begin()
        async with self._seated(round_number, order) as seats:
            counts = [len(one.targets) for one in request.contenders]
            for step in steps(counts, self._passes, request.seed, round_number):
                await self._step(round_number, step, seats)
            for store in order if rate_values else ():
                async with self._only(store, seats) as seat:
                    value = rate_values[store]
                    seat.rate = await self._load.rate(seat.contender.targets[value], seat.running.address)
        known = [seat.watch.other for seat in seats.values() if seat.watch.other is not None]
        self.other += known[:1]  # they watched the same
        return [self._turn(round_number, store, place, seats[store]) for place, store in enumerate(order)]

    @contextlib.asynccontextmanager
    async def _seated(self, round_number: int, order: Sequence[int]) -> AsyncIterator[dict[int, Seat]]:
        """Every store started, warmed up and stopped, one after the other; all of them ended with the block."""
        host, seats = self._fleet.host, dict[int, Seat]()
        self._died.clear()
        host.on_exit = lambda handle, status, output: self._died.update(
            {handle: f"status {status}; its last words: {output.strip()}"}
        )
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(setattr, host, "on_exit", lambda handle, status, output: None)
            for store in order:
                seats[store] = seat = await self._start(store, stack)
                targets, address = seat.contender.targets, seat.running.address
                start_ns = self._round_start(round_number)
                seat.windows, seat.warm = await self._load.warm_up(targets[0], address, start_ns)
                await seat.tree.pause()
            if (left := room_left()) is not None and left < LEAST_ROOM:
                raise CannotPause(f"only {100 * left:.0f} % of the memory is left beside all stores")
            try:
                yield seats
            except Exception:
                self._tell_dead(seats)  # which is why it failed
                raise
            self._tell_dead(seats)

    async def _start(self, store: int, stack: contextlib.AsyncExitStack) -> Seat:
        request, host = self._request, self._fleet.host
        contender = request.contenders[store]
        (running,) = await host.launch(contender.started_as(0), ["default"], request.scenario, request.seed)
        tree = self._tree(running.pid, contender.store.label, running.address)
        stack.push_async_callback(self._terminate, running.handle)
        stack.callback(tree.resume)
        await asyncio.to_thread(tree.check)
        return Seat(contender, running, tree, await stack.enter_async_context(watching(running.pid)))

    async def _terminate(self, handle: int) -> None:
        with contextlib.suppress(TargetError):
            await self._fleet.host.terminate(handle)

    def _tell_dead(self, seats: Mapping[int, Seat]) -> None:
        for seat in seats.values():
            if (how := self._died.get(seat.running.handle)) is not None:
                raise TargetError(f"{seat.contender.store.label} ended in the middle of its round with {how}")

    async def _step(self, round_number: int, step: Step, seats: Mapping[int, Seat]) -> None:
        """One window of the plan, store after store. What the generator spoilt for one counts for none of them."""
        policy = self._request.policy
        start_ns = self._round_start(round_number) + policy.warmup_most_ns + step.window * self._length_ns
        came: dict[int, Heard] = {}
        for store in step.stores:
            async with self._only(store, seats) as seat:
                came[store] = await self._load.play(
                    self._request.scenario, seat.contender.targets[step.value], seat.running.address, start_ns,
                    policy.slice_settle_ns, self.slice_ns,
                )  # fmt: skip
        spoilt = any(one.fault and not one.blame for one in came.values())
        for store, one in came.items():
            seats[store].heard[step.value, step.number] = None if spoilt else one
            seats[store].dropped += spoilt

    @contextlib.asynccontextmanager
    async def _only(self, store: int, seats: Mapping[int, Seat]) -> AsyncIterator[Seat]:
        """This one runs, and nothing of any other: checked before and after, by state and by processor time used."""
        self._tell_dead(seats)
        seat, others = seats[store], [one.tree for number, one in seats.items() if number != store]
        before = [one.rest() for one in others]
        seat.tree.resume()
        yield seat
        await seat.tree.pause()
        after = [one.rest() for one in others]
        seat.alone &= before == after and all(rest.stopped for rest in before)
        self._tell_dead(seats)

    @property
    def _length_ns(self) -> int:
        return self._request.policy.slice_settle_ns + self.slice_ns

    def _round_start(self, round_number: int) -> int:
        """Where its windows of the plan begin: the same ones for every store."""
        most = max(len(one.targets) for one in self._request.contenders)
        return round_number * (self._request.policy.warmup_most_ns + self._passes * most * self._length_ns)

    def _turn(self, round_number: int, store: int, place: int, seat: Seat) -> Turn:
        readings = tuple(self._reading(value, seat) for value in range(len(seat.contender.targets)))
        return Turn(
            round_number, store, place, readings, seat.running.start_ns, seat.windows * self._request.policy.warmup_ns,
            seat.warm, seat.running.cpus, seat.watch.peak_bytes, seat.rate, self._request.scenario.connection.connections,
            seat.alone, self._passes * len(readings), seat.dropped,
        )  # fmt: skip

    def _reading(self, value: int, seat: Seat) -> Reading:
        heard = [seat.heard.get((value, number)) for number in range(self._passes)]
        there = [one for one in heard if one is not None]
        if 2 * len(there) < self._passes:
            return Reading(value, {}, "the load generator spoilt most slices")
        reading = self._load.reading(value, there)
        operations = {
            name: replace(part, groups=self._groups(name, heard)) for name, part in reading.operations.items()
        }
        return replace(reading, operations=operations)

    def _groups(
        self, operation: Operation, heard: Sequence[Heard | None]
    ) -> tuple[tuple[float, float, float] | None, ...]:
        weights = self._request.scenario.weights
        requests = self._rate * weights[operation] / sum(weights.values()) * self.slice_ns / 1e9
        groups = group_of(self._passes, requests, self._request.policy.group_requests)
        return tuple(
            quantiles_of(
                one.interval.operations[operation]
                for one, of in zip(heard, groups, strict=True)
                if of == group and one is not None and operation in one.interval.operations
            )
            for group in range(groups[-1] + 1)
        )
