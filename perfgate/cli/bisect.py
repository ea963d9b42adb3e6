"""`perfgate bisect`: find the commit that brought a regression, by short gates."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.errors import InputError

if TYPE_CHECKING:
    from perfgate.bisect.hunt import OutOfTime
    from perfgate.bisect.journal import Journal
    from perfgate.bisect.lineage import Lineage
    from perfgate.bisect.search import Found, Known, Measure, Settings, Step
    from perfgate.cli.bisect_gates import RealGates
    from perfgate.gate.policy import Policy

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate bisect SCENARIO --target targets/mystore.toml --repo . v1.4 HEAD
  perfgate bisect SCENARIO --target targets/mystore.toml --repo . v1.4 HEAD --metric "embedding_search p95"
  perfgate bisect SCENARIO --target targets/mystore.toml --repo . v1.4 HEAD --policy quick --time-limit 30m
  perfgate bisect SCENARIO --target targets/mystore.toml --repo . v1.4 HEAD --policy quick --resume

GOOD is gated against BAD first; a commit between them is looked for only where BAD is worse beyond doubt. Then GOOD is
gated, a few pairs at a time, against the commit that has the regression as probably as not. What each gate estimates
moves the probability of every commit; when one of them has 95 % of it, the step itself is measured, from the commit
before to this one. Commits that do not build are passed over.

All gates are kept, in .perfgate/bisect and not in the history, as they are too short for a verdict. After an
interruption or a time limit the same command with --resume goes on.
Between two gates this host is left to whoever queues for it; --wait (here 30m) is how long to queue in turn.

exit codes: 0 found, 3 bad input, no regression between GOOD and BAD, or failure, 4 not decided within the limit"""
NS_PER_S = 1_000_000_000
OVERHEAD_NS = 10 * NS_PER_S
"""Of a gate before the first one has shown what it is: builds, agent, data, starts."""


def add_parser(subparsers: Subparsers) -> None:
    from perfgate.cli.calibrated import add_profile_arguments
    from perfgate.cli.common import add_load_arguments

    parser = subparsers.add_parser(
        "bisect",
        help="find the commit that brought a regression, by short gates",
        description="Find the commit between GOOD and BAD that brought a regression, with as few gates as the noise allows.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_load_arguments(parser)
    parser.set_defaults(wait="30m")
    parser.add_argument("good", metavar="GOOD", help="a commit, branch or tag that was fast; an ancestor of BAD")
    parser.add_argument("bad", metavar="BAD", help="one that is slow")
    parser.add_argument("--repo", type=Path, required=True, metavar="DIR", help="the git repository")
    parser.add_argument(
        "--metric", default=None, metavar="NAME",
        help='such as "embedding_search p95" (default: the one in which BAD is most clearly worse)',
    )  # fmt: skip
    parser.add_argument(
        "--policy", default=None, metavar="NAME|FILE", help="as of perfgate gate; says how long a pair is"
    )
    parser.add_argument("--variant", default=None, metavar="VARIANT", help="of the target file, as of perfgate gate")
    parser.add_argument("--first-parent", action="store_true", help="only commits of the main branch: a merge is one")
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.95,
        metavar="SHARE",
        help="of the posterior that one commit must have (0.95)",
    )
    parser.add_argument("--time-limit", default=None, metavar="TIME", help="begin no gate that would not end by then")
    parser.add_argument("--resume", action="store_true", help="go on with the gates that there are already")
    add_profile_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """0 found, 3 nothing to find, 4 not decided."""
    from perfgate.bisect.ancestry import read_lineage
    from perfgate.bisect.search import Settings
    from perfgate.builds.git import Repository
    from perfgate.cli.bisect_gates import RealGates
    from perfgate.cli.common import parse_time
    from perfgate.gate.policy_choice import choose_policy
    from perfgate.scenario import load_scenario

    if not 0.5 < arguments.confidence < 1:
        raise InputError(f"--confidence {arguments.confidence}: give a share over 0.5 and under 1, such as 0.95")
    limit_ns = parse_time(arguments.time_limit, "--time-limit")
    scenario = load_scenario(arguments.scenario)
    policy = choose_policy(scenario.gate, arguments.policy)
    _check(arguments, policy)
    repository = Repository(arguments.repo)
    good, bad = repository.commit(arguments.good, "GOOD"), repository.commit(arguments.bad, "BAD")
    lineage = read_lineage(repository, good, bad, arguments.first_parent)
    settings = Settings(arguments.confidence, arguments.metric, most_pairs=policy.looks[-1])
    journal = _journal(arguments, lineage, policy)
    ends_ns = None if limit_ns is None else time.monotonic_ns() + limit_ns
    gates = RealGates(arguments, policy, repository, lineage, journal.path.with_suffix(""), ends_ns)
    return _hunt(arguments, lineage, journal, gates, settings, _Clock(policy, journal, ends_ns))


