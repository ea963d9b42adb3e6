"""What `gate` and `run` share: their arguments, the run's directory, the fleet, the first and the second Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import atexit
import contextlib
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from perfgate.cli.printing import warn
from perfgate.cli.run_place import RUNS, make_run_place
from perfgate.errors import InputError
from perfgate.units import NS_PER_S, seconds_to_ns

if TYPE_CHECKING:
    from perfgate_controller.fleet import Fleet
    from perfgate_controller.link import Holder

    from perfgate.fleet_file.model import FleetFile
    from perfgate.gate.comparison import Comparison
    from perfgate.history.location import Location
    from perfgate.progress import Progress
    from perfgate.run import RunRecord
    from perfgate.scenario.model import Scenario
    from perfgate.targets.model import Target
    from perfgate.trust.files import TlsFiles

T = TypeVar("T")
Work = Callable[["Fleet", "Progress"], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for, checked."""

    scenario: Scenario
    target: Target
    target_file: Path
    seed: int
    directory: Path
    agents: tuple[str, ...]
    local_agents: int
    workers: int
    history: Location | None = None
    """Where the run is recorded at its end; None: nowhere."""
    tls: TlsFiles | None = None
    """For agents elsewhere."""
    fleet: FleetFile | None = None
    """Where `agents` come from, with what it says of each."""
    wait_s: float = 0.0
    """How long to queue for agents that others hold."""

    def variant(self, option: str, name: str) -> str:
        """Raises InputError for a variant that the target file does not have."""
        if name not in self.target.variants:
            known = ", ".join(self.target.variants) or "none"
            raise InputError(f"{option} {name!r}: {self.target_file} has no [variants.{name}]; it has: {known}")
        return name


def add_load_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """required: False where the verb can do something without scenario and target, and says itself when they are missing."""
    parser.add_argument(
        "scenario", type=Path, metavar="SCENARIO", nargs=None if required else "?", help="the scenario file (TOML)"
    )
    parser.add_argument(
        "--target", type=Path, required=required, default=None, metavar="FILE", help="the target file: the store (TOML)"
    )
    parser.add_argument("--seed", type=int, default=None, help="of schedule, data and order (default: the scenario's)")
    parser.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help="the run's directory (default: .perfgate/runs/…)"
    )
    parser.add_argument(
        "--agents", default="", metavar="HOST:PORT,…", help="agents to use (default: one of its own on this machine)"
    )
    parser.add_argument(
        "--fleet", type=Path, default=None, metavar="FILE",
        help="a fleet file (TOML) instead of --agents: hosts with roles and weights, see perfgate fleet --help",
    )  # fmt: skip
    tls = {"ca": "whom to trust", "cert": "this controller's certificate", "key": "its private key"}
    for part, what in tls.items():
        parser.add_argument(
            f"--tls-{part}", type=Path, default=None, metavar="FILE",
            help=f"for --agents and --fleet: {what} (default: of the directory $PERFGATE_CERTS)",
        )  # fmt: skip
    parser.add_argument(
        "--local-agents", type=int, default=1, metavar="N", help="how many agents of its own (default: 1)"
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="worker processes a local agent (default: 1)"
    )
    parser.add_argument(
        "--wait", default="0s", metavar="TIME",
        help="how long to queue while this host, or an agent, measures something else (default: 0s, refuse)",
    )  # fmt: skip
    add_history_argument(parser)


def add_history_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--history", default=None, metavar="URL",
        help="where runs are recorded: a file, postgresql://USER@HOST/DATABASE, or off (default: $PERFGATE_HISTORY, or "
        ".perfgate/history.db)",
    )  # fmt: skip


def open_order(arguments: argparse.Namespace, kind: str) -> Order:
    """Check everything that can be checked before anything is started, and make the run's directory."""
    from perfgate.cli.agents import controller_tls, fleet_file
    from perfgate.history.location import find_location
    from perfgate.plan import LANES
    from perfgate.scenario import load_scenario
    from perfgate.targets.load import load_target

    scenario = load_scenario(arguments.scenario)
    target = load_target(arguments.target)
    for operation in scenario.weights:
        if operation not in target.operations:
            raise InputError(
                f"{arguments.scenario}: operations.{operation.value}_weight is positive, but target {target.name!r} has no "
                f"{operation.value} (it has {', '.join(sorted(target.operations))}); set the weight to 0"
            )
    for option in ("local_agents", "workers"):
        if getattr(arguments, option) < 1:
            raise InputError(f"--{option.replace('_', '-')} {getattr(arguments, option)}: at least 1 is needed")
    if (workers := arguments.local_agents * arguments.workers) > LANES:
        raise InputError(
            f"{workers} load workers are more than the {LANES} lanes of a plan: give fewer by --workers or --local-agents"
        )
    history = find_location(arguments.history)
    fleet = fleet_file(arguments)
    listed = (part.strip() for part in arguments.agents.split(","))
    agents = tuple(host.address or host.name for host in fleet.ordered()) if fleet else tuple(filter(None, listed))
    tls = controller_tls(arguments, fleet) if agents else None
    return Order(
        scenario=scenario,
        target=target,
        target_file=arguments.target,
        seed=scenario.seed if arguments.seed is None else arguments.seed,
        directory=_make_directory(arguments.out, kind, arguments.scenario.stem),
        agents=agents,
        local_agents=arguments.local_agents,
        workers=arguments.workers,
        history=history,
        tls=tls,
        fleet=fleet,
        wait_s=(parse_time(arguments.wait, "--wait") or 0) / NS_PER_S,
    )


