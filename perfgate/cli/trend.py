"""`perfgate trend`: how metrics moved over weeks, against one anchor."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.errors import InputError

if TYPE_CHECKING:
    from perfgate.history.estimates import GateEstimate
    from perfgate.history.location import Location
    from perfgate.trend.assemble import Assembled
    from perfgate.trend.outlook import Outlook

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate trend
  perfgate trend --scenario "ci quick" --target mystore --metric "recall p99" --since 26w
  perfgate trend --repo . --svg trend.svg            # only commits of the main branch, as a picture
  perfgate trend --json --no-change-points

Gates that compared two commits are read from the history. From each of them a chain of gates leads to the anchor: the
golden build (perfgate baseline pin --golden), or else the first base of all. Direct comparisons with it and chains are
weighed by their variances, and those add up along a chain.

An alert needs a growth of more than 5 % a month over the newest four weeks, and an interval that lies above 0.
Change points need pip install 'perfgate[trend]'.

exit codes: 0 nothing to worry about, 1 an alert, 3 bad input or failure"""


def add_parser(subparsers: Subparsers) -> None:
    from perfgate.cli.common import add_history_argument

    parser = subparsers.add_parser(
        "trend",
        help="how metrics moved over weeks, against one anchor",
        description="How metrics moved over weeks, against one anchor, by the gates in the history.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--scenario", default=None, metavar="NAME", help="part of the scenario's name (needed where there are several)")
    add("--target", default=None, metavar="NAME", help="the target's name (needed where there are several)")
    add("--metric", action="append", default=None, metavar="NAME",
        help='a latency, such as "recall p99"; may be given again (default: the primary ones of the newest gate)')  # fmt: skip
    add("--since", default=None, metavar="TIME", help="show and judge points from then on: 26w, 90d, 2026-06-01")
    add(
        "--anchor", default=None, metavar="COMMIT", help="the id of a gated commit (default: golden, or the first base)"
    )
    add("--repo", type=Path, default=None, metavar="DIR", help="show only commits that its main branch holds")
    add("--branch", default=None, metavar="NAME", help="with --repo: another branch")
    add("--window", default="4w", metavar="TIME", help="what the slope is judged over (default: 4w)")
    add("--limit", type=float, default=0.05, metavar="FRACTION", help="growth a month over which it is an alert (0.05)")
    add("--svg", type=Path, default=None, metavar="FILE", help="draw it")
    add("--json", action="store_true", help="for programs")
    add("--no-change-points", action="store_true", help="do without ruptures")
    add_history_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """1 for an alert."""
    from perfgate.history.choice import parse_moment
    from perfgate.history.location import find_location
    from perfgate.trend.assemble import choose_anchor, choose_metrics
    from perfgate.trend.changes import load_ruptures
    from perfgate.trend.outlook import look_at

    _check(arguments)
    now = datetime.now(UTC)
    since_ns = 0 if arguments.since is None else parse_moment(arguments.since, "--since", now)
    window_ns = _now_ns(now) - parse_moment(arguments.window, "--window", now)
    location = find_location(arguments.history)
    if location is None or (location.file is not None and not location.file.exists()):
        where = location or "the history is off"
        raise InputError(
            f"{where}: no gates of commits yet; make some (perfgate gate --repo), or name another --history"
        )
    if not arguments.no_change_points:
        load_ruptures()
    estimates = _one_series(_read(arguments, location))
    metrics = choose_metrics(estimates, arguments.metric or ())
    anchor = choose_anchor(estimates, _golden(location, estimates[0]), arguments.anchor)
    assembled = [_assemble(arguments, estimates, metric, anchor, since_ns) for metric in metrics]
    shown = [one for one in assembled if len(one.series)]
    if not shown:
        raise InputError(
            f"no commit that was gated can be compared with the anchor {anchor[:12]}; give another --anchor"
        )
    outlooks = [
        look_at(one.series, len(shown), arguments.limit, window_ns, not arguments.no_change_points) for one in shown
    ]
    return _say(arguments, estimates[0], shown, outlooks)


