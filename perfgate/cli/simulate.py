"""`perfgate simulate`: prove the decision rule on simulated noise."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfgate.gate.policy import Policy
    from perfgate.simulate.profile import Profile

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate simulate --runs 500
  perfgate simulate --policy quick --truth same --truth one20 --runs 2000
  perfgate simulate --policy nightly.toml --truth same    # what a policy of your own would have said
  perfgate simulate --profile shared --truth same --runs 2000 --json rates.json
  perfgate simulate --mode duet --truth same --truth one10
  perfgate simulate --starts 3,5,10 --runs 400
  perfgate simulate --profile shared --truth same --truth one10 --slice-ms 3000
  perfgate simulate --case periodic --case recall --runs 500
  perfgate simulate --curve power.svg --runs 500

Gates are simulated from single requests on: queues, restarts, drift and neighbours' bursts; the gate's own code decides
each of them. A cell says how often it blocked, passed and stayed undecided, in percent, and how many pairs it took.
The model of the noise and what the figures mean: docs/statistics.md."""
PROFILES = ("quiet", "typical", "noisy", "shared")
SHARED_RUNS = 100
TRUTHS = ("same", "one7", "one10", "one20", "all5", "all10", "faster10")


CASES = (
    "periodic", "bimodal", "cold-start", "heavy-tail", "rare-stalls", "family", "errors", "recall", "floor", "peeking",
    "creep",
    "compete",
)  # fmt: skip
"""Of perfgate/simulate/cases.py, which is loaded when one is asked for; a test compares."""


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
    parser.add_argument(
        "--case", action="append", choices=(*CASES, "all"), metavar="NAME",
        help=f"a special case in place of the table: {', '.join(CASES)}, or all; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--curve",
        type=Path,
        default=None,
        metavar="FILE.svg",
        help="draw how often one operation's change of 0 to 20 %% is blocked, in place of the table",
    )
    parser.add_argument(
        "--policy", default="standard", metavar="NAME|FILE",
        help="standard, quick, or a TOML file of settings, see perfgate policy (default: standard)",
    )  # fmt: skip
    parser.add_argument(
        "--mode", choices=("alternation", "duet"), default=None,
        help="duet: both builds loaded at once; a tenth of a change leaks into the other (default: the policy's)",
    )  # fmt: skip
    parser.add_argument(
        "--starts", default=None, metavar="N,…",
        help="so many processes a build serve all pairs, with a simulated calibration of 20 couples of processes: 3,5,10",
    )  # fmt: skip
    parser.add_argument("--margin", type=float, default=None, metavar="FRACTION", help="overrides the policy's")
    parser.add_argument(
        "--slice-ms", type=float, default=None, metavar="MS", help="overrides the policy's, up to 10000"
    )
    parser.add_argument(
        "--rate", type=float, default=400.0, metavar="N", help="requests a second and operation (default: 400)"
    )
    parser.add_argument(
        "--processes", type=int, default=None, metavar="N",
        help="processes that share the cells; the figures stay the same (default: one a core)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures as JSON too")


def run(arguments: argparse.Namespace) -> int:
    """Always 0: these are figures, not a verdict."""
    from perfgate.errors import InputError

    policy = _policy(arguments)
    if arguments.case and (arguments.truth or arguments.profile or arguments.curve or arguments.mode == "duet"):
        raise InputError(
            "--case brings profiles and truths of its own: leave out --truth, --profile, --curve and --mode duet"
        )
    if arguments.curve and arguments.curve.suffix.lower() != ".svg":
        raise InputError(f"--curve {arguments.curve}: name a file that ends in .svg")
    for option, path in (("--json", arguments.json), ("--curve", arguments.curve)):
        _check_place(option, path)
    if arguments.curve and arguments.truth:
        raise InputError("--curve draws changes of 0 to 20 %: leave out --truth")
    if arguments.starts is not None:
        return _slow_starts(arguments)
    if arguments.case:
        return _cases(arguments, policy)
    return _curve(arguments, policy) if arguments.curve else _table(arguments, policy)


def _table(arguments: argparse.Namespace, policy: Policy) -> int:
    from perfgate.simulate.table import operating_characteristics, to_json, to_text
    from perfgate.simulate.truth import TRUTHS as truths

    asked = [truths[name] for name in arguments.truth or TRUTHS]
    rates = operating_characteristics(
        policy, _hosts(arguments), asked, arguments.runs, arguments.seed, arguments.rate, _progress(),
        processes=_processes(arguments),
    )  # fmt: skip
    _head(policy, arguments)
    print(to_text(rates, asked))
    _json(arguments, to_json(rates, policy, arguments.seed, arguments.rate))
    return 0


def _curve(arguments: argparse.Namespace, policy: Policy) -> int:
    from perfgate.cli.plot_curves import draw_curves
    from perfgate.simulate.curve import CHANGES, blocked, change_of, power_curves
    from perfgate.simulate.table import to_json, to_text

    rates = power_curves(
        policy, _hosts(arguments), arguments.runs, arguments.seed, arguments.rate, _progress(), _processes(arguments)
    )
    _head(policy, arguments)
    print(to_text(rates, [change_of(change) for change in CHANGES]))
    title = f"What the {policy.name} policy blocks ({arguments.runs:,} simulated gates a point)"
    _write("--curve", arguments.curve, draw_curves(title, CHANGES, blocked(rates), policy.margin))
    _json(arguments, to_json(rates, policy, arguments.seed, arguments.rate))
    return 0


