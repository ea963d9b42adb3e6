"""`perfgate compete --tracked`: how we stood in the stored sessions, as a table and as a picture."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfgate.errors import InputError
from perfgate.units import NS_PER_S, format_percent

if TYPE_CHECKING:
    from perfgate.history.competitions import Tracked
    from perfgate.report.document import Document, Row
    from perfgate.trend.standing import Course


def show_tracked(arguments: argparse.Namespace) -> int:
    """1 for an alert: somewhere we lose ground by more than 5 % a month."""
    from perfgate.cli.plot_trend import draw_trends
    from perfgate.report.directory import write_text
    from perfgate.report.markdown import render_markdown
    from perfgate.report.terminal import make_console, render
    from perfgate.trend.standing import courses

    if arguments.svg is not None and arguments.svg.suffix.lower() != ".svg":
        raise InputError(f"--svg {arguments.svg}: only SVG is drawn; name it .svg")
    found = courses(_read(arguments))
    if not found:
        raise InputError("no session that says anything is stored for that; perfgate compete … --record makes them")
    document = tracked_document(found)
    if arguments.svg is not None:
        title = f"{found[0].sessions[-1].ours}: response times against competitors"
        write_text(arguments.svg, draw_trends([one.outlook for one in found if one.newest], title))
    if arguments.markdown:
        sys.stdout.write(render_markdown(document))
    else:
        render(document, make_console())
    return 1 if any(one.outlook.alert for one in found if one.newest) else 0


def _read(arguments: argparse.Namespace) -> list[Tracked]:
    from perfgate.history.choice import parse_moment
    from perfgate.history.competitions import read_tracked
    from perfgate.history.database import opened
    from perfgate.history.location import find_location

    location = find_location(arguments.history)
    if location is None or (location.file is not None and not location.file.exists()):
        raise InputError(f"{location or 'the history is off'}: there are no sessions to read; give one with --history")
    since_ns = 0 if arguments.since is None else parse_moment(arguments.since, "--since", datetime.now(UTC))
    with opened(location) as engine, engine.connect() as connection:
        tracked = [one for one in read_tracked(connection) if one.wall_ns >= since_ns]
    if arguments.scenario is not None:
        from perfgate.scenario import load_scenario

        name = load_scenario(arguments.scenario).name
        tracked = [one for one in tracked if one.scenario == name]
    return tracked


def tracked_document(found: Sequence[Course]) -> Document:
    """The newest series of each competitor and metric, then those that ended, then what measured the last session."""
    from perfgate.report.document import Column, Document, Section, Table

    columns = (
        Column("against"), Column("version"), Column("metric"), Column("sessions", right=True), Column("newest", right=True),
        Column("interval", right=True), Column("4-week mean", right=True), Column("a month", right=True), Column("until"),
    )  # fmt: skip
    newest = [one for one in found if one.newest]
    ended = [one for one in found if not one.newest]
    last = max((one.sessions[-1] for one in found), key=lambda one: one.wall_ns)
    alerts = [one for one in newest if one.outlook.alert]
    note = (
        "ours against theirs, more is worse for us; interval: 95 %, of the newest session alone; a month: the slope over the "
        "newest four weeks; an alert needs more than 5 % a month and an interval above 0."
    )
    sections = (
        Section("Alerts", lines=tuple(_alerts(alerts))),
        Section("Standing", table=Table(columns, tuple(map(_row, newest))), note=note),
        Section("Ended series", table=Table(columns, tuple(map(_row, ended))), folded=True),
        Section("The last session", facts=tuple(_facts(last))),
    )
    word, tone = ("LOSING", "bad") if alerts else ("STEADY", "good")
    headline = (
        f"{last.ours}: {len(alerts)} of {len(newest)} ratios alert." if alerts else f"{last.ours}: no ratio alerts."
    )
    shown = tuple(section for section in sections if not section.empty)
    return Document(
        word, tone, headline, f"{last.scenario} · until {_day(last.wall_ns)}", shown, (("again", last.command),)
    )


def _alerts(alerts: Sequence[Course]) -> Iterator[str]:
    from perfgate.trend.outlook import sentence

    for one in alerts:
        yield sentence(one.outlook)


def _row(one: Course) -> Row:
    from perfgate.report.document import Row

    last, of = one.sessions[-1], one.outlook
    half = float(of.series.reach()[-1])
    cells = (
        last.competitor, last.version, last.metric, str(len(one.sessions)), _percent(last.mean),
        f"{_percent(last.mean - half)} … {_percent(last.mean + half)}", _percent(float(of.mean[-1])),
        "–" if of.slope is None else _percent(of.slope.estimate), _day(last.wall_ns),
    )  # fmt: skip
    return Row(cells, "bad" if of.alert and one.newest else "")


def _facts(last: Tracked) -> Iterator[tuple[str, str]]:
    yield "ours", f"{last.ours} {last.ours_version}"
    yield "host", ", ".join(f"{name} {value}" for name, value in last.host.items())
    yield "rounds", str(last.rounds)
    yield "verdict", last.verdict


def _day(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns / NS_PER_S, UTC).strftime("%Y-%m-%d")


def _percent(log_ratio: float) -> str:
    return format_percent(math.expm1(log_ratio), signed=True)
