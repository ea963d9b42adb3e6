"""`perfgate calibrate`: how noisy this host is under a scenario, and what a gate on it will see."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfgate_controller.calibration_state import Earlier

    from perfgate.calibration.leak import Leak
    from perfgate.calibration.make import Measured
    from perfgate.calibration.profile import HostProfile
    from perfgate.cli.common import Order
    from perfgate.gate.policy import Policy

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate calibrate scenarios/ci/quick.toml --target targets/embedded.toml
  perfgate calibrate scenarios/ci/fast_regression_check.toml --target targets/mine.toml --pairs 30 --time-limit 15m
  perfgate calibrate scenarios/ci/quick.toml --target targets/embedded.toml --pairs 40 --add .perfgate/runs/…-calibrate-…
  perfgate calibrate scenarios/ci/quick.toml --target targets/embedded.toml --mode duet --leak-variant search_half_speed

One build runs against itself, pair after pair, just as a gate would measure it. What differs then is noise: from start to
start, slow drift, sampling and bursts. The profile that is written says how large each is, which regressions a gate here
blocks and how soon, how often it would raise a false alarm, and whether to trim more. `gate` and `plan` read it until it
expires. Do it again after a change of machine, kernel, scenario or target. Formulas and sources: docs/calibration.md.

A gate may load both builds at once (mode "duet") only with a profile of such pairs that also knows how much of one
build's slowness reaches the other: --leak-variant names a build that is clearly slower, and is run beside the other one.

exit codes: 0 profile written, 4 too few pairs yet (they are kept; --add goes on), 3 bad input or failure"""


USUAL_PAIRS = 20


