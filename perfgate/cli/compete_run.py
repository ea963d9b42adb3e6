"""A competition from its files to its exit code."""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.errors import InputError

if TYPE_CHECKING:
    from perfgate_controller.compete_request import CompeteRequest

    from perfgate.compete.contender import Contender
    from perfgate.compete.facts import Facts
    from perfgate.compete.model import Measurement
    from perfgate.compete.outcome import Outcome
    from perfgate.compete.policy import CompetePolicy
    from perfgate.history.location import Location
    from perfgate.progress import Progress
    from perfgate.scenario.model import Scenario


def compete(arguments: argparse.Namespace, policy: CompetePolicy) -> int:
    """Exit code of the verdict."""
    from perfgate.cli.common import _make_directory
    from perfgate.cli.compete import parse_values
    from perfgate.compete.contender import make_contenders, read_entry, with_version
    from perfgate.compete.references import read_references
    from perfgate.history.location import find_location
    from perfgate.scenario import load_scenario

    scenario = load_scenario(arguments.scenario)
    if arguments.workers < 1:
        raise InputError(f"--workers {arguments.workers}: at least 1 is needed")
    values = parse_values(arguments.values)
    entries = [read_entry(given, values) for given in arguments.targets]
    for entry in entries:
        for operation in scenario.weights:
            if operation not in entry.target.operations:
                raise InputError(
                    f"{arguments.scenario}: operations.{operation.value}_weight is positive, but {entry.label} has no "
                    f"{operation.value} (it has {', '.join(sorted(entry.target.operations))}); set the weight to 0: what is "
                    "compared is what all stores can do"
                )
    history = find_location(arguments.history)
    if arguments.record and history is None:
        raise InputError("--record: the history is off; give one with --history")
    references = read_references(arguments.references) if arguments.references else ()
    directory = _make_directory(arguments.out, "compete", arguments.scenario.stem)
    contenders = make_contenders(entries, directory / "targets", policy.keep_loading)
    if arguments.ours_version:
        contenders = (with_version(contenders[0], arguments.ours_version), *contenders[1:])
    seed = scenario.seed if arguments.seed is None else arguments.seed
    request = _request(arguments, scenario, seed, contenders, policy, directory)
    measured = _measure(arguments, request)
    facts = _facts(request, measured, references)
    outcome = _decide(request, measured, facts, history, arguments.since)
    _finish(request, measured, facts, outcome)
    if arguments.record and history is not None:
        _record(history, request, measured, facts, outcome)
    return outcome.verdict.exit_code


def _request(
    arguments: argparse.Namespace, scenario: Scenario, seed: int, contenders: tuple[Contender, ...], policy: CompetePolicy,
    directory: Path,
) -> CompeteRequest:  # fmt: skip
    from perfgate_controller.compete_request import CompeteRequest

    from perfgate.cli.common import parse_time
    from perfgate.compete.rates import rate_search
    from perfgate.gate.policy_load import run_policy
    from perfgate.plan import Plan

    rate = Plan(scenario, seed).mean_rate
    return CompeteRequest(
        scenario=scenario, seed=seed, contenders=contenders, policy=policy, generator=run_policy(scenario.gate),
        directory=directory, time_limit_ns=parse_time(arguments.time_limit, "--time-limit"),
        rates=rate_search(scenario, rate, policy.rate_precision) if policy.p99_limit_ns else None,
        truth_fault=_truth_fault(scenario, seed),
    )  # fmt: skip


def _truth_fault(scenario: Scenario, seed: int) -> str:
    """The data are made here, or found in the cache that the agent uses too."""
    from perfgate_agent.command import default_cache_dir

    from perfgate.compete.truth_check import truth_fault
    from perfgate.dataset import build_dataset
    from perfgate.plan import Plan

    plan = Plan(scenario, seed)
    print("perfgate: making the data, or finding them in the cache", file=sys.stderr, flush=True)
    dataset = build_dataset(scenario, seed, default_cache_dir(), plan.store_pool, plan.num_queries)
    return truth_fault(dataset, scenario.data.num_nodes)


def _measure(arguments: argparse.Namespace, request: CompeteRequest) -> Measurement:
    from perfgate.cli.common import parse_time, run_until_signal
    from perfgate.host_queue import HostQueue
    from perfgate.report.live import make_progress
    from perfgate.units import NS_PER_S

    wait_ns = parse_time(arguments.wait, "--wait") or 0
    what = f"perfgate compete {arguments.scenario.name}"
    with (
        HostQueue().turn(what, wait_ns / NS_PER_S, lambda before, first: None),
        make_progress(sys.stderr) as progress,
    ):
        return run_until_signal(_with_agent(request, arguments.workers, progress))


