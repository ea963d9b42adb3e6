"""Recorded gates become series against one anchor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perfgate.errors import InputError
from perfgate.history.estimates import GateEstimate
from perfgate.trend.network import Edge, ordered, solve, t_variance
from perfgate.trend.series import Series

LATENCIES = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Assembled:
    """series: with at least one point. spread: how far gates contradict each other, as a factor of variance. unreachable:
    commits to which no chain of gates leads from the anchor."""

    series: Series
    spread: float
    unreachable: tuple[str, ...]


def choose_metrics(estimates: Sequence[GateEstimate], wanted: Sequence[str]) -> list[str]:
    """Those asked for, else the primary ones of the newest gate. Raises InputError for what is no latency of these gates."""
    known = list(dict.fromkeys(one.metric for one in estimates if one.statistic in LATENCIES))
    if wanted:
        for name in wanted:
            if name not in known:
                raise InputError(f"--metric {name!r}: no gate here has it; there are: {', '.join(known) or 'none'}")
        return list(dict.fromkeys(wanted))
    newest = estimates[-1].run_id
    return [
        one.metric for one in estimates if one.run_id == newest and one.primary and one.statistic in LATENCIES
    ] or known


def choose_anchor(estimates: Sequence[GateEstimate], golden: str | None, asked: str | None) -> str:
    """The commit that was asked for (an id or the beginning of one), else the golden one, else the first base of all. Raises
    InputError where no gate knows it, or several have that beginning."""
    commits = list(dict.fromkeys(sha for one in estimates for sha in (one.base, one.candidate)))
    if asked is not None:
        found = [sha for sha in commits if sha.startswith(asked)]
        if len(found) != 1:
            what = "no gate here is of such a commit" if not found else f"{len(found)} commits begin so"
            raise InputError(f"--anchor {asked}: {what}; give the id of one that was gated")
        return found[0]
    if golden is not None and golden in commits:
        return golden
    return estimates[0].base


def assemble(estimates: Sequence[GateEstimate], metric: str, anchor: str, only: set[str] | None = None) -> Assembled:
    """estimates: the oldest first; a commit's time is that of the first gate it was the candidate of (or the base, where it
    never was one). only: the commits that are shown; all of them carry chains."""
    own = [one for one in estimates if one.metric == metric]
    edges = [Edge(one.base, one.candidate, one.estimate, t_variance(one.se, one.df)) for one in own]
    levels = solve(edges, anchor)
    at_ns = first_seen(own)
    names, times, values, covariance = ordered(levels, at_ns, only)
    return Assembled(Series(metric, anchor, tuple(names), times, values, covariance), levels.spread, levels.unreachable)


def first_seen(estimates: Iterable[GateEstimate]) -> dict[str, int]:
    """By commit, in ns since 1970."""
    candidates: dict[str, int] = {}
    bases: dict[str, int] = {}
    for one in estimates:
        candidates.setdefault(one.candidate, one.started_wall_ns)
        bases.setdefault(one.base, one.started_wall_ns)
    return {**bases, **candidates}