def _slow_starts(arguments: argparse.Namespace) -> int:
    """A table for each number of processes."""
    from perfgate.errors import InputError
    from perfgate.simulate.table import operating_characteristics, to_json, to_text
    from perfgate.simulate.truth import TRUTHS as truths

    if arguments.case or arguments.curve or (arguments.slice_ms or 0) > 1000:
        raise InputError("--starts makes tables, of slices up to 1000 ms: leave out --case and --curve")
    numbers = arguments.starts.split(",")
    if not all(number.isdecimal() and int(number) for number in numbers):
        raise InputError(f"--starts {arguments.starts}: give numbers of processes, as 3,5,10")
    asked = [truths[name] for name in arguments.truth or ("same", "one10")]
    arguments.profile = arguments.profile or ["quiet", "typical", "noisy"]
    found = []
    for number in map(int, numbers):
        policy = _policy(arguments, starts=number)
        rates = operating_characteristics(
            policy, _hosts(arguments), asked, arguments.runs, arguments.seed, arguments.rate, _progress(),
            processes=_processes(arguments),
        )  # fmt: skip
        _head(policy, arguments)
        print(f"{number} processes a build, {policy.pairs_a_start} pairs each\n{to_text(rates, asked)}\n")
        found.append({"starts": number, **to_json(rates, policy, arguments.seed, arguments.rate)})
    _json(arguments, {"schema_version": 1, "starts": found})
    return 0


def _cases(arguments: argparse.Namespace, policy: Policy) -> int:
    from perfgate.simulate.case import Ask, to_json, to_text
    from perfgate.simulate.cases import load_case

    names = CASES if "all" in arguments.case else tuple(dict.fromkeys(arguments.case))
    ask = Ask(policy, arguments.runs, arguments.seed, arguments.rate, _progress())
    found = []
    for case in map(load_case, names):
        rows = case.rows(ask)
        _clear()
        print(f"{case.name}: {case.title}\nexpected: {case.expected}\n\n{to_text(rows)}\n")
        found.append(to_json(case, rows))
    _json(arguments, {"schema_version": 1, "policy": policy.name, "seed": arguments.seed, "cases": found})
    return 0


def _hosts(arguments: argparse.Namespace) -> list[Profile]:
    from perfgate.simulate.profile import PROFILES as profiles

    return [profiles[name] for name in arguments.profile or PROFILES]


def _head(policy: Policy, arguments: argparse.Namespace) -> None:
    _clear()
    print(
        f"{policy.name} policy, {policy.mode}, margin {100 * policy.margin:g} %, {arguments.runs:,} gates a cell, "
        f"seed {arguments.seed}\nBLOCK / PASS / INCONCLUSIVE in %\n"
    )


def _policy(arguments: argparse.Namespace, **more: int) -> Policy:
    from perfgate.errors import InputError
    from perfgate.gate.policy_choice import choose_policy

    if not 1 <= arguments.runs <= 1_000_000:
        raise InputError(f"--runs {arguments.runs}: give a number from 1 to 1,000,000")
    if not 20 <= arguments.rate <= 20_000:
        raise InputError(f"--rate {arguments.rate:g}: give 20 to 20,000 requests a second and operation")
    if arguments.seed < 0:
        raise InputError(f"--seed {arguments.seed}: give 0 or more")
    if arguments.slice_ms is not None and not 10 <= arguments.slice_ms <= 10_000:
        raise InputError(f"--slice-ms {arguments.slice_ms:g}: the simulator knows slices of 10 to 10,000 ms")
    if arguments.processes is not None and not 1 <= arguments.processes <= 256:
        raise InputError(f"--processes {arguments.processes}: give a number from 1 to 256")
    overrides = {"mode": arguments.mode, "margin": arguments.margin, "slice_ms": arguments.slice_ms}
    return choose_policy(
        {}, arguments.policy, **{key: value for key, value in overrides.items() if value is not None}, **more
    )


def _processes(arguments: argparse.Namespace) -> int:
    """One a core, unless so little is asked for that starting them takes longer."""
    import os

    if arguments.processes is not None:
        return int(arguments.processes)
    return len(os.sched_getaffinity(0)) if arguments.runs >= SHARED_RUNS else 1


def _progress() -> Callable[[str, float], None]:
    """A line that is written over on a terminal; silence elsewhere."""

    def show(what: str, share: float) -> None:
        print(f"\r\x1b[K{share:4.0%}  {what}", end="", file=sys.stderr, flush=True)

    return show if sys.stderr.isatty() else lambda what, share: None


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)


def _json(arguments: argparse.Namespace, figures: dict[str, Any]) -> None:
    import json

    if arguments.json is not None:
        _write("--json", arguments.json, json.dumps(figures, indent=1) + "\n")


def _check_place(option: str, path: Path | None) -> None:
    """Before gates are simulated for half an hour. Raises InputError where `path` cannot be written."""
    import os

    from perfgate.errors import InputError

    if path is None:
        return
    if path.is_dir():
        raise InputError(f"{option} {path}: is a directory; give a file that can be written")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        why = "cannot be written" if path.parent.is_dir() else "its directory does not exist"
        raise InputError(f"{option} {path}: {why}; give a file that can be written")


def _write(option: str, path: Path, text: str) -> None:
    from perfgate.errors import InputError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{option} {path}: {error.strerror}; give a file that can be written") from error
