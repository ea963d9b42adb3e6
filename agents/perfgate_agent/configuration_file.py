"""agent.toml: what the owner of a machine lets its agent do."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from perfgate.errors import InputError
from perfgate.scenario.load import parse_toml, read_text
from perfgate.scenario.messages import explain
from perfgate.scenario.tables import MAX_SECONDS, Table
from perfgate.targets.load import load_target
from perfgate.targets.model import Target
from perfgate.trust.table import tls_files
from perfgate.units import seconds_to_ns
from perfgate_agent.allowed import LOOPBACK, AllowedAddresses
from perfgate_agent.configuration import AgentConfiguration, check_cpus, divide_cpus
from perfgate_agent.limits import Limits
from perfgate_agent.ports import free_ports
from perfgate_agent.store_user import find_user

MIB = 1 << 20
Cpus = Annotated[list[int], Field(examples=[[2, 3]])]
Text = Annotated[str, Field(min_length=1)]


class Listen(Table):
    """port: 0 takes a free one. drain_seconds: how long a session may go on after SIGTERM."""

    host: str = Field(default="127.0.0.1", min_length=1, examples=["10.0.0.5"])
    port: int = Field(default=7400, ge=0, le=65535, examples=[7400])
    drain_seconds: float = Field(default=600.0, ge=0, le=86_400, examples=[600])


class Tls(Table):
    """directory: as `perfgate certs` lays it out; files that are given come before those in it."""

    directory: Text | None = Field(default=None, examples=["/etc/perfgate/certs"])
    ca_file: Text | None = Field(default=None, examples=["/etc/perfgate/certs/ca.pem"])
    cert_file: Text | None = Field(default=None, examples=["/etc/perfgate/certs/cert.pem"])
    key_file: Text | None = Field(default=None, examples=["/etc/perfgate/certs/key.pem"])


class HostSkill(Table):
    """targets: files of what may be started here. programs: None for any that these name. listen: one address of this
    machine; None for loopback. user: as whom stores run; None for the agent's own, any other needs an agent of root's."""

    targets: list[Text] = Field(default=[], examples=[["/etc/perfgate/targets/mystore.toml"]])
    programs: list[Text] | None = Field(default=None, examples=[["/usr/local/bin/mystore"]])
    listen: Text | None = Field(default=None, examples=["10.0.0.5"])
    user: Text | None = Field(default=None, examples=["mystore"])


class LoadSkill(Table):
    """addresses: None for loopback alone. vector_directories: below which scenarios may name files of vectors."""

    addresses: list[Text] | None = Field(default=None, examples=[["127.0.0.0/8", "10.0.0.0/8:7432"]])
    vector_directories: list[Text] = Field(default=[], examples=[["/srv/vectors"]])


class LimitsTable(Table):
    """None for no limit. rate: requests a second of this agent, in the plan's fastest second. connections: of one run to
    one store. memory_mb: MiB of data of each process, stores included (RLIMIT_DATA). run_seconds: of one load. processes:
    stores alive at once. message_mb: MiB of one message. streams: calls at once. clients: controllers' connections."""

    rate: float | None = Field(default=None, gt=0, examples=[20_000])
    connections: int | None = Field(default=None, ge=1, examples=[512])
    memory_mb: int | None = Field(default=None, ge=512, examples=[4096])
    run_seconds: float = Field(default=86_400.0, gt=0, le=MAX_SECONDS, examples=[3600])
    processes: int = Field(default=16, ge=1, le=1024, examples=[4])
    message_mb: int = Field(default=16, ge=1, le=256, examples=[16])
    streams: int = Field(default=64, ge=2, le=10_000, examples=[64])
    clients: int = Field(default=64, ge=1, le=10_000, examples=[64])


class AgentFile(Table):
    """Paths are seen from the file's own directory."""

    name: str | None = Field(default=None, min_length=1, max_length=100, examples=["perf-1"])
    workers: int = Field(default=1, ge=1, le=64, examples=[1])
    worker_cpus: Cpus | None = None
    store_cpus: Cpus | None = None
    work_dir: str = Field(min_length=1, examples=["/var/lib/perfgate/work"])
    cache_dir: str = Field(min_length=1, examples=["/var/cache/perfgate"])
    listen: Listen = Listen()
    tls: Tls | None = None
    host: HostSkill = HostSkill()
    load: LoadSkill = LoadSkill()
    limits: LimitsTable = LimitsTable()