async def _with_agent(request: CompeteRequest, workers: int, progress: Progress) -> Measurement:
    """One agent, on this machine: every store on the same host."""
    from perfgate_agent.command import default_cache_dir
    from perfgate_controller.compete_loop import Competition
    from perfgate_controller.fleet import dial
    from perfgate_controller.local import LocalAgents, local_agents
    from perfgate_controller.member import OWN

    from perfgate.progress import PhaseStarted

    files = tuple(file.resolve() for contender in request.contenders for file in contender.files)
    wanted = LocalAgents(1, workers, files, default_cache_dir(), (request.directory / "work").resolve())
    progress.handle(PhaseStarted("agents", "starting one on this machine"))
    async with (
        local_agents(wanted, request.directory) as addresses,
        dial(addresses, request.scenario.name, patience=OWN) as fleet,
    ):
        return await Competition(request, fleet, progress).run()


def _facts(request: CompeteRequest, measured: Measurement, references: Sequence[object]) -> Facts:
    from perfgate import __version__
    from perfgate.calibration.host import identity
    from perfgate.cli.common import own_command
    from perfgate.compete.facts import Facts, Reference

    described: dict[str, str] = next(iter(measured.environment.values()), {})
    return Facts(
        name=request.scenario.name, scenario=request.scenario.source, scenario_digest=request.scenario.digest,
        seed=request.seed, perfgate=__version__, controller=platform.node(), host=identity(described),
        command=own_command(sys.argv[1:]),
        references=tuple(one for one in references if isinstance(one, Reference)),
    )  # fmt: skip


def _decide(
    request: CompeteRequest, measured: Measurement, facts: Facts, history: Location | None, since: str | None
) -> Outcome:
    from datetime import UTC, datetime

    from perfgate.compete.outcome import decide
    from perfgate.compete.series import Past, series_of
    from perfgate.compete.theta import Theta

    stored: list[Past] = []
    if history is not None and (history.file is None or history.file.exists()):
        from perfgate.history.choice import parse_moment
        from perfgate.history.competitions import read_past
        from perfgate.history.database import opened

        since_ns = 0 if since is None else parse_moment(since, "--since", datetime.now(UTC))
        with opened(history) as engine, engine.connect() as connection:
            stored = [one for one in read_past(connection) if one.wall_ns >= since_ns]

    def past_of(theta: Theta) -> list[Past]:
        series = series_of(measured, theta, request.policy, request.scenario.digest, facts.host)
        return [one for one in stored if one.series == series]

    return decide(measured, request.policy, past_of)


def _finish(request: CompeteRequest, measured: Measurement, facts: Facts, outcome: Outcome) -> None:
    """Writes report.md, verdict.txt, frontier.svg and, last, result.json; shows the report."""
    from perfgate.cli.plot_frontier import draw_frontiers
    from perfgate.compete.document import compete_document, headline
    from perfgate.compete.frontiers import SEARCH
    from perfgate.report.directory import write_text
    from perfgate.report.markdown import render_markdown
    from perfgate.report.terminal import make_console, render

    directory, policy = request.directory, request.policy
    document = compete_document(facts, measured, policy, outcome, directory)
    write_text(directory / "report.md", render_markdown(document))
    write_text(directory / "verdict.txt", f"{outcome.verdict.word.value} {headline(measured, policy, outcome)}\n")
    if SEARCH in measured.operations:
        title = f"{facts.name}: recall and latency"
        write_text(directory / "frontier.svg", draw_frontiers(measured, outcome.frontiers, policy, title))
    text = json.dumps(result_of(request, measured, facts, outcome), allow_nan=False, separators=(",", ":"))
    write_text(directory / "result.json", text + "\n")
    shutil.rmtree(directory / "work", ignore_errors=True)
    render(document, make_console())


def result_of(request: CompeteRequest, measured: Measurement, facts: Facts, outcome: Outcome) -> dict[str, object]:
    """What result.json holds."""
    from perfgate.compete.result_json import result_json
    from perfgate.compete.series import series_of

    series = [
        series_of(measured, one.theta, request.policy, request.scenario.digest, facts.host) for one in outcome.standings
    ]
    return result_json(facts, measured, request.policy, outcome, series)


def _record(history: Location, request: CompeteRequest, measured: Measurement, facts: Facts, outcome: Outcome) -> None:
    from perfgate.cli.printing import warn
    from perfgate.history.recorder import record_competition

    warn(record_competition(history, result_of(request, measured, facts, outcome), request.directory))
