"""The agents of one run, as one: the same scenario on all, lanes shared, a common start, one stream of intervals."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from perfgate.address import Address
from perfgate.errors import FleetError
from perfgate.interval import Interval
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment
from perfgate.targets.model import Target
from perfgate.trust.files import TlsFiles
from perfgate.units import NS_PER_S
from perfgate_controller.fleet_story import FleetStory, Loss
from perfgate_controller.link import AgentLink, Holder, LoadResult
from perfgate_controller.member import ALONE, SHARED, Member, Patience, as_members, too_many
from perfgate_controller.shared_load import LoadOrder, SharedLoad, at_once


class Fleet:
    """links[0] starts the stores; those that load are `loaders`, as long as they are not lost."""

    def __init__(self, links: Sequence[AgentLink], run_id: str = "") -> None:
        self.links = tuple(links)
        self.run_id = run_id
        self.story = FleetStory()
        self.epoch = 0
        """Number of the newest load."""

    @property
    def host(self) -> AgentLink:
        return self.links[0]

    @property
    def loaders(self) -> list[AgentLink]:
        """A lost agent takes part no more, even if it comes back: nobody dials it again."""
        return [link for link in self.links if link.member.loads and link.lost is None]

    @property
    def environment(self) -> dict[str, object]:
        """By agent's name, what it says of its machine."""
        return {link.name: link.environment for link in self.links}

    def on_interval(self, handler: Callable[[Interval], None]) -> None:
        """From now on `handler`, in place of the one before, is called with each interval of every agent as it comes
        in."""
        for link in self.links:
            link.on_interval = handler

    def on_progress(self, handler: Callable[[str, float], None]) -> None:
        """`handler` is called with a phase's name and the share of it that is done (0 to 1)."""
        for link in self.links:
            link.on_progress = handler

    async def prepare_data(self, scenario: Scenario, seed: int) -> None:
        """On all agents side by side. Agents of one machine share its cache, so the first one goes ahead."""
        await self.host.prepare_data(scenario, seed)
        await at_once(link.prepare_data(scenario, seed) for link in self.links[1:] if link.lost is None)

    async def load(
        self, scenario: Scenario, seed: int, target: Target,
        addresses: Mapping[Arm, Address], segments: Sequence[Segment],
    ) -> list[LoadResult]:  # fmt: skip
        """Prepare on all agents, start together, wait for the end; what is lost on the way is taken over by the others and
        told to `story`. Cancelling it ends the load; what was measured until then still arrives. Raises FleetError when an
        agent is lost and nobody can take over, or the store went with it."""
        _check_reach(self.loaders, self.host, addresses.values())
        shared = await self._prepared(LoadOrder(scenario, seed, target, addresses, tuple(segments), 0))
        load = asyncio.ensure_future(shared.run())
        apart = None if self.host.member.loads else asyncio.ensure_future(self.host.ended())
        try:
            waited: set[asyncio.Future[Any]] = {load, *([apart] if apart else [])}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if apart is not None and apart.done() and not load.done():
                raise apart.result()
            return await load
        finally:
            if apart is not None:
                apart.cancel()
            if not load.done():
                load.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await load

    async def _prepared(self, order: LoadOrder) -> SharedLoad:
        """On all that are there. Whoever is lost before the start has sent nothing of this load: the others prepare anew."""
        while True:
            self.epoch += 1
            loaders = self._still_here()
            shared = SharedLoad(loaders, dataclasses.replace(order, epoch=self.epoch), self.story)
            try:
                await shared.prepare()
                return shared
            except FleetError:
                if self.host.lost is not None or all(link.lost is None for link in loaders):
                    raise

    def _still_here(self) -> list[AgentLink]:
        """Those that load, after it has been told who is lost since the last load. Raises FleetError where nobody is left."""
        known = {loss.who for loss in self.story.losses}
        for link in self.links:
            if link.member.loads and link.lost is not None and link.name not in known:
                self.story.losses.append(Loss(self.epoch, link.name, str(link.lost), 0, 0, (), {}, None, 0))
                self.story.tell(str(self.story.losses[-1]))
        if self.host.lost is not None:
            raise self.host.lost
        if not (loaders := self.loaders):
            raise FleetError("all agents that load were lost")
        return loaders


def _check_reach(loaders: Sequence[AgentLink], host: AgentLink, addresses: Iterable[Address]) -> None:
    """Raises FleetError where the host's store listens on loopback and another machine is to load it."""
    if not host.stores:
        return
    for address in addresses:
        away = [link for link in loaders if link.machine and host.machine and link.machine != host.machine]
        if address.local and away:
            raise FleetError(
                f"agent {away[0].name} cannot load the store on {address}: that is loopback of agent {host.name}'s machine; "
                "give [host] listen in the agent.toml there, and {host} in the target file's command"
            )


@contextlib.asynccontextmanager
async def dial(
    agents: Sequence[str | Member], run: str, tls: TlsFiles | None = None, *, wait_s: float = 0.0,
    queued: Callable[[Holder, int], None] | None = None, patience: Patience | None = None,
) -> AsyncIterator[Fleet]:  # fmt: skip
    """Sessions with all agents, or none. wait_s: how long to queue for those that are taken; queued: told whom one waits for.
    patience: with those that fall silent; default: by how many load. Raises FleetError naming the agent that cannot take
    part; InputError for one that is not on this machine, without TLS.

    Agents are taken one after the other, in the order of what they call their own process: whoever wants some of the same
    takes those in the same order, so that no two controllers ever wait for each other."""
    members, run_id = as_members(agents), secrets.token_hex(8)
    controller = f"{os.environ.get('USER', 'controller')}@{socket.gethostname()} pid {os.getpid()}"
    usual = SHARED if sum(member.loads for member in members) > 1 else ALONE
    links = [AgentLink(member, tls, patience or usual) for member in members]
    ends_ns = time.monotonic_ns() + round(wait_s * NS_PER_S)
    try:
        await at_once(link.describe() for link in links)
        _check_apart(links)
        if text := too_many({link.name: link.workers for link in links if link.member.loads}):
            raise FleetError(text)
        for link in sorted(links, key=lambda one: one.instance):
            left_s = max(0.0, (ends_ns - time.monotonic_ns()) / NS_PER_S) if wait_s else 0.0
            await link.hold(controller, run, run_id, left_s, queued)
        yield Fleet(links, run_id)
    finally:
        await asyncio.shield(asyncio.gather(*(link.close() for link in links), return_exceptions=True))


def _check_apart(links: Sequence[AgentLink]) -> None:
    """Raises FleetError for one agent under two addresses, and for two under one name: their workers could not be told
    apart."""
    for place, link in enumerate(links):
        for other in links[:place]:
            if link.instance and link.instance == other.instance:
                raise FleetError(f"{other.address} and {link.address} are one agent, {link.name}; name it once")
            if link.name == other.name:
                raise FleetError(
                    f"the agents at {other.address} and {link.address} both call themselves {link.name}; give each a name of "
                    "its own (--name, or name in agent.toml)"
                )
