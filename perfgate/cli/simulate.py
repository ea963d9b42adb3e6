"""`perfgate simulate`: prove the decision rule on simulated noise."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate.gate.policy import Policy

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate simulate --runs 500
  perfgate simulate --policy quick --truth same --truth one20 --runs 2000
  perfgate simulate --profile shared --truth same --runs 2000 --json rates.json
  perfgate simulate --mode duet --truth same --truth one10

Gates are simulated from single requests on: queues, restarts, drift and neighbours' bursts; the gate's own code decides
each of them. A cell says how often it blocked, passed and stayed undecided, in percent, and how many pairs it took.
The model of the noise and what the figures mean: docs/statistics.md."""
PROFILES = ("quiet", "typical", "noisy", "shared")
TRUTHS = ("same", "one7", "one10", "one20", "all5", "all10", "faster10")


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "simulate",
        help="prove the decision rule on simulated noise",
        description="How often the gate is right and wrong, on simulated builds whose truth is known.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=200, metavar="N", help="gates a cell (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same figures (default: 1)")
    parser.add_argument(
        "--profile", action="append", choices=PROFILES, metavar="NAME",
        help=f"host: {', '.join(PROFILES)}; may be given again (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--truth", action="append", choices=TRUTHS, metavar="NAME",
        help=f"what is true: {', '.join(TRUTHS)}; may be given again (default: all)",
    )  # fmt: skip
    parser.add_argument("--policy", choices=("standard", "quick"), default="standard", help="(default: standard)")
    parser.add_argument(
        "--mode", choices=("alternation", "duet"), default="alternation",
        help="duet: both builds loaded at once; a tenth of a change leaks into the other (default: alternation)",
    )  # fmt: skip
    parser.add_argument("--margin", type=float, default=None, metavar="FRACTION", help="overrides the policy's")
    parser.add_argument("--slice-ms", type=float, default=None, metavar="MS", help="overrides the policy's, up to 1000")
    parser.add_argument(
        "--rate", type=float, default=400.0, metavar="N", help="requests a second and operation (default: 400)"
    )
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures as JSON too")


def run(arguments: argparse.Namespace) -> int:
    """Always 0: these are figures, not a verdict."""
    import json

    from perfgate.simulate.profile import PROFILES as profiles
    from perfgate.simulate.table import operating_characteristics, to_json, to_text
    from perfgate.simulate.truth import TRUTHS as truths

    policy = _policy(arguments)
    asked = [truths[name] for name in arguments.truth or TRUTHS]
    hosts = [profiles[name] for name in arguments.profile or PROFILES]
    rates = operating_characteristics(policy, hosts, asked, arguments.runs, arguments.seed, arguments.rate, _progress())
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    print(
        f"{policy.name} policy, {policy.mode}, margin {100 * policy.margin:g} %, {arguments.runs:,} gates a cell, "
        f"seed {arguments.seed}"
    )
    print("BLOCK / PASS / INCONCLUSIVE in %\n")
    print(to_text(rates, asked))
    if arguments.json is not None:
        _write(arguments.json, json.dumps(to_json(rates, policy, arguments.seed, arguments.rate), indent=1) + "\n")
    return 0


def _policy(arguments: argparse.Namespace) -> Policy:
    from perfgate.errors import InputError
    from perfgate.gate.policy_load import policy_for

    if not 1 <= arguments.runs <= 1_000_000:
        raise InputError(f"--runs {arguments.runs}: give a number from 1 to 1,000,000")
    if not 20 <= arguments.rate <= 20_000:
        raise InputError(f"--rate {arguments.rate:g}: give 20 to 20,000 requests a second and operation")
    if arguments.seed < 0:
        raise InputError(f"--seed {arguments.seed}: give 0 or more")
    if arguments.slice_ms is not None and not 10 <= arguments.slice_ms <= 1000:
        # The noise model gives a slice one level; over more than a second it would have several.
        raise InputError(f"--slice-ms {arguments.slice_ms:g}: the simulator knows slices of 10 to 1000 ms")
    overrides = {"mode": arguments.mode, "margin": arguments.margin, "slice_ms": arguments.slice_ms}
    return policy_for({}, arguments.policy, **{key: value for key, value in overrides.items() if value is not None})


def _progress() -> Callable[[str, float], None]:
    """A line that is written over on a terminal; silence elsewhere."""

    def show(what: str, share: float) -> None:
        print(f"\r\x1b[K{share:4.0%}  {what}", end="", file=sys.stderr, flush=True)

    return show if sys.stderr.isatty() else lambda what, share: None


def _write(path: Path, text: str) -> None:
    from perfgate.errors import InputError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--json {path}: {error.strerror}; give a file that can be written") from error
