"""What an agent's machine has and does just now, and how far it is to stores that it may load."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from perfgate.address import Address
from perfgate.errors import InputError
from perfgate.wire.convert import address_from_wire
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate_agent.configuration import AgentConfiguration

LISTEN_S = 0.5
TARGETS_MOST = 8
ATTEMPTS = 5
CONNECT_S = 1.0
Ticks = tuple[int, int, int]
"""(busy, stolen, all) since boot."""


async def examine(configuration: AgentConfiguration, request: pb.ExamineRequest) -> pb.Examination:
    """Connects to what the configuration allows, a few times; half a second for the rest."""
    before = _ticks()
    targets = [address_from_wire(one) for one in list(request.targets)[:TARGETS_MOST]]
    distances = await asyncio.gather(*(_distance(configuration, one) for one in targets), asyncio.sleep(LISTEN_S))
    busy, stolen = _shares(before, _ticks())
    return pb.Examination(
        cores=len(os.sched_getaffinity(0)),
        load_1m=os.getloadavg()[0],
        busy_share=busy,
        steal_share=stolen,
        free_ports=_free_ports(),
        memory_bytes=_available_memory(),
        disk_bytes=_free_disk(configuration.work_dir),
        targets=[one for one in distances if isinstance(one, pb.Distance)],
        stores_listen=configuration.stores_listen,
    )


async def _distance(configuration: AgentConfiguration, address: Address) -> pb.Distance:
    """One connection after the other, each closed at once."""
    took: list[int] = []
    try:
        configuration.check_address(address)
        for _ in range(ATTEMPTS):
            took.append(await _connect(address))
    except InputError as error:
        return pb.Distance(problem=str(error))
    except (OSError, TimeoutError) as error:
        return pb.Distance(problem=f"{address} takes no connection: {getattr(error, 'strerror', '') or 'no answer'}")
    return pb.Distance(least_ns=min(took), median_ns=round(statistics.median(took)))


async def _connect(address: Address) -> int:
    began = time.monotonic_ns()
    async with asyncio.timeout(CONNECT_S):
        if address.path:
            _, writer = await asyncio.open_unix_connection(address.path)
        else:
            _, writer = await asyncio.open_connection(address.host, address.port)
    took = time.monotonic_ns() - began
    writer.close()
    return took


def _ticks() -> Ticks:
    """user, nice, system, idle, iowait, irq, softirq, steal of the first line of /proc/stat; zeros without it."""
    try:
        with open("/proc/stat") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return 0, 0, 0
    return sum(fields) - fields[3] - fields[4], fields[7] if len(fields) > 7 else 0, sum(fields)


def _shares(before: Ticks, after: Ticks) -> tuple[float, float]:
    busy, stolen, passed = (later - earlier for earlier, later in zip(before, after, strict=True))
    return (busy / passed, stolen / passed) if passed > 0 else (0.0, 0.0)


def _free_ports() -> int:
    """Of the ports that connections are made from, those that no socket has (Linux, /proc); 0 where that is not known."""
    try:
        low, high = (int(part) for part in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
        taken: set[int] = set()
        for table in ("tcp", "tcp6"):
            lines = _lines(Path(f"/proc/net/{table}"))
            taken.update(int(line.split()[1].rpartition(":")[2], 16) for line in lines)
    except (OSError, ValueError, IndexError):
        return 0
    return high - low + 1 - sum(low <= port <= high for port in taken)


def _lines(path: Path) -> Sequence[str]:
    return path.read_text().splitlines()[1:] if path.exists() else []


def _available_memory() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def _free_disk(directory: Path) -> int:
    """Of the nearest directory above that is there."""
    for place in (directory, *directory.parents):
        if place.exists():
            return shutil.disk_usage(place).free
    return 0
