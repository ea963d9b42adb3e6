"""`perfgate run`: one load run without a gate."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate.address import Address
    from perfgate.cli.common import Order

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate run scenarios/ci/quick.toml --target targets/embedded.toml
  perfgate run scenarios/ci/quick.toml --target targets/embedded.toml --variant slow_search --out /tmp/slow
  perfgate run scenarios/burst/flash_crowd.toml --target targets/embedded.toml --duration 30s
  perfgate run scenarios/ci/quick.toml --target targets/embedded.toml --url http://127.0.0.1:7432
  perfgate run scenarios/ci/quick.toml --target targets/mystore.toml --fleet fleet.toml

With --url the store runs already: it must hold exactly the scenario's data, or nothing (then it is loaded first).

A run in which the load generator itself was late or at its limits is INVALID; [gate] of the scenario sets how much is
allowed (max_lag_p99_ms, max_worker_cpu, max_core_wait, max_steal, max_gc_pause_ms).

exit codes: 0 the run is complete, valid and within the scenario's [validation], 1 a limit was missed, 3 anything else"""


def add_parser(subparsers: Subparsers) -> None:
    from perfgate.cli.common import add_load_arguments
    from perfgate.cli.duration import add_duration_argument

    parser = subparsers.add_parser(
        "run",
        help="one load run, without a gate",
        description="Drive a scenario's load against one store and report latencies, throughput and failures.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_load_arguments(parser)
    add_duration_argument(parser)
    parser.add_argument("--variant", default=None, help="the build to start (default: the target file's first)")
    parser.add_argument(
        "--url",
        default=None,
        metavar="URL",
        help="load this running store instead, as http://127.0.0.1:7432, https://… or unix:/PATH",
    )
    parser.add_argument(
        "--warmup", default="2s", metavar="TIME", help="load before the measured time, discarded (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """0, 1 where a limit of `[validation]` is missed, 3 where it was broken off or the generator spoilt it."""
    import dataclasses

    from perfgate_controller.fleet import Fleet
    from perfgate_controller.run_loop import LoadRun, RunRequest

    from perfgate.cli.common import finish, host_turn, open_order, parse_time, run_with_fleet
    from perfgate.cli.duration import lasting
    from perfgate.cli.printing import print_run
    from perfgate.gate.policy_load import run_policy
    from perfgate.progress import Progress
    from perfgate.report.words import exit_code
    from perfgate.run import RunRecord

    order = open_order(arguments, "run")
    order = dataclasses.replace(order, scenario=lasting(order.scenario, arguments.duration))
    first = next(iter(order.target.variants), "default")
    url = _url(arguments, order)
    request = RunRequest(
        scenario=order.scenario,
        seed=order.seed,
        target=order.target,
        variant=order.variant("--variant", arguments.variant or first) if url is None else "",
        directory=order.directory,
        warmup_ns=parse_time(arguments.warmup, "--warmup") or 0,
        address=order.target.tls.applied(url) if url is not None else None,
        policy=run_policy(order.scenario.gate),
    )

    async def load(fleet: Fleet, progress: Progress) -> RunRecord:
        return await LoadRun(request, fleet, progress).run()

    with host_turn(arguments, order):
        record = run_with_fleet(order, load)
    record = finish(order, record, None)
    print_run(record, order.directory)
    return exit_code(record, None)


def _url(arguments: argparse.Namespace, order: Order) -> Address | None:
    """The store that runs already: of --url, or of a fleet file in which nobody starts stores."""
    from perfgate.address import Address
    from perfgate.errors import InputError

    if arguments.url is not None:
        return Address.parse(arguments.url, "--url")
    if order.fleet is None or any(host.starts_stores for host in order.fleet.hosts):
        return None
    if order.fleet.target is None:
        raise InputError(
            f'{order.fleet.path}: no host has the role host, so nobody starts the store; give one roles = ["host"], or the '
            "address of a store that runs already as [target] address, or --url"
        )
    return order.fleet.target
