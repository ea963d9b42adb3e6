"""Agents with mutual TLS on loopback, and whoever may or may not speak to them. Certificates by perfgate's own authority."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

from cluster import write_target
from perfgate_agent.allowed import LOOPBACK, AllowedAddresses
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.limits import Limits
from perfgate_agent.serve import Serving, serving
from perfgate_controller.link import AgentLink

from perfgate.certs.authority import Authority, Party
from perfgate.errors import PerfgateError
from perfgate.targets.load import load_target
from perfgate.trust.files import TlsFiles
from perfgate.trust.role import Role


class Certified:
    """An authority with an agent, a controller and an observer."""

    def __init__(self, directory: Path, days_ago: int = 0, hosts: tuple[str, ...] = ("127.0.0.1", "localhost")) -> None:
        self.authority = Authority(directory, now=lambda: dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago))
        self.authority.make()
        self.agent = self.files(Party("perf-1", Role.AGENT, hosts))
        self.controller = self.files(Party("ci", Role.CONTROLLER))
        self.observer = self.files(Party("eye", Role.OBSERVER))

    def files(self, party: Party) -> TlsFiles:
        return TlsFiles.of_directory(self.authority.issue(party))


def configured(
    directory: Path, tls: TlsFiles | None, limits: Limits | None = None, allowed: AllowedAddresses = LOOPBACK,
    vectors: tuple[Path, ...] | None = (),
) -> AgentConfiguration:  # fmt: skip
    """As a file of settings would say it."""
    directory.mkdir(exist_ok=True)
    target = load_target(write_target(directory))
    return AgentConfiguration(
        name="perf-1", host="127.0.0.1", port=0, cache_dir=directory / "cache", work_dir=directory / "work", workers=1,
        targets={target.name: target}, tls=tls, allowed=allowed, vector_directories=vectors, limits=limits or Limits(),
    )  # fmt: skip


@contextlib.asynccontextmanager
async def serving_agent(configuration: AgentConfiguration) -> AsyncIterator[tuple[str, Serving]]:
    """Its address and itself, in this process."""
    async with serving(configuration) as agent:
        yield f"127.0.0.1:{agent.port}", agent


PATIENCE_S = 60.0
"""Of a controller that expects to be served, on a machine that is busy."""


async def refusal(address: str, tls: TlsFiles | None, seconds: float = 1.0) -> str:
    """What a controller hears that tries to hold the agent; empty when it gets it."""
    link = AgentLink(address, tls)
    link.dial_s = seconds
    try:
        await link.open("somebody", "run")
    except PerfgateError as error:
        return str(error)
    finally:
        await link.close()
    return ""
