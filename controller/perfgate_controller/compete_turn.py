"""A store's turn in a round, in one piece: a fresh process, warmed up, measured at each value of its search parameter, and
ended. For stores that cannot be paused; the others alternate in slices (compete_slices.py)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from perfgate.compete.contender import Contender
from perfgate.compete.model import Turn
from perfgate.compete.rotation import shuffled
from perfgate.errors import FleetError, TargetError
from perfgate_controller.compete_load import CompeteLoad
from perfgate_controller.compete_request import CompeteRequest
from perfgate_controller.compete_watch import watching
from perfgate_controller.fleet import Fleet
from perfgate_controller.link import Running


class TurnPlayer:
    """Plays one turn after the other; nothing of a store is left when `play` returns."""

    def __init__(self, request: CompeteRequest, fleet: Fleet, load: CompeteLoad) -> None:
        self._request = request
        self._fleet = fleet
        self._load = load
        self._running = 0
        self.other: list[float] = []

    async def play(self, round_number: int, store: int, place: int, rate_value: int | None) -> Turn:
        """rate_value: the value at which throughput is searched after the latencies; None: it is not. Raises TargetError for
        a store that does not start, or ends, or serves other data; FleetError when the agent is lost."""
        contender = self._request.contenders[store]
        self._load.begin()
        order = shuffled(len(contender.targets), self._request.seed, round_number, store)
        if not contender.anew:
            return await self._serve(round_number, store, place, order, rate_value)
        turns = []
        for slot, value in enumerate(order):
            asked = rate_value if rate_value == value else None
            turns.append(await self._serve(round_number, store, place, [value], asked, slot))
        return _joined(turns)

    async def _serve(
        self, round_number: int, store: int, place: int, order: Sequence[int], rate_value: int | None, slot: int = 0
    ) -> Turn:
        """One process, at these values of its search parameter."""
        contender, policy, load = self._request.contenders[store], self._request.policy, self._load
        start_ns, length_ns = self._round_start(round_number), policy.settle_ns + policy.measured_ns
        async with self._process(contender, order[0]) as running, watching(running.pid) as watch:
            windows, warm = await load.warm_up(contender.targets[order[0]], running.address, start_ns)
            readings = []
            for step, value in enumerate(order):
                begin_ns = start_ns + policy.warmup_most_ns + (slot + step) * length_ns
                heard = await load.play(
                    self._request.scenario, contender.targets[value], running.address, begin_ns, policy.settle_ns,
                    policy.measured_ns,
                )  # fmt: skip
                readings.append(load.reading(value, [heard]))
            rate = None
            if rate_value is not None and rate_value in order:
                rate = await load.rate(contender.targets[rate_value], running.address)
        if watch.other is not None:
            self.other.append(watch.other)
        return Turn(
            round_number, store, place, tuple(sorted(readings, key=lambda one: one.value)), running.start_ns,
            windows * policy.warmup_ns, warm, running.cpus, watch.peak_bytes, rate,
            self._request.scenario.connection.connections,
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def _process(self, contender: Contender, value: int) -> AsyncIterator[Running]:
        """The only store that runs, for as long as the block does."""
        request, host = self._request, self._fleet.host
        if self._running:
            raise FleetError("another store is still running; please report this")
        launched = await host.launch(contender.started_as(value), ["default"], request.scenario, request.seed)
        self._running += 1
        died: list[str] = []
        host.on_exit = lambda handle, status, output: died.append(f"status {status}; its last words: {output.strip()}")
        try:
            yield launched[0]
        finally:
            host.on_exit = lambda handle, status, output: None
            with contextlib.suppress(TargetError):
                await host.terminate(launched[0].handle)
            self._running -= 1
        if died:
            raise TargetError(f"{contender.store.label} ended in the middle of its turn with {died[0]}")

    def _round_start(self, round_number: int) -> int:
        """Where its windows of the plan begin: the same ones for every store."""
        policy = self._request.policy
        most = max(len(one.targets) for one in self._request.contenders)
        return round_number * (policy.warmup_most_ns + most * (policy.settle_ns + policy.measured_ns))


def _joined(turns: Sequence[Turn]) -> Turn:
    """Of several processes, one a value."""
    peaks = [turn.peak_bytes for turn in turns if turn.peak_bytes is not None]
    return replace(
        turns[0],
        readings=tuple(sorted((one for turn in turns for one in turn.readings), key=lambda one: one.value)),
        warm=all(turn.warm for turn in turns),
        warmup_ns=sum(turn.warmup_ns for turn in turns),
        peak_bytes=max(peaks) if len(peaks) == len(turns) else None,
        rate=next((turn.rate for turn in turns if turn.rate is not None), None),
    )