def _check(arguments: argparse.Namespace, policy: Policy) -> None:
    if arguments.agents or arguments.fleet:
        raise InputError(
            "--agents: builds lie on this machine alone, and agents elsewhere cannot start them; leave it away"
        )
    if arguments.out is not None:
        raise InputError("--out: the gates of a bisection lie in .perfgate/bisect; leave it away")
    if policy.mode == "duet":
        raise InputError('mode = "duet": a bisection measures in alternation; give --policy standard or quick')
    if policy.starts:
        raise InputError(
            "gate.starts: a bisection starts fresh processes for each pair; give --policy standard or quick"
        )


def _journal(arguments: argparse.Namespace, lineage: Lineage, policy: Policy) -> Journal:
    """Of what determines the answers; the metric is none of it: each gate measures them all."""
    from perfgate.bisect.journal import journal_of
    from perfgate.scenario import load_scenario
    from perfgate.targets.load import load_target

    target, digest = load_target(arguments.target), load_scenario(arguments.scenario).digest
    if target.build is None:
        raise InputError(f"{arguments.target}: has no [build], so no commit of it can be built; add one")
    parts = [lineage.good, *(link.sha for link in lineage.links), digest, target.source, repr(policy)]
    parts += [str(arguments.variant), str(arguments.seed), str(arguments.workers)]
    journal = journal_of(*parts)
    if journal.exists and not arguments.resume:
        done = len(journal.read(lineage).answers)
        raise InputError(
            f"{journal.path}: {done} gates of this bisection are there; --resume goes on, removing it begins anew"
        )
    if not journal.exists:
        shown = {"good": lineage.good, "bad": lineage.links[-1].sha, "commits": len(lineage)}
        journal.begin({**shown, "scenario": digest, "target": target.name})
    return journal


class _Clock:
    """Whether there is time for a gate. ends_ns: monotonic, or None."""

    def __init__(self, policy: Policy, journal: Journal, ends_ns: int | None) -> None:
        self._pair_ns = 2 * (policy.warmup_ns + policy.measured_ns)
        self._journal = journal
        self._ends_ns = ends_ns

    def enough(self, pairs: int) -> bool:
        if self._ends_ns is None:
            return True
        took = self._journal.durations()
        each = sum(took[-5:]) // len(took[-5:]) if took else OVERHEAD_NS
        return time.monotonic_ns() + max(each, pairs * self._pair_ns + OVERHEAD_NS // 2) < self._ends_ns


def _hunt(
    arguments: argparse.Namespace,
    lineage: Lineage,
    journal: Journal,
    gates: RealGates,
    settings: Settings,
    clock: _Clock,
) -> int:
    from perfgate.bisect.hunt import hunt
    from perfgate.bisect.words import measure_words

    _say(f"{len(lineage)} commits between {lineage.good[:12]} and {lineage.links[-1].sha[:12]}; kept in {journal.path}")

    def told(known: Known, step: Measure) -> None:
        _posterior(known, settings)
        _say(f"gate {len(known.answers) + 1}: {measure_words(lineage, step)}")

    known, end = hunt(lineage, journal, gates, settings, told, clock.enough)
    return _end(arguments, known, end, settings)


def _end(arguments: argparse.Namespace, known: Known, end: Step | OutOfTime, settings: Settings) -> int:
    from perfgate.bisect.search import Found, NoRegression
    from perfgate.bisect.words import found_lines, nothing_words

    match end:
        case Found():
            command = _gate_command(arguments, end)
            print("\n".join(found_lines(known, end, len(known.answers), command)))
            return 0
        case NoRegression():
            raise InputError(nothing_words(end))
        case _:
            best = _posterior(known, settings)
            print(f"not decided after {len(known.answers)} gates; the best candidates: {best or 'none yet'}")
            print("the same command with --resume goes on; give it more time, or a policy with longer pairs")
            return 4


def _gate_command(arguments: argparse.Namespace, found: Found) -> str:
    import shlex

    words = [
        "perfgate",
        "gate",
        str(arguments.scenario),
        "--target",
        str(arguments.target),
        "--repo",
        str(arguments.repo),
    ]
    words += ["--base", found.base[:12], "--candidate", found.candidate[:12]]
    for option in ("policy", "variant"):
        if (value := getattr(arguments, option)) is not None:
            words += [f"--{option}", str(value)]
    return shlex.join(words)


def _posterior(known: Known, settings: Settings) -> str:
    """The best candidates, which are shown as well; empty while no regression is known."""
    from perfgate.bisect.posterior import posterior
    from perfgate.bisect.search import regressed_metric
    from perfgate.bisect.words import posterior_words

    if not known.answers or (metric := regressed_metric(known, settings)) is None:
        return ""
    words = posterior_words(posterior(known.lineage, known.answers, metric), known)
    _say(f"{metric}: {words}")
    return words


def _say(text: str) -> None:
    print(f"perfgate: {text}", file=sys.stderr, flush=True)
