"""What `perfgate calibrate` is told and does about duets: how much of one build's slowness reaches the other."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfgate.calibration.leak import Leak
    from perfgate.cli.common import Order
    from perfgate.gate.policy import Policy


def add_leak_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mode", choices=("alternation", "duet"), default=None,
        help="of the gates to come: one build loaded at a time, or both at once (default: the scenario's [gate])",
    )  # fmt: skip
    parser.add_argument(
        "--leak-variant", default=None, metavar="VARIANT",
        help="a build known to be clearly slower: measures how much of that reaches the other one in a duet",
    )  # fmt: skip
    parser.add_argument(
        "--leak-blocks", type=int, default=10, metavar="N",
        help="times the leak is measured, each with a pair without the delay beside it (default: 10)",
    )  # fmt: skip


def leak_variant(arguments: argparse.Namespace, order: Order, policy: Policy) -> str:
    """Empty where no leak is to be measured. Raises InputError for one that cannot be."""
    from perfgate.calibration.leak import LEAST_BLOCKS
    from perfgate.errors import InputError

    if arguments.leak_variant is None:
        return ""
    if policy.mode != "duet":
        raise InputError("--leak-variant asks what leaks while both builds are loaded at once: add --mode duet")
    if arguments.leak_variant == arguments.variant:
        raise InputError(
            f"--leak-variant {arguments.leak_variant!r} is the build itself; name one that is clearly slower"
        )
    if not LEAST_BLOCKS <= arguments.leak_blocks <= 100:
        raise InputError(f"--leak-blocks {arguments.leak_blocks}: give {LEAST_BLOCKS} to 100; 10 are usual")
    return order.variant("--leak-variant", arguments.leak_variant)


async def measure_leak(
    order: Order,
    policy: Policy,
    variant: str,
    slower: str,
    blocks: int,
    limit_ns: int | None,
    fleet: Any,
    progress: Any,
) -> Leak:
    """The blocks, and what they say. Raises MeasurementError where it cannot be told."""
    from perfgate_controller.gate_loop import GateRequest
    from perfgate_controller.leak import LeakMeasurement, LeakRequest

    from perfgate.calibration.leak import estimate_leak
    from perfgate.segment import Arm

    builds = {Arm.BASE: variant, Arm.CANDIDATE: slower}
    gate = GateRequest(order.scenario, order.seed, order.target, builds, policy, order.directory, limit_ns)
    measured = await LeakMeasurement(LeakRequest(gate, blocks), fleet, progress).measure()
    return estimate_leak(measured, policy, tuple(order.scenario.weights))
