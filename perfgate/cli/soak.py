"""`perfgate soak`: a run over hours or days, and whether anything leaks or creeps."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate_controller.soak_loop import SoakTerms, SoakWatcher

    from perfgate.cli.common import Order
    from perfgate.run import RunRecord
    from perfgate.soak.checkpoint import Checkpoint

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate soak scenarios/soak/read_only.toml --target targets/embedded.toml --duration 72h --report-every 1h
  perfgate soak scenarios/soak/mixed.toml --target targets/embedded.toml --duration 60s --report-every 5s
  perfgate soak scenarios/soak/mixed.toml --target targets/mystore.toml --url http://10.0.0.5:7432
  perfgate soak --show .perfgate/runs/20261126-180000-soak-mixed-4711            # from any terminal, at any time
  perfgate soak --show DIR --follow                                              # until it has ended

Every period the run's directory gets a new checkpoint.json and soak.md: rate, latencies and failures of each period, the
store's memory, disk and processor time, and a straight line through each with its interval: does it rise by the hour? What
stood out (stalls, failures, a generator that was late, a store that ended) is listed. The record is bounded, however long
the run: at most 400 periods, then twice as long ones.

exit codes: 0 nothing is shown to creep or leak, 1 something is, or a limit was missed, 3 bad input, failure or INVALID"""


def add_parser(subparsers: Subparsers) -> None:
    from perfgate.cli.common import add_load_arguments
    from perfgate.cli.duration import add_duration_argument

    parser = subparsers.add_parser(
        "soak",
        help="a run over hours or days: does anything leak or creep?",
        description="Load a store for hours or days, and look for leaks and creeping latencies.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_load_arguments(parser, required=False)
    parser.add_argument("--variant", default=None, help="the build to start (default: the target file's first)")
    parser.add_argument(
        "--url", default=None, metavar="URL", help="load this running store instead; its memory is then not sampled"
    )
    add_duration_argument(parser)
    parser.add_argument(
        "--report-every", default="1h", metavar="TIME", help="the length of a period and of its report (%(default)s)"
    )
    parser.add_argument("--warmup", default="2s", metavar="TIME", help="load before that, discarded (%(default)s)")
    parser.add_argument("--show", type=Path, default=None, metavar="DIR", help="show the newest checkpoint of a soak")
    parser.add_argument("--follow", action="store_true", help="with --show: go on until the soak has ended")


def run(arguments: argparse.Namespace) -> int:
    """As of a run, and 1 where something creeps; with `--show` 1 where something does so far."""
    from perfgate.errors import InputError

    if arguments.show is not None:
        return _show(arguments.show, arguments.follow)
    if arguments.scenario is None or arguments.target is None:
        raise InputError(
            "SCENARIO and --target are needed; only --show does without; perfgate soak --help has examples"
        )
    return _soak(arguments)


def _soak(arguments: argparse.Namespace) -> int:
    import dataclasses

    from perfgate_controller.fleet import Fleet
    from perfgate_controller.run_loop import LoadRun, RunRequest
    from perfgate_controller.soak_loop import SoakWatcher

    from perfgate.address import Address
    from perfgate.cli.common import finish, host_turn, open_order, parse_time, run_with_fleet
    from perfgate.cli.duration import lasting
    from perfgate.gate.policy_load import run_policy
    from perfgate.progress import Progress

    order = open_order(arguments, "soak")
    order = dataclasses.replace(order, scenario=lasting(order.scenario, arguments.duration))
    first = next(iter(order.target.variants), "default")
    request = RunRequest(
        scenario=order.scenario,
        seed=order.seed,
        target=order.target,
        variant=order.variant("--variant", arguments.variant or first) if arguments.url is None else "",
        directory=order.directory,
        warmup_ns=parse_time(arguments.warmup, "--warmup") or 0,
        address=order.target.tls.applied(Address.parse(arguments.url, "--url")) if arguments.url is not None else None,
        policy=run_policy(order.scenario.gate),
    )
    terms = _terms(arguments, order, request.variant or arguments.url, request.warmup_ns, request.policy.max_lag_p99_ns)
    watchers: list[SoakWatcher] = []

    async def load(fleet: Fleet, progress: Progress) -> RunRecord:
        watchers.append(SoakWatcher(terms, progress, lambda made: _write_report(order.directory, made)))
        return await LoadRun(request, fleet, progress, watchers[0]).run()

    with host_turn(arguments, order):
        record = run_with_fleet(order, load)
    made = watchers[0].write("ended" if record.complete else "; ".join(record.warnings) or "broken off")
    record = finish(order, record, None)
    return _end(order, record, made)


def _terms(arguments: argparse.Namespace, order: Order, build: str, warmup_ns: int, lag_limit_ns: int) -> SoakTerms:
    from perfgate_controller.soak_loop import LATE_NS, SoakTerms

    from perfgate.cli.common import parse_time
    from perfgate.errors import InputError
    from perfgate.units import NS_PER_S

    every_ns = parse_time(arguments.report_every, "--report-every") or 0
    if every_ns < NS_PER_S:
        raise InputError(f"--report-every {arguments.report_every}: a period is at least a second long, as 1h or 5m")
    return SoakTerms(
        name=order.scenario.name, target=order.target.name, build=build, seed=order.seed,
        duration_ns=order.scenario.duration_ns, warmup_ns=warmup_ns, every_ns=every_ns, directory=order.directory,
        lag_limit_ns=lag_limit_ns, late_ns=min(LATE_NS, every_ns),
    )  # fmt: skip


def _write_report(directory: Path, made: Checkpoint) -> None:
    from perfgate.report.directory import write_text
    from perfgate.report.markdown import render_markdown
    from perfgate.report.soak_document import soak_document

    write_text(directory / "soak.md", render_markdown(soak_document(made, directory)))


def _end(order: Order, record: RunRecord, made: Checkpoint) -> int:
    from perfgate.cli.printing import printed_or_not
    from perfgate.report.soak_document import soak_end_document
    from perfgate.report.terminal import make_console, render
    from perfgate.report.words import exit_code

    with printed_or_not(order.directory):
        render(soak_end_document(record, made, order.directory), make_console())
    code = exit_code(record, None)
    return code or (1 if made.rising else 0)


def _show(directory: Path, follow: bool) -> int:
    """The newest checkpoint, and each that follows."""
    import time

    from perfgate.report.soak_document import soak_document
    from perfgate.report.terminal import make_console, render
    from perfgate.soak.checkpoint import read

    shown = -1
    while True:
        made = read(directory)
        if made.written_wall_ns != shown:
            shown = made.written_wall_ns
            render(soak_document(made, directory), make_console())
        if not follow or made.state != "running":
            return 1 if made.rising else 0
        time.sleep(1)