def add_parser(subparsers: Subparsers) -> None:
    from perfgate.cli.calibrate_leak import add_leak_arguments
    from perfgate.cli.common import add_load_arguments

    parser = subparsers.add_parser(
        "calibrate",
        help="how noisy this host is under a scenario, and what a gate on it will see",
        description="Run one build against itself and write a host profile: the noise, and what a gate will see.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_load_arguments(parser)
    parser.add_argument(
        "--variant", default="default", help="the build, of the target file; any that works (default: default)"
    )
    parser.add_argument(
        "--pairs", type=int, default=None, metavar="N",
        help="in all, with those of --add (default: 20, and with [gate] starts what 10 couples of processes serve; from 8 on)",
    )  # fmt: skip
    parser.add_argument(
        "--add", type=Path, action="append", default=[], metavar="DIR",
        help="directory of an earlier calibration whose pairs count, too; may be given again",
    )  # fmt: skip
    parser.add_argument("--time-limit", default=None, metavar="TIME", help="hard stop, as 90s, 15m, 1h")
    parser.add_argument(
        "--policy", default=None, metavar="NAME|FILE",
        help="of the gates to come: standard, quick or a file, see perfgate policy (default: the scenario's [gate])",
    )  # fmt: skip
    add_leak_arguments(parser)
    parser.add_argument(
        "--profile", type=Path, default=None, metavar="FILE",
        help="the profile to write (default: .perfgate/hosts/TARGET-SCENARIO-POLICY-….json, where gate and plan look)",
    )  # fmt: skip
    parser.add_argument("--days", type=float, default=30.0, metavar="N", help="until it expires (default: 30)")


@dataclass(slots=True)
class Session:
    """What one calibration knows, from the command line on. terms: without the host until an agent has told it."""

    order: Order
    policy: Policy
    slice_ns: int
    variant: str
    wanted: int
    limit_ns: int | None
    terms: dict[str, Any]
    earlier: Earlier
    leak_variant: str = ""
    leak_blocks: int = 0
    leak: Leak | None = None
    ended: str = ""
    cut: bool = False


def run(arguments: argparse.Namespace) -> int:
    """0 a profile was written, 4 too few pairs yet, which are kept."""
    from perfgate.cli.common import host_turn, run_with_fleet

    session = _session(arguments)
    if session.wanted > len(session.earlier.pairs) or session.leak_variant:
        with host_turn(arguments, session.order):
            run_with_fleet(session.order, lambda fleet, progress: _measure(session, fleet, progress))
    measured = _measured(session)
    if session.cut or measured.usable < _least():
        return _too_few(session, measured)
    return _conclude(session, measured, arguments)


def _session(arguments: argparse.Namespace) -> Session:
    """Raises InputError for anything wrong, before anything is started."""
    import math

    from perfgate_controller.calibration_state import make_terms, read_earlier
    from perfgate_controller.schedule import slice_length_ns

    from perfgate.calibration.make import LEAST_PAIRS, MOST_PAIRS
    from perfgate.cli.calibrate_leak import leak_variant
    from perfgate.cli.common import open_order, parse_time
    from perfgate.errors import InputError
    from perfgate.gate.policy_choice import choose_policy
    from perfgate.plan import Plan

    if arguments.pairs is not None and not 2 <= arguments.pairs <= MOST_PAIRS:
        raise InputError(f"--pairs {arguments.pairs}: give {LEAST_PAIRS} to {MOST_PAIRS}; 20 is usual")
    if not (math.isfinite(arguments.days) and 0 < arguments.days <= 366):
        raise InputError(f"--days {arguments.days:g}: give more than 0 and at most 366; 30 is usual")
    limit_ns = parse_time(arguments.time_limit, "--time-limit")
    order = open_order(arguments, "calibrate")
    variant = order.variant("--variant", arguments.variant)
    mode = {} if arguments.mode is None else {"mode": arguments.mode}
    # Where a gate's processes serve several pairs, so do these: what it borrows is how such couples of processes differ.
    policy = choose_policy(order.scenario.gate, arguments.policy, **mode)
    slower = leak_variant(arguments, order, policy)
    slice_ns = slice_length_ns(policy, order.scenario, Plan(order.scenario, order.seed).mean_rate)
    terms = make_terms(order.scenario, order.target.name, variant, order.seed, policy, slice_ns, {})
    del terms["host"]
    earlier = read_earlier(arguments.add, terms, policy)
    wanted = _usual_pairs(policy) if arguments.pairs is None else arguments.pairs
    return Session(order, policy, slice_ns, variant, wanted, limit_ns, terms, earlier, slower, arguments.leak_blocks)


def _usual_pairs(policy: Policy) -> int:
    """As many as gates ask for: 20 with processes of their own, or what the couples serve that a gate may borrow from."""
    from perfgate.calibration.make import MOST_PAIRS
    from perfgate.gate.restarts import CALIBRATED_STARTS

    return min(MOST_PAIRS, CALIBRATED_STARTS // 2 * policy.pairs_a_start) if policy.starts else USUAL_PAIRS


async def _measure(session: Session, fleet: Any, progress: Any) -> None:
    """The missing pairs, and the leak."""
    from perfgate.cli.calibrate_leak import measure_leak

    if session.wanted > len(session.earlier.pairs):
        await _measure_pairs(session, fleet, progress)
    if session.leak_variant and not session.cut:
        about = (session.order, session.policy, session.variant, session.leak_variant, session.leak_blocks)
        session.leak = await measure_leak(*about, session.limit_ns, fleet, progress)


async def _measure_pairs(session: Session, fleet: Any, progress: Any) -> None:
    """The missing pairs. They are in `session.earlier` afterwards, and in the directory."""
    from perfgate_controller.calibrate_loop import Calibration, CalibrationRequest
    from perfgate_controller.calibration_state import State, read_earlier, write_state
    from perfgate_controller.gate_loop import GateRequest

    from perfgate.calibration.host import identity
    from perfgate.pair import Pair
    from perfgate.segment import Arm

    order, earlier = session.order, session.earlier
    session.terms["host"] = identity(fleet.host.environment)
    read_earlier([Path(source) for source in earlier.sources], session.terms, session.policy)  # of this host?
    first, start_ns, spent_ns = earlier.next_number, earlier.plan_at_ns, earlier.measuring_ns
    sources, spoilt = tuple(earlier.sources), []

    def keep(pair: Pair, plan_at_ns: int, took_ns: int) -> None:
        earlier.pairs.append(pair)
        earlier.measuring_ns = spent_ns + took_ns
        spoilt.extend([] if pair.usable else [pair.number])
        done = pair.number - first + 1
        write_state(
            order.directory,
            State(session.terms, sources, first, start_ns, done, tuple(spoilt), plan_at_ns, took_ns),
        )

    builds = dict.fromkeys(Arm, session.variant)
    request = GateRequest(
        order.scenario, order.seed, order.target, builds, session.policy, order.directory, session.limit_ns
    )
    missing = session.wanted - len(earlier.pairs)
    loop = Calibration(CalibrationRequest(request, missing, first, start_ns, keep), fleet, progress)
    await loop.calibrate()
    session.ended, session.cut = loop.ended, loop.cut


def _measured(session: Session) -> Measured:
    """Raises MeasurementError where the pairs say nothing, however many there are."""
    from perfgate_controller.calibration_state import read_state

    from perfgate.calibration.make import Measured
    from perfgate.errors import MeasurementError
    from perfgate.gate.validity import fatal_problems, usable_pairs

    order, pairs = session.order, tuple(session.earlier.pairs)
    usable = usable_pairs(pairs)
    for problem in fatal_problems(usable, session.policy, tuple(order.scenario.weights), order.scenario.validation):
        raise MeasurementError(f"these pairs say nothing: {problem.text}; {problem.remedy}")
    host = session.terms.get("host") or read_state(Path(session.earlier.sources[0])).terms["host"]
    each_ns = session.earlier.measuring_ns // max(1, len(pairs))
    return Measured(
        pairs, host, order.target.name, session.variant, order.scenario, session.policy, session.slice_ns, each_ns
    )


def _conclude(session: Session, measured: Measured, arguments: argparse.Namespace) -> int:
    """Write the profile and show it."""
    from datetime import UTC, datetime

    from perfgate.calibration.choose import policy_label
    from perfgate.calibration.document import profile_document
    from perfgate.calibration.make import make_profile
    from perfgate.calibration.profile_file import default_path, write_profile
    from perfgate.report.terminal import make_console, render

    order = session.order
    now = datetime.now(UTC).replace(microsecond=0)
    profile = make_profile(measured, now, order.seed, arguments.days, _tick(), session.leak)
    path = arguments.profile or default_path(order.target.name, order.scenario, policy_label(session.policy))
    write_profile(path, profile)
    write_profile(order.directory / "profile.json", profile)
    _tidy(order)
    _record(order, profile, path)
    render(profile_document(profile, session.policy, path, order.directory, _short(session, profile)), make_console())
    return 0


def _record(order: Order, profile: HostProfile, path: Path) -> None:
    """In the history, too."""
    if order.history is not None:
        from perfgate.calibration.profile_json import profile_to_json
        from perfgate.cli.printing import warn
        from perfgate.history.recorder import record_profile

        warn(record_profile(order.history, profile_to_json(profile), path))


def _short(session: Session, profile: HostProfile) -> str:
    """A word on pairs that are missing; empty where none is."""
    if profile.pairs >= session.wanted:
        return ""
    why = f" ({session.ended})" if session.ended else ", the others do not count"
    return (
        f"{profile.pairs} usable pairs of {session.wanted}{why}: {_go_on(session, session.wanted + _unused(session))}"
    )


def _unused(session: Session) -> int:
    from perfgate.gate.validity import usable_pairs

    return len(session.earlier.pairs) - len(usable_pairs(session.earlier.pairs))


def _too_few(session: Session, measured: Measured) -> int:
    """Say what is kept and how to go on."""
    wanted = max(session.wanted, _least())
    missing = wanted - measured.usable
    why = f"{session.ended}; " if session.ended else ""
    _tidy(session.order)
    print(
        f"perfgate: {why}{measured.usable} usable pairs are kept, {missing} more are needed for a profile; go on with\n"
        f"  {_go_on(session, wanted + _unused(session))}",
        file=sys.stderr,
    )
    return 4


def _go_on(session: Session, pairs: int) -> str:
    """The command that adds to what there is."""
    import shlex

    from perfgate.cli.common import own_command

    words, kept, skip = shlex.split(own_command(sys.argv[1:])), [], False
    for word in words:
        name = word.partition("=")[0]
        if not skip and name not in ("--pairs", "--add"):
            kept.append(word)
        skip = not skip and word in ("--pairs", "--add")
    directory = session.order.directory if (session.order.directory / "calibration.json").exists() else None
    added = [str(directory)] if directory else session.earlier.sources
    return shlex.join([*kept, "--pairs", str(pairs), *(word for one in added for word in ("--add", one))])


def _tidy(order: Order) -> None:
    import shutil

    shutil.rmtree(order.directory / "work", ignore_errors=True)


def _least() -> int:
    from perfgate.calibration.make import LEAST_PAIRS

    return LEAST_PAIRS


def _tick() -> Any:
    """A line that is written over on a terminal; silence elsewhere."""

    def show(share: float) -> None:
        print(
            f"\r\x1b[K{share:4.0%}  gates resampled", end="" if share < 1 else "\r\x1b[K", file=sys.stderr, flush=True
        )

    return show if sys.stderr.isatty() else lambda share: None
