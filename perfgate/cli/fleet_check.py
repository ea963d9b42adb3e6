"""`perfgate fleet check`: reach every agent of a fleet file, and say who would spoil a run."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfgate_controller.fleet_check import AgentState, FleetState

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate fleet check fleet.toml
  perfgate fleet check fleet.toml --url http://10.0.0.5:7432     # and how far it is from each agent to this store
  perfgate fleet check fleet.toml --json | jq .fit

Takes no lease and starts nothing: it may be asked while somebody measures. Each agent is asked for half a second what its
machine does; agents that load connect to the target a few times, if their own configuration allows it.

exit codes: 0 nobody would spoil a run, 3 somebody would, or cannot be reached"""


def add_parser(actions: Subparsers) -> None:
    parser = actions.add_parser(
        "check", help="reach every agent, and say who would spoil a run",
        description="Versions, clocks, cores, load, ports and distances of every agent, and who would spoil a run.",
        epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("file", type=Path, metavar="FILE", help="the fleet file (TOML)")
    parser.add_argument(
        "--url", action="append", default=[], metavar="URL",
        help="a store, as the agents see it; may be given several times (default: [target] of the file)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="everything as JSON, on standard output")
    add_tls_arguments(parser)


def add_tls_arguments(parser: argparse.ArgumentParser) -> None:
    for part, what in {
        "ca": "whom to trust",
        "cert": "this controller's certificate",
        "key": "its private key",
    }.items():
        parser.add_argument(
            f"--tls-{part}", type=Path, default=None, metavar="FILE",
            help=f"{what} (default: [tls] of the file, or of the directory $PERFGATE_CERTS)",
        )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """0 or 3."""
    from perfgate_controller.fleet_check import check_fleet

    from perfgate.address import Address
    from perfgate.cli.agents import controller_tls
    from perfgate.fleet_file import load_fleet
    from perfgate.fleet_file.launched import with_addresses

    fleet = with_addresses(load_fleet(arguments.file))
    tls = controller_tls(arguments, fleet)
    targets = [Address.parse(url, "--url") for url in arguments.url] or ([fleet.target] if fleet.target else [])
    state = asyncio.run(check_fleet(fleet, tls, targets))
    if arguments.json:
        print(json.dumps(as_json(state), indent=2))
    else:
        for agent in state.agents:
            print("\n".join(_lines(agent, state)))
        for text in state.spoils:
            print(f"SPOILS  {text}")
        bad = [agent.host.name for agent in state.agents if agent.spoils]
        print("\nfit: nobody would spoil a run" if state.fit else f"\nnot fit: {', '.join(bad) or 'see above'}")
    return 0 if state.fit else 3


def as_json(state: FleetState) -> dict[str, Any]:
    """Durations in ns; null for what is not known."""
    return {
        "fit": state.fit,
        "spoils": list(state.spoils),
        "targets": [str(target) for target in state.targets],
        "agents": [_agent_json(agent) for agent in state.agents],
    }


def _agent_json(agent: AgentState) -> dict[str, Any]:
    clock = agent.clock
    plain = (
        "agent", "version", "workers", "cores", "busy_share", "steal_share", "load_1m", "free_ports", "memory_bytes",
        "disk_bytes", "kept",
    )  # fmt: skip
    return {
        "host": agent.host.name,
        "address": agent.host.address,
        "roles": sorted(agent.host.roles),
        "weight": agent.host.weight,
        **{name: getattr(agent, name) for name in plain},
        "clock": None if clock is None else {
            "offset_ns": clock.offset_ns, "bound_ns": clock.bound_ns, "wall_offset_ns": clock.wall_ns,
        },
        "distances": [
            None if one is None else {"least_ns": one[0], "median_ns": one[1]} for one in agent.distances
        ],
        "spoils": list(agent.spoils),
        "notes": list(agent.notes),
    }  # fmt: skip


def _lines(agent: AgentState, state: FleetState) -> list[str]:
    from perfgate.units import format_duration, format_percent

    roles = "+".join(sorted(agent.host.roles))
    lines = [f"{agent.host.name}  {agent.host.address or 'no address'}  {roles}"]
    if agent.clock is not None:
        clock = agent.clock
        lines.append(
            f"        {agent.agent}, perfgate {agent.version}: {agent.workers} workers, {agent.cores} cores, "
            f"{format_percent(agent.busy_share)} busy, load {agent.load_1m:.2f}, {agent.free_ports:,} free ports, "
            f"{agent.memory_bytes / 1e9:.1f} GB free"
        )
        trip = format_duration(2 * clock.bound_ns)
        lines.append(
            f"        clock known to within {format_duration(clock.bound_ns)} (round trip {trip}); "
            f"its time of day is {format_duration(abs(clock.wall_ns))} {'ahead' if clock.wall_ns >= 0 else 'behind'}"
        )
    for target, distance in zip(state.targets, agent.distances, strict=False):
        if distance is not None:
            lines.append(
                f"        connects to {target} in {format_duration(distance[1])} (least {format_duration(distance[0])})"
            )
    lines += [f"SPOILS  {text}" for text in agent.spoils]
    lines += [f"note    {text}" for text in agent.notes]
    return lines
