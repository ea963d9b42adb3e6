"""`perfgate capacity`: the highest rate that a store holds under a p99 limit."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfgate_controller.capacity_loop import CapacityRequest, CapacityResult, Measured

    from perfgate.cli.common import Order

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate capacity scenarios/capacity/mixed.toml --target targets/embedded.toml
  perfgate capacity scenarios/capacity/mixed.toml --target targets/embedded.toml --p99 20ms --precision 0.1
  perfgate capacity SCENARIO --target FILE --lowest 50 --highest 5000 --trial 10s --confirm 7

Each trial starts a fresh process, loads it at one rate for a while and asks whether it held: p99 of all requests within
the limit, failures within theirs, no queue that grows. Rates are steps of `--precision`; the search doubles, halves and
bisects, then tries the rate it found and the one above it again until yes or no leads by `--confirm`, so that one wrong
answer moves nothing. The scenario's own rate is where it begins. Trials in which the load generator itself was late or at
its limits do not count.

exit codes: 0 found, 3 bad input, failure, or a generator at its limits, 4 the trials ran out before it was settled"""


def add_parser(subparsers: Subparsers) -> None:
    from perfgate.cli.common import add_load_arguments

    parser = subparsers.add_parser(
        "capacity",
        help="the highest rate held under a p99 limit",
        description="Find the highest rate that a store holds under a p99 limit.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_load_arguments(parser)
    parser.add_argument("--variant", default=None, help="the build to start (default: the target file's first)")
    parser.add_argument(
        "--p99", default=None, metavar="TIME", help="the limit (default: validation.expected_p99_latency_ms)"
    )
    parser.add_argument(
        "--errors", type=float, default=None, metavar="SHARE",
        help="of requests that may fail (default: validation.max_error_rate, or 0.001)",
    )  # fmt: skip
    parser.add_argument(
        "--precision", type=float, default=0.05, metavar="FRACTION", help="from one rate to the next (%(default)s)"
    )
    parser.add_argument(
        "--confirm", type=int, default=5, metavar="N", help="by how many trials an answer must lead (%(default)s)"
    )
    parser.add_argument("--lowest", type=float, default=10.0, metavar="RATE", help="requests a second (%(default)s)")
    parser.add_argument(
        "--highest", type=float, default=20_000.0, metavar="RATE", help="requests a second (%(default)s)"
    )
    parser.add_argument("--trial", default="5s", metavar="TIME", help="measured in each trial (%(default)s)")
    parser.add_argument("--warmup", default="1s", metavar="TIME", help="before that (%(default)s)")
    parser.add_argument("--most", type=int, default=60, metavar="N", help="trials altogether (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """0 found, 4 not settled within `--most` trials, 3 where the search had to end before."""
    from perfgate_controller.capacity_loop import CapacityHunt
    from perfgate_controller.fleet import Fleet

    from perfgate.cli.common import host_turn, open_order, run_with_fleet
    from perfgate.progress import Progress

    order = open_order(arguments, "capacity")
    request = _request(arguments, order)

    async def hunt(fleet: Fleet, progress: Progress) -> CapacityResult:
        return await CapacityHunt(request, fleet, progress).run()

    with host_turn(arguments, order):
        result = run_with_fleet(order, hunt)
    _write(order, request, result)
    print(_said(request, result))
    if result.ended:
        return 3
    return 0 if result.found.settled else 4


def _request(arguments: argparse.Namespace, order: Order) -> CapacityRequest:
    from perfgate_controller.capacity_loop import CapacityRequest, Limit

    from perfgate.capacity_search import Ladder
    from perfgate.cli.common import parse_time
    from perfgate.errors import InputError
    from perfgate.gate.policy_load import run_policy
    from perfgate.plan import Plan
    from perfgate.scenario.ladder import ladder_plan
    from perfgate.units import NS_PER_MS, NS_PER_S

    limits = order.scenario.validation
    given = parse_time(arguments.p99, "--p99")
    p99_ns = given if given is not None else (limits.expected_p99_latency_ms or 0.0) * NS_PER_MS
    if not p99_ns:
        raise InputError("there is no limit to hold: give --p99 20ms, or write [validation] expected_p99_latency_ms")
    errors = next(share for share in (arguments.errors, limits.max_error_rate, 0.001) if share is not None)
    trial_ns, warmup_ns = (parse_time(getattr(arguments, name), f"--{name}") or 0 for name in ("trial", "warmup"))
    if not trial_ns:
        raise InputError(f"--trial {arguments.trial}: measure for some time, as 5s")
    if not 0 < arguments.lowest <= arguments.highest:
        raise InputError(
            f"--lowest {arguments.lowest:g}: give a rate above 0 and not above --highest {arguments.highest:g}"
        )
    rate = Plan(order.scenario, order.seed).mean_rate
    start = min(max(rate, arguments.lowest), arguments.highest)
    ladder = Ladder(start, arguments.precision, arguments.lowest, arguments.highest, arguments.confirm, arguments.most)
    first = next(iter(order.target.variants), "default")
    return CapacityRequest(
        plan=ladder_plan(order.scenario, ladder, warmup_ns / NS_PER_S, trial_ns / NS_PER_S),
        limit=Limit(p99_ns, errors),
        seed=order.seed,
        target=order.target,
        variant=order.variant("--variant", arguments.variant or first),
        directory=order.directory,
        policy=run_policy(order.scenario.gate),
    )


def _write(order: Order, request: CapacityRequest, result: CapacityResult) -> None:
    """capacity.json in the run's directory: what was asked, each trial, the answer."""
    import dataclasses
    import json
    import shutil
    import sys

    from perfgate.cli.common import own_command

    ladder = request.plan.ladder
    rung = result.found.rung
    document: dict[str, Any] = {
        "kind": "perfgate capacity", "version": 1, "scenario": order.scenario.name,
        "scenario_digest": order.scenario.digest, "target": order.target.name, "build": request.variant,
        "seed": order.seed, "p99_limit_ns": request.limit.p99_ns, "max_error_rate": request.limit.max_error_rate,
        "precision": ladder.precision, "rate": None if rung is None else ladder.rate(rung),
        "next_rate": ladder.rate(rung + 1) if rung is not None and rung < ladder.top else None,
        "found": dataclasses.asdict(result.found), "ended": result.ended,
        "trials": [_trial(one) for one in result.trials], "command": own_command(sys.argv[1:]),
    }  # fmt: skip
    (order.directory / "capacity.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(order.directory / "work", ignore_errors=True)


def _trial(one: Measured) -> dict[str, Any]:
    """JSON has no infinity: the p99 of a trial in which nothing was answered is null."""
    import dataclasses

    return {**dataclasses.asdict(one), "p99_ns": one.p99_ns if math.isfinite(one.p99_ns) else None}


def _said(request: CapacityRequest, result: CapacityResult) -> str:
    """The answer in sentences."""
    from perfgate.units import format_count, format_duration, format_percent

    ladder, one = request.plan.ladder, result.found
    limit = f"p99 {format_duration(request.limit.p99_ns)}, {format_percent(request.limit.max_error_rate)} failures"
    lines = []
    if one.rung is None:
        lines.append(f"Not even {format_count(ladder.lowest)} requests/s are held within {limit}.")
    else:
        more = "at least " if one.at_top else ""
        lines.append(
            f"{request.variant} holds {more}{format_count(ladder.rate(one.rung))} requests/s within {limit}: "
            f"{one.held} of {one.trials} trials."
        )
        if not one.at_top and one.above_trials:
            lines.append(
                f"{format_percent(ladder.precision)} more, {format_count(ladder.rate(one.rung + 1))} requests/s: held in "
                f"{one.above_held} of {one.above_trials}."
            )
        if one.settled and (share := one.least_share()):
            lines.append(f"With 95 % confidence it holds that rate in {format_percent(share)} of trials or more.")
    if result.ended:
        lines.append(f"The search ended early: {result.ended}.")
    elif not one.settled:
        lines.append(f"Not settled after {one.all_trials} trials: allow more (--most).")
    return "\n".join([*lines, f"trials: {request.directory / 'capacity.json'}"])
