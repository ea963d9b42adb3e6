"""From fleet.toml to a FleetFile; every way of being wrong ends in one InputError."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from perfgate.address import Address
from perfgate.errors import InputError
from perfgate.fleet_file.model import FleetFile, FleetHost, HostRole
from perfgate.fleet_file.schema import FleetTables, HostTable
from perfgate.scenario.load import parse_toml, read_text
from perfgate.scenario.messages import explain
from perfgate.trust.table import tls_files

MOST_LOADING = 64
"""As many as a plan has lanes (perfgate.plan.LANES, which lies above this)."""


def load_fleet(path: str | Path) -> FleetFile:
    """Read and check it. Raises InputError naming file, line, field, value and remedy."""
    path = Path(path)
    text, origin = read_text(path), str(path)
    document = parse_toml(text, origin)
    try:
        checked = FleetTables.model_validate(document)
    except ValidationError as error:
        raise InputError(explain(error.errors(), FleetTables, document, origin, text)) from None
    hosts = tuple(_host(host, bool(checked.launcher), origin) for host in checked.hosts)
    _check_together(hosts, origin)
    return FleetFile(
        path=path,
        name=checked.name,
        hosts=hosts,
        tls=tls_files(path.parent, checked.tls, origin) if checked.tls else None,
        target=Address.parse(checked.target.address, f"{origin}: target.address") if checked.target else None,
        launcher=checked.launcher,
    )


def _host(table: HostTable, launched: bool, origin: str) -> FleetHost:
    if table.address is None and not (launched or table.launcher):
        raise InputError(
            f"{origin}: host {table.name!r} has neither an address nor a launcher; give address = "
            '"perf-1.example.org:7400", or a [launcher] table for perfgate fleet up'
        )
    if table.address is not None:
        _check_address(table.address, f"{origin}: address of host {table.name!r}")
    return FleetHost(
        name=table.name,
        address=table.address or "",
        roles=frozenset(HostRole(role) for role in table.roles),
        weight=table.weight,
        tls_name=table.tls_name or "",
        launcher=table.launcher,
    )


def _check_address(text: str, field: str) -> None:
    host, separator, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not separator or not bare or not port.isdigit() or not 0 < int(port) < 65536 or (":" in bare and bare == host):
        raise InputError(f"{field} = {text!r}: give HOST:PORT, as perf-1.example.org:7400 or [fd00::5]:7400")


def _check_together(hosts: Sequence[FleetHost], origin: str) -> None:
    """Names and addresses are the hosts' own; at most one starts stores, and one at least loads."""
    for what in ("name", "address"):
        seen: set[str] = set()
        for host in hosts:
            value = getattr(host, what)
            if value and value in seen:
                raise InputError(f"{origin}: two hosts have the {what} {value!r}; each agent is named once")
            seen.add(value)
    stores = [host.name for host in hosts if host.starts_stores]
    if len(stores) > 1:
        raise InputError(
            f"{origin}: {' and '.join(stores)} both have the role host; both builds of a gate run on one machine, so give "
            "one of them only load"
        )
    if (loading := sum(host.loads for host in hosts)) > MOST_LOADING:
        raise InputError(
            f"{origin}: {loading} hosts have the role load, but a plan has {MOST_LOADING} lanes to share among them, and whoever "
            f"has none has nothing to send; leave {loading - MOST_LOADING} of them out"
        )
    if not any(host.loads for host in hosts):
        raise InputError(f'{origin}: no host has the role load; write roles = ["load"] where requests are to come from')