def load_configuration(path: Path) -> AgentConfiguration:
    """Read and check it. Raises InputError naming file, line, field, value and remedy."""
    text, origin = read_text(path), str(path)
    _owned(path)
    document = parse_toml(text, origin)
    try:
        checked = AgentFile.model_validate(document)
    except ValidationError as error:
        raise InputError(explain(error.errors(), AgentFile, document, origin, text)) from None
    directory = path.parent
    worker_cpus, store_cpus = divide_cpus(checked.workers)
    addresses = checked.load.addresses
    return AgentConfiguration(
        name=checked.name or socket.gethostname(),
        host=checked.listen.host,
        port=checked.listen.port,
        cache_dir=_absolute(directory, checked.cache_dir),
        work_dir=_absolute(directory, checked.work_dir),
        workers=checked.workers,
        worker_cpus=check_cpus(checked.worker_cpus, "worker_cpus", worker_cpus),
        store_cpus=check_cpus(checked.store_cpus, "store_cpus", store_cpus),
        targets=_targets(directory, checked.host),
        tls=tls_files(directory, checked.tls, origin) if checked.tls else None,
        allowed=LOOPBACK if addresses is None else AllowedAddresses.parse(addresses, f"{origin}: load.addresses"),
        vector_directories=tuple(_absolute(directory, one) for one in checked.load.vector_directories),
        limits=_limits(checked.limits),
        drain_ns=seconds_to_ns(checked.listen.drain_seconds),
        stores_listen=_stores_listen(checked.host.listen, origin),
        store_user=None if checked.host.user is None else find_user(checked.host.user, f"{origin}: host.user"),
    )


def _owned(path: Path) -> None:
    """Whoever may write this file may start programs as the agent."""
    if path.stat().st_mode & 0o002:
        raise InputError(f"{path}: everybody may write it, and so say what this agent starts; chmod o-w {path}")


def _targets(directory: Path, host: HostSkill) -> dict[str, Target]:
    targets = {}
    for written in host.targets:
        path = _absolute(directory, written)
        target = load_target(path)
        _owned(path)
        if target.name in targets:
            raise InputError(f"host.targets: two files have the name {target.name!r}; rename one")
        _check_program(target, host.programs, path)
        targets[target.name] = target
    return targets


def _check_program(target: Target, programs: list[str] | None, path: Path) -> None:
    """Raises InputError for a target whose program is none of those that are listed, where there is a list."""
    if target.host is None or programs is None:
        return
    program = target.host.command[0]
    if program not in programs:
        raise InputError(
            f"{path}: [host] command starts {program!r}, which is none of host.programs ({', '.join(programs)}); add it there "
            "if it may be started here"
        )


def _stores_listen(listen: str | None, origin: str) -> str:
    """One address that other machines can dial. Raises InputError for what is none, or is not this machine's."""
    if listen is None:
        return ""
    try:
        address = ipaddress.ip_address(listen)
        if address.is_unspecified or address.is_multicast:
            raise ValueError
    except ValueError:
        raise InputError(
            f"{origin}: host.listen = {listen!r} must be one address of this machine that load agents can dial, as 10.0.0.5"
        ) from None
    try:
        free_ports(1, listen)
    except OSError as error:
        raise InputError(
            f"{origin}: host.listen = {listen!r} is no address of this machine: {error.strerror}"
        ) from error
    return listen


def _limits(table: LimitsTable) -> Limits:
    return Limits(
        rate=table.rate,
        connections=table.connections,
        memory_bytes=None if table.memory_mb is None else table.memory_mb * MIB,
        run_ns=seconds_to_ns(table.run_seconds),
        processes=table.processes,
        message_bytes=table.message_mb * MIB,
        streams=table.streams,
        clients=table.clients,
    )


def _absolute(directory: Path, written: str) -> Path:
    return Path(os.path.abspath(directory / Path(written).expanduser()))