def _make_directory(wanted: Path | None, kind: str, name: str) -> Path:
    try:
        if wanted is None:
            place = make_run_place(RUNS, f"{kind}-{name}")
            atexit.register(_remove_empty, place)
            return place
        wanted.mkdir(parents=True, exist_ok=True)
        if any(wanted.iterdir()):
            raise InputError(f"--out {wanted}: is not empty; another run's record must not be mixed with this one's")
    except OSError as error:
        raise InputError(f"--out {wanted or RUNS}: {error.strerror}; give a directory that can be written") from error
    return wanted


def _remove_empty(place: Path) -> None:
    """What was refused after all leaves no directory behind to be looked into."""
    with contextlib.suppress(OSError):
        place.rmdir()


def parse_time(text: str | None, option: str) -> int | None:
    """`90s`, `15m`, `1h`, `500ms` or bare seconds, in ns. Raises InputError."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", text.strip())
    if not match:
        raise InputError(f"{option} {text!r}: give a time as 90s, 15m or 1h")
    return seconds_to_ns(float(match[1]) * {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600}[match[2]])


@contextlib.contextmanager
def host_turn(arguments: argparse.Namespace, order: Order) -> Iterator[None]:
    """This host for oneself, where it is the one that measures. Agents elsewhere know by their leases."""
    from perfgate.host_queue import HostQueue, Ticket

    wait_ns = parse_time(arguments.wait, "--wait") or 0
    if order.agents:
        yield
        return

    def told(before: int, first: Ticket) -> None:
        print(f"perfgate: queued, {before} before this; now served: {first}", file=sys.stderr, flush=True)

    what = f"perfgate {arguments.verb} {arguments.scenario.name}"
    with HostQueue().turn(what, wait_ns / NS_PER_S, told):
        yield


def run_with_fleet(order: Order, work: Work[T]) -> T:
    """Bring the agents up, do the work with live progress, take everything down again."""
    from perfgate.report.live import make_progress

    with make_progress(sys.stderr) as progress:
        return run_until_signal(_with_fleet(order, work, progress))


async def _with_fleet(order: Order, work: Work[T], progress: Progress) -> T:
    from perfgate_agent.command import default_cache_dir
    from perfgate_controller.fleet import dial
    from perfgate_controller.local import LocalAgents, local_agents
    from perfgate_controller.member import OWN

    from perfgate.cli.agents import members
    from perfgate.progress import Note, PhaseStarted

    if order.agents:
        progress.handle(PhaseStarted("agents", ", ".join(order.agents)))

        def queued(holder: Holder, before: int) -> None:
            progress.handle(Note(f"queued for agent {holder.agent}, {before} before this; {holder}"))

        asked = members(order.agents, order.fleet)
        async with dial(asked, order.scenario.name, order.tls, wait_s=order.wait_s, queued=queued) as fleet:
            for link in fleet.links:
                if link.warning:
                    progress.handle(Note(link.warning))
            return await work(fleet, progress)
    cache = default_cache_dir()
    wanted = LocalAgents(
        order.local_agents, order.workers, (order.target_file.resolve(),), cache, (order.directory / "work").resolve()
    )
    progress.handle(PhaseStarted("agents", f"starting {order.local_agents} on this machine"))
    name = order.scenario.name
    async with local_agents(wanted, order.directory) as addresses, dial(addresses, name, patience=OWN) as fleet:
        return await work(fleet, progress)


def run_until_signal(work: Awaitable[T]) -> T:
    """The first SIGINT or SIGTERM cancels the work, which then ends in order; the second ends the process at once."""

    async def main() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)

        def first() -> None:
            print("perfgate: ending; once more to end at once", file=sys.stderr)
            task.cancel()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, os._exit, 3)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, first)
        try:
            return await task
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None

    return asyncio.run(main())


def finish(order: Order, record: RunRecord, comparison: Comparison | None) -> RunRecord:
    """Write the run's directory, then record it in the history. Returns the record with the command that made it."""
    import dataclasses
    import shutil

    from perfgate.report.directory import write_result

    record = dataclasses.replace(record, environment={**record.environment, "command": own_command(sys.argv[1:])})
    write_result(order.directory, record, comparison)
    shutil.rmtree(order.directory / "work", ignore_errors=True)
    if order.history is not None:
        from perfgate.history.recorder import record_run

        warn(record_run(order.history, record, comparison, order.directory))
    return record


def own_command(words: Sequence[str]) -> str:
    """What to type to do it again: without --out, since a second run needs a directory of its own, and without --history,
    which may hold a password and is the business of whoever does it again."""
    import shlex

    kept, skip = [], False
    for word in words:
        name = word.partition("=")[0]  # argparse takes --hist for --history
        if skip or (len(name) > 2 and any(full.startswith(name) for full in ("--out", "--history"))):
            skip = not skip and "=" not in word
            continue
        kept.append(word)
    return shlex.join(["perfgate", *kept])
