"""`perfgate neighbour`: whether one memory space at many times its rate disturbs the others."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate.cli.common import Order
    from perfgate.gate.comparison import Comparison
    from perfgate.gate.policy import Policy
    from perfgate.run import RunRecord
    from perfgate.scenario.model import Scenario

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate neighbour scenarios/multi_tenant/noisy_neighbour.toml --target targets/embedded.toml
  perfgate neighbour scenarios/multi_tenant/noisy_neighbour.toml --target targets/embedded.toml --variant fair
  perfgate neighbour SCENARIO --target FILE --margin 0.05 --looks 12,20,30 --time-limit 20m

The scenario's [noisy_neighbour] says which space is asked how many times as much; [spaces] spreads the rest. Two processes
of one build are loaded in turn, in slices and in random order: one with all spaces calm, the other with the neighbour's
extra load on top. In both, the other spaces are asked the same questions at the same times. What they saw is decided by
the gate's own rule, with a margin of 1 % unless [gate], --policy or --margin says otherwise. So small a margin takes many
pairs; where the host cannot resolve it, the verdict is INCONCLUSIVE and says how many would.

--one-process has one process serve both arms of a pair: starts no longer add to the noise, but what the neighbour leaves
behind (a backlog, a larger index) is then felt in both arms, so that a disturbance looks smaller than it is.

exit codes: 0 PASS, 1 BLOCK, 3 INVALID, bad input or failure, 4 INCONCLUSIVE"""


def add_parser(subparsers: Subparsers) -> None:
    from perfgate.cli.common import add_load_arguments

    parser = subparsers.add_parser(
        "neighbour",
        help="whether a noisy neighbour disturbs the others",
        description="Ask whether one memory space at many times its rate disturbs the others.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_load_arguments(parser)
    parser.add_argument("--variant", default=None, help="the build to ask of (default: the target file's first)")
    parser.add_argument(
        "--one-process", action="store_true", help="one process serves both arms of a pair: less noise, but see below"
    )
    parser.add_argument(
        "--policy", default=None, metavar="NAME|FILE", help="as for perfgate gate (default: the scenario's [gate])"
    )
    parser.add_argument(
        "--margin", type=float, default=None, metavar="FRACTION", help="0.01 is 1 %%; overrides the policy"
    )
    parser.add_argument(
        "--looks", default=None, metavar="N,…", help="pairs after which the rule is asked; overrides the policy"
    )
    parser.add_argument(
        "--time-limit", default=None, metavar="TIME", help="hard stop, as 90s, 15m, 1h; there is a verdict in any case"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit code of the verdict."""
    from perfgate.cli.common import host_turn, open_order, parse_time
    from perfgate.gate import neighbour
    from perfgate.gate.policy_choice import check_time

    limit_ns = parse_time(arguments.time_limit, "--time-limit")
    order = open_order(arguments, "neighbour")
    first = next(iter(order.target.variants), "default")
    variant = order.variant("--variant", arguments.variant or first)
    policy = _policy(arguments, order.scenario)
    neighbour.check(order.scenario, policy)
    check_time(policy, limit_ns)
    with host_turn(arguments, order):
        return _decide(order, policy, variant, limit_ns, arguments.one_process)


def _policy(arguments: argparse.Namespace, scenario: Scenario) -> Policy:
    """Whoever names a margin is taken at his word; otherwise it is that of this question, not that of builds."""
    from perfgate.cli.gate import parse_looks
    from perfgate.gate.neighbour import MARGIN
    from perfgate.gate.policy_choice import choose_policy, policy_settings

    settings, _ = policy_settings(scenario.gate, arguments.policy)
    margin = arguments.margin if arguments.margin is not None else settings.get("margin", MARGIN)
    asked = {"margin": margin, "looks": parse_looks(arguments.looks)}
    overrides = {name: value for name, value in asked.items() if value is not None}
    return choose_policy(scenario.gate, arguments.policy, **overrides)


def _decide(order: Order, policy: Policy, variant: str, limit_ns: int | None, one_process: bool) -> int:
    import dataclasses

    from perfgate_controller.fleet import Fleet
    from perfgate_controller.gate_loop import Gate, GateRequest

    from perfgate.cli.common import finish, run_with_fleet
    from perfgate.cli.printing import print_gate
    from perfgate.gate import neighbour
    from perfgate.progress import Progress
    from perfgate.scenario.derived import with_neighbour_sent

    scenario = with_neighbour_sent(order.scenario)
    request = GateRequest(
        scenario=scenario,
        seed=order.seed,
        target=order.target,
        builds=dict(neighbour.arms(scenario, variant)),
        policy=policy,
        directory=Path(order.directory),
        time_limit_ns=limit_ns,
        variant=variant,
        one_process=one_process,
    )

    async def ask(fleet: Fleet, progress: Progress) -> tuple[RunRecord, Comparison]:
        record, comparison = await Gate(request, fleet, progress).run()
        about = {**record.environment, "question": neighbour.QUESTION}
        return dataclasses.replace(record, environment=about), neighbour.explained(comparison, one_process)

    record, comparison = run_with_fleet(order, ask)
    record = finish(order, record, comparison)
    print_gate(record, comparison, order.directory)
    return comparison.verdict.exit_code
