"""Regressions too small for any single gate, week after week: seen only against an anchor that stays where it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from perfgate.simulate.case import Ask, Case, Row
from perfgate.simulate.profile import PROFILES
from perfgate.simulate.scene import Scene, batches, decide_all, scene
from perfgate.simulate.truth import Truth

WEEKLY = 0.01
WEEKS = 5
HOSTS = ("quiet", "typical", "noisy")


def rows(ask: Ask) -> list[Row]:
    """Each host: a week's candidate against the week before; then each week's against the anchor, at the policy's margin and
    at twice that. A baseline follows only what passed against both, so it stops at the first week that does not."""
    truths = [Truth(f"week{week}", "", (1 + WEEKLY) ** week - 1, everywhere=True) for week in range(1, WEEKS + 1)]
    of = scene(ask, "creep", truths)
    found = []
    for host in HOSTS:
        found.append(
            decide_all(f"{host} host, against the week before", ask.policy, batches(of, PROFILES[host], truths[0]))
        )
        for times in (1, 2):
            found += _against_anchor(of, host, truths, times)
    return found


def _against_anchor(of: Scene, host: str, truths: list[Truth], times: int) -> Iterator[Row]:
    policy = dataclasses.replace(of.ask.policy, margin=times * of.ask.policy.margin)
    passed = 1.0
    for week, truth in enumerate(truths, 1):
        if times > 1 and week < len(truths):
            continue
        label = f"{host} host, against the anchor of {week} weeks before, margin {100 * policy.margin:g} %"
        row = decide_all(label, policy, batches(of, PROFILES[host], truth))
        passed *= row.cleared
        figures = {**row.figures, "stopped by then %": 100 * (1 - passed)} if times == 1 else row.figures
        yield dataclasses.replace(row, figures=figures)


CASE = Case(
    "creep",
    f"all operations {100 * WEEKLY:g} % slower each week, {WEEKS} weeks in a row",
    "most weeks pass against the week before; against the anchor the baseline stops in the fifth week at the latest, but not "
    "where twice the margin is allowed",
    rows,
)
