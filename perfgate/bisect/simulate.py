"""How often a bisection is right, and how many gates it takes, on simulated gates of known noise.

python -m perfgate.bisect.simulate --commits 30 --step 0.2 --pair-sd 0.1 --runs 1000
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from perfgate.bisect.lineage import Lineage, Link, make_lineage
from perfgate.bisect.reading import Answer, Reading
from perfgate.bisect.search import Found, Known, Measure, NoRegression, Settings, Undecided, next_step

METRIC = "embedding_search p95"
Effects = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """gates: with those of BAD against GOOD and of the step itself. pairs: of all of them."""

    end: Found | NoRegression | Undecided
    gates: int
    pairs: int


@dataclass(slots=True)
class Noise:
    """Gates whose pairs vary by pair_sd. broken: share of gates that are off by ten standard errors, for no reason that
    their own error would show."""

    pair_sd: float
    rng: np.random.Generator
    broken: float = 0.0

    def gate(self, truth: float, pairs: int) -> Reading:
        """One gate of a true effect."""
        values = truth + self.pair_sd * self.rng.standard_normal(pairs)
        if self.rng.random() < self.broken:
            values += 10 * self.pair_sd / math.sqrt(pairs) * self.rng.choice([-1, 1])
        return Reading(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(pairs), pairs - 1, pairs)


def straight(commits: int) -> Lineage:
    """So many commits in a row, called c0001 and so on; GOOD is c0000."""
    names = [f"c{place:04d}" for place in range(commits + 1)]
    return make_lineage(names[0], [Link(sha, (before,)) for before, sha in itertools.pairwise(names)])


def bisect(
    known: Known, effect: Effects, noise: Noise, settings: Settings, broken: frozenset[str] = frozenset()
) -> Outcome:
    """effect: what a commit's build is worse than GOOD's. broken: commits that do not build."""
    gates = pairs = 0
    while isinstance(step := next_step(known, settings), Measure):
        if bad := broken & {step.base, step.candidate}:
            known = Known(known.lineage, known.answers, known.unbuildable | bad)
            continue
        reading = noise.gate(effect(step.candidate) - effect(step.base), step.pairs)
        answer = Answer(step.base, step.candidate, {METRIC: reading})
        known = Known(known.lineage, (*known.answers, answer), known.unbuildable)
        gates, pairs = gates + 1, pairs + step.pairs
    return Outcome(step, gates, pairs)


def simulate(
    commits: int, step: float, pair_sd: float, runs: int, seed: int = 1, broken: float = 0.0
) -> list[tuple[str, Outcome]]:
    """(the guilty commit, what came out) of each run; the guilty one is drawn."""
    rng = np.random.default_rng(seed)
    lineage, found = straight(commits), []
    for _ in range(runs):
        guilty = int(rng.integers(commits))
        held = {link.sha: place >= guilty for place, link in enumerate(lineage.links)}
        noise = Noise(pair_sd, rng, broken)

        def effect(sha: str, held: dict[str, bool] = held) -> float:
            return math.log1p(step) if held.get(sha, False) else 0.0

        found.append((lineage.links[guilty].sha, bisect(Known(lineage), effect, noise, Settings())))
    return found


def summary(found: Sequence[tuple[str, Outcome]]) -> str:
    """One line."""
    ended = [(guilty, one) for guilty, one in found if isinstance(one.end, Found)]
    right = sum(isinstance(one.end, Found) and one.end.suspects == (guilty,) for guilty, one in ended)
    none = sum(isinstance(one.end, NoRegression) for _, one in found)
    gates = np.array([one.gates for _, one in found])
    pairs = np.array([one.pairs for _, one in found])
    return (
        f"right {100 * right / len(found):.1f} %, wrong {100 * (len(ended) - right) / len(found):.1f} %, no regression "
        f"seen {100 * none / len(found):.1f} %, undecided {100 * (len(found) - len(ended) - none) / len(found):.1f} %; "
        f"gates mean {gates.mean():.1f}, 95 % under {np.quantile(gates, 0.95):.0f}; pairs mean {pairs.mean():.0f}"
    )


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m perfgate.bisect.simulate", description=__doc__)
    parser.add_argument("--commits", type=int, default=30)
    parser.add_argument("--step", type=float, default=0.2, help="0.2 is 20 %%")
    parser.add_argument("--pair-sd", type=float, default=0.1, help="standard deviation of a pair's log ratio")
    parser.add_argument("--broken", type=float, default=0.0, help="share of gates that are far off")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(words)
    print(summary(simulate(given.commits, given.step, given.pair_sd, given.runs, given.seed, given.broken)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
