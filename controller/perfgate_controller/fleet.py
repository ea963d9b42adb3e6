"""The agents of one run, as one: the same scenario on all, lanes shared, a common start, one stream of intervals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from perfgate.address import Address
from perfgate.interval import Interval
from perfgate.plan import LANES, share_lanes
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment
from perfgate.targets.model import Target
from perfgate.trust.files import TlsFiles
from perfgate.units import NS_PER_MS
from perfgate_controller.link import AgentLink, LoadResult

T = TypeVar("T")

START_DELAY_NS = 150 * NS_PER_MS
"""From the last agent's being ready to the common start: time for the order to arrive everywhere."""


class Fleet:
    """links[0] has the host skill; all of them load."""

    def __init__(self, links: Sequence[AgentLink]) -> None:
        self.links = tuple(links)

    @property
    def host(self) -> AgentLink:
        return self.links[0]

    @property
    def environment(self) -> dict[str, object]:
        return {link.name: link.environment for link in self.links}

    def on_interval(self, handler: Callable[[Interval], None]) -> None:
        for link in self.links:
            link.on_interval = handler

    def on_progress(self, handler: Callable[[str, float], None]) -> None:
        for link in self.links:
            link.on_progress = handler

    async def prepare_data(self, scenario: Scenario, seed: int) -> None:
        """On all agents side by side. Agents of one machine share its cache, so the first one goes ahead."""
        await self.host.prepare_data(scenario, seed)
        await _all(link.prepare_data(scenario, seed) for link in self.links[1:])

    async def load(
        self, scenario: Scenario, seed: int, target: Target,
        addresses: Mapping[Arm, Address], segments: Sequence[Segment],
    ) -> list[LoadResult]:  # fmt: skip
        """Prepare on all agents, start together, wait for the end. Cancelling it ends the load; what was measured
        until then still arrives. Raises FleetError when an agent is lost."""
        shares = share_lanes(LANES, [link.workers for link in self.links])
        await _all(
            link.prepare_load(scenario, seed, target, dict(addresses), segments, lanes, len(self.links))
            for link, lanes in zip(self.links, shares, strict=True)
        )
        start_ns = time.monotonic_ns() + START_DELAY_NS
        await _all(link.start_at(start_ns) for link in self.links)
        try:
            return await _all(link.finished() for link in self.links)
        except BaseException:
            await asyncio.shield(self._end_load())
            raise

    async def _end_load(self) -> None:
        """Nobody goes on when one has failed; late results are waited for, but not long."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2.5):
                await asyncio.gather(*(link.stop_load() for link in self.links), return_exceptions=True)
                await asyncio.gather(*(link.finished() for link in self.links), return_exceptions=True)


@contextlib.asynccontextmanager
async def dial(addresses: Sequence[str], run: str, tls: TlsFiles | None = None) -> AsyncIterator[Fleet]:
    """Sessions with all agents, or none. Raises FleetError naming the agent that cannot take part; InputError for one that
    is not on this machine, without TLS."""
    controller = f"{os.environ.get('USER', 'controller')}@{socket.gethostname()} pid {os.getpid()}"
    links = [AgentLink(address, tls) for address in addresses]
    try:
        await _all(link.open(controller, run) for link in links)
        yield Fleet(links)
    finally:
        await asyncio.shield(asyncio.gather(*(link.close() for link in links), return_exceptions=True))


async def _all(work: Iterable[Awaitable[T]]) -> list[T]:
    """Side by side; the first failure is raised bare, without waiting for the rest."""
    return list(await asyncio.gather(*work))