def _check(arguments: argparse.Namespace) -> None:
    if not 0 < arguments.limit < 10:
        raise InputError(f"--limit {arguments.limit}: give a fraction over 0, such as 0.05 for 5 % a month")
    if arguments.branch is not None and arguments.repo is None:
        raise InputError(f"--branch {arguments.branch}: goes with --repo; give the repository as well")
    if arguments.svg is not None and arguments.svg.suffix.lower() != ".svg":
        raise InputError(
            f"--svg {arguments.svg}: only SVG is drawn; name it .svg, and convert it where a PNG is needed "
            "(rsvg-convert -o trend.png trend.svg)"
        )


def _read(arguments: argparse.Namespace, location: Location) -> list[GateEstimate]:
    from perfgate.history.choice import Choice
    from perfgate.history.database import opened
    from perfgate.history.estimates import gate_estimates

    choice = Choice(scenario=arguments.scenario or "", target=arguments.target or "")
    with opened(location) as engine, engine.connect() as connection:
        return gate_estimates(connection, choice)


def _one_series(estimates: list[GateEstimate]) -> list[GateEstimate]:
    """Raises InputError for none, and for several."""
    if not estimates:
        raise InputError("no gate of two commits is recorded here for that; perfgate gate --repo … makes them")
    found = sorted({(one.scenario, one.target) for one in estimates})
    if len(found) > 1:
        names = ", ".join(f"{scenario!r} on {target!r}" for scenario, target in found)
        raise InputError(f"there are gates of several: {names}; choose with --scenario and --target")
    return estimates


def _golden(location: Location, of: GateEstimate) -> str | None:
    from perfgate.history.baselines import GOLDEN, Series, read_baselines
    from perfgate.history.database import opened

    with opened(location) as engine, engine.connect() as connection:
        series = Series(of.scenario, of.target)
        found = [one for one in read_baselines(connection) if one.series == series and one.role == GOLDEN]
    return found[-1].commit_sha if found else None


def _assemble(
    arguments: argparse.Namespace, estimates: list[GateEstimate], metric: str, anchor: str, since_ns: int
) -> Assembled:
    import dataclasses

    from perfgate.trend.assemble import assemble

    only = None if arguments.repo is None else _on_branch(arguments, estimates)
    found = assemble(estimates, metric, anchor, only)
    return dataclasses.replace(found, series=found.series.since(since_ns))


def _on_branch(arguments: argparse.Namespace, estimates: list[GateEstimate]) -> set[str]:
    from perfgate.builds.git import Repository

    repository = Repository(arguments.repo)
    branch = repository.main(arguments.branch, "--branch")
    commits = {sha for one in estimates for sha in (one.base, one.candidate)}
    return {sha for sha in commits if repository.holds(branch, sha)}


def _say(arguments: argparse.Namespace, of: GateEstimate, shown: list[Assembled], outlooks: list[Outlook]) -> int:
    from perfgate.trend.outlook import sentence, to_json

    if arguments.svg is not None:
        from perfgate.cli.plot_trend import draw_trends

        title = f"{of.scenario} on {of.target}: change against {outlooks[0].series.anchor[:12]}"
        _write(arguments.svg, draw_trends(outlooks, title))
    if arguments.json:
        about = {"scenario": of.scenario, "target": of.target, "metrics": [to_json(one) for one in outlooks]}
        json.dump(about, sys.stdout, indent=1, allow_nan=False)
        print()
    else:
        _print(shown, outlooks)
    alerts = [one for one in outlooks if one.alert]
    for one in alerts if arguments.json else ():
        print(f"perfgate: {sentence(one)}", file=sys.stderr)
    return 1 if alerts else 0


def _print(shown: list[Assembled], outlooks: list[Outlook]) -> None:
    from perfgate.cli.trend_table import trend_table
    from perfgate.report.terminal import make_console, print_table
    from perfgate.trend.outlook import sentence, spread_words

    anchor = outlooks[0].series.anchor[:12]
    print(f"against {anchor}\n")
    print_table(trend_table(outlooks), make_console())
    print()
    for assembled, one in zip(shown, outlooks, strict=True):
        print(sentence(one))
        if words := spread_words(assembled.spread):
            print(f"  {words}")
    if lost := shown[0].unreachable:
        print(f"commits left out, since no chain of gates leads from them to {anchor}: {len(lost)}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--svg {path}: {error.strerror}; give a file that can be written") from error


def _now_ns(now: datetime) -> int:
    return round(now.timestamp() * 1_000_000) * 1000
