"""`perfgate compete`: stores against each other at equal recall, and whether we lost against any of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfgate.errors import InputError

if TYPE_CHECKING:
    from perfgate.compete.policy import CompetePolicy

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate compete scenarios/competitive/search_only.toml --targets targets/engram.toml targets/redis.toml
  perfgate compete SCENARIO --targets ours.toml theirs.toml:tuned --recall 0.9 --p99-limit 10ms --time-limit 1h
  perfgate compete SCENARIO --targets ours.toml theirs.toml --record        # once a week: keeps the session for later ones
  perfgate compete --tracked --svg standing.svg                             # how we stood, week by week; measures nothing

The first target is ours. FILE:VARIANT takes another variant than `default`. Each file needs [about] with durability and a
version; [search] names the option that trades recall for time and its values: latencies are compared at equal recall, on each
store's frontier. In each round every store has a fresh process, all but one of them paused; they are measured in short slices
that alternate, so that noise of this host meets them alike, with the same data, arrivals and queries, for as many rounds as the
ratios ask for. Where a store cannot be paused (a container), each has its turn in one piece.

Who is faster today is said in any case. Whether we lost more than the margin is said once four sessions are stored: BLOCK when
we did, with confidence. Another version of a competitor begins a new series. docs/compete.md has the rules.

exit codes: 0 PASS, 2 BLOCK, 3 INVALID, bad input or failure, 4 INCONCLUSIVE"""


def add_parser(subparsers: Subparsers) -> None:
    from perfgate.cli.common import add_history_argument

    parser = subparsers.add_parser(
        "compete",
        help="stores against each other at equal recall, and whether we lost",
        description="Measure stores against each other at equal recall, and tell whether we lost against any of them.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("scenario", type=Path, metavar="SCENARIO", nargs="?", help="the scenario file (TOML)")
    add("--targets", nargs="+", default=[], metavar="FILE[:VARIANT]", help="target files, ours first")
    add("--recall", type=float, default=None, metavar="SHARE", help="where latencies are compared (default: 0.95)")
    add("--values", default=None, metavar="V,…", help="of every search parameter, instead of those of the target files")
    add("--primary", choices=("p50", "p95", "p99"), default=None, help="the quantile that is judged (default: p95)")
    add("--margin", type=float, default=None, metavar="FRACTION", help="what may be lost (default: 0.10)")
    add("--rounds", default=None, metavar="N|N-M", help="how many; from N to M, as the ratios ask for (default: 6-20)")
    add(
        "--precision",
        type=float,
        default=None,
        metavar="FRACTION",
        help="how well ratios are to be known (default: 0.03)",
    )
    add("--measured", default=None, metavar="TIME", help="of each value, store and round (default: 3s)")
    add(
        "--slice",
        default=None,
        metavar="TIME",
        help="stores alternate in slices of it, all others paused; 0: one after the other in one piece (default: 250ms)",
    )
    add("--warmup", default=None, metavar="TIME", help="at most, until a store is stable (default: 10s)")
    add(
        "--p99-limit",
        default=None,
        metavar="TIME",
        help="also search for the highest rate held with every p99 within it",
    )
    add(
        "--memory", default=None, metavar="SIZE", help="what each store may hold resident, as 2g or 512m; it is watched"
    )
    add(
        "--own-loading",
        action="store_true",
        help="load with each target's own batch and connections, not what all can do",
    )
    add(
        "--ours-version",
        default=None,
        metavar="TEXT",
        help="our version, such as a commit, instead of the target file's",
    )
    _add_sessions(add)
    add_history_argument(parser)


def _add_sessions(add: Callable[..., Any]) -> None:
    """What is kept and shown of sessions, and where this one runs."""
    add("--references", type=Path, default=None, metavar="FILE", help="published figures of others (TOML), shown apart")
    add("--record", action="store_true", help="keep the session in the history, for later ones to be held against")
    add("--since", default=None, metavar="TIME", help="only stored sessions from then on count: 8w, 2026-09-01")
    add("--tracked", action="store_true", help="show how we stood in the stored sessions; measures nothing")
    add("--svg", type=Path, default=None, metavar="FILE", help="with --tracked: draw it")
    add("--markdown", action="store_true", help="with --tracked: the table for a README")
    add("--time-limit", default=None, metavar="TIME", help="no round is begun that would end later, as 45m, 1h")
    add("--seed", type=int, default=None, help="of schedule, data and order (default: the scenario's)")
    add("--workers", type=int, default=1, metavar="N", help="worker processes that make the load (default: 1)")
    add("--out", type=Path, default=None, metavar="DIR", help="the run's directory (default: .perfgate/runs/…)")
    add("--wait", default="0s", metavar="TIME", help="how long to queue while this host measures something else")


def run(arguments: argparse.Namespace) -> int:
    """Exit code of the verdict."""
    if arguments.tracked:
        from perfgate.cli.compete_tracked import show_tracked

        return show_tracked(arguments)
    if arguments.scenario is None or not arguments.targets:
        raise InputError(
            "SCENARIO and --targets are needed; only --tracked does without; perfgate compete --help has examples"
        )
    if arguments.svg is not None or arguments.markdown:
        raise InputError("--svg and --markdown go with --tracked; a run draws frontier.svg into its own directory")
    from perfgate.cli.compete_run import compete

    return compete(arguments, make_policy(arguments))


def make_policy(arguments: argparse.Namespace) -> CompetePolicy:
    """The command line's numbers, checked. Raises InputError."""
    import dataclasses

    from perfgate.cli.common import parse_time
    from perfgate.compete.policy import CompetePolicy, check_policy

    base = CompetePolicy()
    asked: dict[str, Any] = {name: getattr(arguments, name) for name in ("recall", "primary", "margin", "precision")}
    asked["measured_ns"] = parse_time(arguments.measured, "--measured")
    asked["slice_ns"] = parse_time(arguments.slice, "--slice")
    asked["p99_limit_ns"] = parse_time(arguments.p99_limit, "--p99-limit")
    if (warmup_ns := parse_time(arguments.warmup, "--warmup")) is not None:
        asked["warmup_windows"] = max(2, -(-warmup_ns // base.warmup_ns))
    if arguments.rounds is not None:
        asked["min_rounds"], asked["max_rounds"] = parse_rounds(arguments.rounds)
    if arguments.memory is not None:
        asked["memory_bytes"] = parse_size(arguments.memory)
    policy = dataclasses.replace(
        base, keep_loading=arguments.own_loading, **{name: value for name, value in asked.items() if value is not None}
    )
    check_policy(policy)
    return policy


def parse_values(text: str | None) -> tuple[int | float, ...]:
    """`10,20,40`; nothing for None. Raises InputError."""
    if text is None:
        return ()
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"--values {text}: give numbers, as 10,20,40") from error
    return tuple(int(number) if number.is_integer() else number for number in numbers)


def parse_rounds(text: str) -> tuple[int, int]:
    """`8` or `6-20`. Raises InputError."""
    first, _, last = text.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()) or text.endswith("-"):
        raise InputError(f"--rounds {text}: give a number of rounds, or from-to, as 6-20")
    return int(first), int(last or first)


def parse_size(text: str) -> int:
    """`512m`, `2g` or bytes. Raises InputError."""
    units = {"k": 1024, "m": 1024**2, "g": 1024**3}
    number, scale = (text[:-1], units[text[-1].lower()]) if text and text[-1].lower() in units else (text, 1)
    try:
        size = round(float(number) * scale)
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise InputError(f"--memory {text}: give a size, as 512m or 2g")
    return size
