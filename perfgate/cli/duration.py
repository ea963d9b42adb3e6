"""`--duration`: a scenario for another time than its own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate.scenario.model import Scenario


def add_duration_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--duration", default=None, metavar="TIME", help="as 90s, 15m, 72h (default: the scenario's)")


def lasting(scenario: Scenario, duration: str | None) -> Scenario:
    """The scenario for so long; None: as it is. Raises InputError."""
    from perfgate.cli.common import parse_time
    from perfgate.errors import InputError
    from perfgate.scenario.derived import shortened
    from perfgate.units import NS_PER_S

    ns = parse_time(duration, "--duration")
    if ns is None:
        return scenario
    if not ns:
        raise InputError(f"--duration {duration}: give some time, as 90s or 72h")
    return shortened(scenario, ns / NS_PER_S)
