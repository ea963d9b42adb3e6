"""What a bisection says, on the way and at its end."""

from __future__ import annotations

import math

from perfgate.bisect.lineage import Lineage, Link
from perfgate.bisect.posterior import Posterior, cells
from perfgate.bisect.reading import Reading, moderated
from perfgate.bisect.search import Found, Known, Measure, NoRegression
from perfgate.stats.student import t_bound

TOP = 3
SHA = 12
MOST_SHOWN = 0.999
PART_SES = 2.0
PART = 0.25


def change_words(metric: str, reading: Reading, confidence: float = 0.95) -> str:
    """`+48.1 % [+44 %, +52 %]` of a latency; of errors and recall in points."""
    reach = t_bound((1 - confidence) / 2, reading.df) * reading.se
    low, high = reading.estimate - reach, reading.estimate + reach
    share = metric.endswith((" errors", " recall"))
    shown = [100 * (value if share else math.expm1(min(value, 50.0))) for value in (reading.estimate, low, high)]
    unit = "points" if share else "%"
    return f"{shown[0]:+.1f} {unit} [{shown[1]:+.1f}, {shown[2]:+.1f}]"


def measure_words(lineage: Lineage, step: Measure) -> str:
    """What is measured next, and why."""
    chance = "" if step.chance is None else f"; it has the regression with {100 * step.chance:.0f} %"
    return f"{step.why}: {commit_words(lineage, step.candidate)} against {step.base[:SHA]}, {step.pairs} pairs{chance}"


def posterior_words(now: Posterior, known: Known) -> str:
    """The likeliest commits with their shares; those that cannot be told apart together."""
    found = sorted(cells(now.lineage, known.unbuildable), key=lambda cell: -float(now.shares[cell].sum()))
    parts = []
    for cell in found[:TOP]:
        names = [link.sha[:SHA] for link, held in zip(now.lineage.links, cell, strict=True) if held]
        more = f" and {len(names) - 1} that do not build" if len(names) > 1 else ""
        parts.append(f"{names[-1]}{more} {100 * float(now.shares[cell].sum()):.0f} %")
    return ", ".join(parts)


def commit_words(lineage: Lineage, sha: str) -> str:
    """`0123456789ab (subject)`."""
    if sha == lineage.good:
        return f"{sha[:SHA]} (GOOD)"
    return f"{sha[:SHA]} ({lineage.links[lineage.place(sha)].subject})"


def found_lines(known: Known, found: Found, gates: int, command: str) -> list[str]:
    """The result. command: what measures the step again."""
    links = [known.lineage.links[known.lineage.place(sha)] for sha in found.suspects]
    percent = f"{100 * found.share:.1f} %" if found.share < MOST_SHOWN else f"over {100 * MOST_SHOWN:g} %"
    if len(links) == 1:
        head = f"{links[0].sha} brought it, with {percent} of the posterior"
    else:
        head = f"one of {len(links)} commits brought it, with {percent} of the posterior; all but the last do not build"
    lines = [head, *(line for link in links for line in _link_lines(link))]
    lines.append(f"  step:    {found.metric} {change_words(found.metric, found.step)} from {found.base[:SHA]} to "
                 f"{found.candidate[:SHA]} ({found.step.pairs} pairs)")  # fmt: skip
    lines.append(f"  of:      {change_words(found.metric, found.whole)} from GOOD to BAD ({found.whole.pairs} pairs)")
    lines.append(f"  gates:   {gates} in all, {len(known.unbuildable)} commits that do not build")
    lines.append(f"  again:   {command}")
    if rest := rest_words(found):
        lines.append(rest)
    return lines


def rest_words(found: Found) -> str:
    """Where this step does not look like all of what lies between GOOD and BAD; empty otherwise."""
    step, whole = moderated([found.step, found.whole])
    missing = whole.estimate - step.estimate
    if missing < PART_SES * math.hypot(whole.se, step.se) or missing < PART * whole.estimate:
        return ""
    return "  note:    this looks like a part of the regression only; bisect on both sides of it to find the rest"


def nothing_words(nothing: NoRegression) -> str:
    """Why there is nothing to find."""
    if nothing.metric is None or nothing.whole is None:
        return "no metric of BAD against GOOD could be measured; see the gates' directories"
    return (
        f"no regression between GOOD and BAD: the nearest is {nothing.metric} "
        f"{change_words(nothing.metric, nothing.whole)} after {nothing.whole.pairs} pairs. Give a commit that a gate has "
        "blocked as BAD, another --metric, or a policy that sees more (--policy standard)"
    )


def _link_lines(link: Link) -> list[str]:
    return [f"  commit:  {link.sha[:SHA]} {link.subject}", f"  author:  {link.author}, {link.authored}"]
