"""Probabilistic bisection: the posterior's invariants, and how often it is right on simulated gates."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfgate.bisect.hunt import Measured, OutOfTime, Spoilt, SpoiltError, Unbuildable, hunt
from perfgate.bisect.journal import Journal
from perfgate.bisect.lineage import Lineage, Link, make_lineage
from perfgate.bisect.posterior import cells, log_likelihood, median, posterior
from perfgate.bisect.reading import Answer, Reading, combined, moderated
from perfgate.bisect.search import (
    Found,
    Known,
    Measure,
    NoRegression,
    Settings,
    Undecided,
    around,
    likeliest,
    next_step,
)
from perfgate.bisect.simulate import METRIC, Noise, bisect, simulate, straight
from perfgate.bisect.words import found_lines, nothing_words
from perfgate.errors import InputError

STEP = math.log(1.2)
readings = st.builds(
    Reading, st.floats(-0.5, 0.5), st.floats(0.005, 0.3), st.integers(1, 20).map(float), st.integers(2, 20)
)


def said(base: str, candidate: str, estimate: float, se: float = 0.02, pairs: int = 4) -> Answer:
    return Answer(base, candidate, {METRIC: Reading(estimate, se, pairs - 1.0, pairs)})


def sees_all(lineage: Lineage) -> Answer:
    return said(lineage.good, lineage.links[-1].sha, STEP)


class Gates:
    """Simulated gates behind the seam; broken: commits that do not build."""

    def __init__(
        self, lineage: Lineage, guilty: int, broken: frozenset[str] = frozenset(), pair_sd: float = 0.08
    ) -> None:
        self.lineage, self.guilty, self.broken = lineage, guilty, broken
        self.noise = Noise(pair_sd, np.random.default_rng(3))
        self.asked: list[Measure] = []

    def measure(self, step: Measure) -> Measured | Unbuildable | Spoilt:
        self.asked.append(step)
        for sha in (step.base, step.candidate):
            if sha in self.broken:
                return Unbuildable(sha, "`cc` ended with status 1")
        moved = self.lineage.between(step.base, step.candidate)[self.guilty]
        return Measured({METRIC: self.noise.gate(STEP * moved, step.pairs)})


def run(gates: Gates, journal: Journal, gates_at_most: int = 1000, **options: float) -> tuple[Known, object]:
    if not journal.exists:
        journal.begin({})
    left = itertools.count()
    return hunt(
        gates.lineage, journal, gates, Settings(**options), lambda *_: None, lambda _: next(left) < gates_at_most
    )


@given(st.lists(st.tuples(st.integers(1, 12), readings), max_size=8))
@settings(max_examples=60, deadline=None)
def test_the_posterior_is_a_distribution_and_does_not_depend_on_the_order_of_answers(
    given_answers: list[tuple[int, Reading]],
) -> None:
    lineage = straight(12)
    answers = [sees_all(lineage)]
    answers += [Answer("c0000", f"c{place:04d}", {METRIC: one}) for place, one in given_answers]
    now = posterior(lineage, answers, METRIC)
    assert now.shares.min() >= 0
    assert now.shares.sum() == pytest.approx(1)
    again = posterior(lineage, answers[::-1], METRIC)
    np.testing.assert_allclose(again.shares, now.shares, atol=1e-9)
    held = [now.held_by(link.sha) for link in lineage.links]
    assert held == sorted(held)
    assert held[-1] == pytest.approx(1)


@given(readings, st.floats(0.01, 0.4))
@settings(max_examples=100, deadline=None)
def test_an_answer_speaks_for_the_nearer_of_the_two_and_never_for_certain(reading: Reading, step: float) -> None:
    none, all_of_it = log_likelihood(reading, np.array([0.0, step]))
    if abs(abs(reading.estimate) - abs(reading.estimate - step)) > 1e-9:
        assert (none > all_of_it) == (abs(reading.estimate) < abs(reading.estimate - step))
    assert abs(none - all_of_it) < 30
    far = Reading(5 * reading.se, reading.se, 20.0, 8)
    nearer, away = log_likelihood(far, np.array([far.estimate, 0.0]))
    assert 400 < math.exp(nearer - away) < 600


def test_the_likelihood_is_student_s_t_but_for_the_share_of_wrong_gates() -> None:
    from scipy.stats import t

    reading = Reading(0.1, 0.02, 7.0, 8)
    found = np.exp(log_likelihood(reading, np.array([0.0, 0.08, 0.1])))
    z = (0.1 - np.array([0.0, 0.08, 0.1])) / 0.02
    wanted = 0.98 * t.pdf(z, 7) / 0.02 + 0.02 * t.pdf(z / 8, 3) / (8 * 0.02)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@given(st.lists(readings, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_moderated_errors_lie_between_the_least_and_the_greatest_and_know_at_least_as_much(many: list[Reading]) -> None:
    spreads = [one.se**2 * one.pairs for one in many]
    for before, after in zip(many, moderated(many), strict=True):
        assert min(spreads) * (1 - 1e-9) <= after.se**2 * after.pairs <= max(spreads) * (1 + 1e-9)
        assert after.df >= before.df
        assert after.estimate == before.estimate


def test_two_gates_of_the_same_builds_count_as_one_of_all_their_pairs() -> None:
    whole = combined([Reading(0.1, 0.02, 3, 4), Reading(0.2, 0.02, 3, 4)])
    assert (whole.estimate, whole.pairs, whole.df) == (pytest.approx(0.15), 8, 6)
    assert whole.se == pytest.approx(0.02 / math.sqrt(2))


@given(st.integers(2, 25), st.data())
@settings(max_examples=40, deadline=None)
def test_commits_that_do_not_build_share_a_cell_with_the_next_that_does(count: int, data: st.DataObject) -> None:
    lineage = straight(count)
    names = [link.sha for link in lineage.links]
    broken = data.draw(st.sets(st.sampled_from(names[:-1])))
    found = cells(lineage, broken)
    np.testing.assert_array_equal(np.sum(found, axis=0), np.ones(count, int))
    assert len(found) == count - len(broken)
    for cell in found:
        last = names[int(np.flatnonzero(cell)[-1])]
        assert last not in broken
        known = Known(lineage, (), frozenset(broken))
        base, candidate = around(known, cell)
        assert candidate == last
        np.testing.assert_array_equal(lineage.between(base, candidate), cell)


def test_the_next_commit_halves_the_posterior_and_is_never_bad_itself() -> None:
    lineage = straight(16)
    now = posterior(lineage, [sees_all(lineage)], METRIC)
    assert median(now, frozenset()) == "c0008"
    assert median(now, frozenset({"c0008"})) in ("c0007", "c0009")
    assert median(posterior(straight(1), [sees_all(straight(1))], METRIC), frozenset()) is None


def test_a_side_branch_is_no_ancestor_of_what_ran_beside_it() -> None:
    links = [Link("a", ("good",)), Link("side", ("a",)), Link("main", ("a",)), Link("merge", ("main", "side"))]
    lineage = make_lineage("good", links)
    assert lineage.held("main").tolist() == [True, False, True, False]
    assert lineage.held("merge").all()
    answers = [said("good", "merge", STEP), said("good", "main", STEP), said("good", "a", 0.0)]
    now = posterior(lineage, answers, METRIC)
    assert now.shares[2] > 0.95, "neither the side branch nor the merge can be why main is slow"
    cell = likeliest(now, Known(lineage, tuple(answers)))
    assert around(Known(lineage), cell) == ("a", "main")


def test_one_wrong_gate_is_outvoted() -> None:
    lineage = straight(8)
    answers = [sees_all(lineage), said("c0000", "c0004", 0.0)]  # in truth c0003 is slow
    answers += [said("c0000", "c0004", STEP)] * 3 + [said("c0000", "c0003", STEP), said("c0000", "c0002", 0.0)]
    assert posterior(lineage, answers, METRIC).shares[2] > 0.9


@pytest.mark.parametrize(("pair_sd", "most_gates"), [(0.05, 9.0), (0.1, 13.0)])
def test_of_thirty_commits_the_right_one_is_found_in_95_of_100(pair_sd: float, most_gates: float) -> None:
    found = simulate(30, 0.2, pair_sd, 120, seed=5)
    right = sum(isinstance(one.end, Found) and one.end.suspects == (guilty,) for guilty, one in found)
    assert right >= 0.95 * len(found)
    assert np.mean([one.gates for _, one in found]) < most_gates


def test_gates_that_are_far_off_cost_gates_but_not_the_truth() -> None:
    found = simulate(30, 0.2, 0.05, 100, seed=6, broken=0.05)
    right = sum(isinstance(one.end, Found) and one.end.suspects == (guilty,) for guilty, one in found)
    assert right >= 0.93 * len(found)


def test_without_a_regression_it_is_said_after_a_bounded_number_of_pairs() -> None:
    ends = [
        bisect(Known(straight(30)), lambda _: 0.0, Noise(0.1, np.random.default_rng(seed)), Settings())
        for seed in range(100)
    ]
    none = [one for one in ends if isinstance(one.end, NoRegression)]
    assert len(none) >= 97
    assert max(one.pairs for one in none) <= 48
    assert isinstance(none[0].end, NoRegression)
    assert nothing_words(none[0].end).startswith("no regression between GOOD and BAD: the nearest is")


def test_of_two_commits_with_half_of_it_each_one_is_found_and_half_is_said_to_be_missing() -> None:
    half = {link.sha: (place >= 9) + (place >= 19) for place, link in enumerate(straight(30).links)}
    noted = 0
    for seed in range(15):
        noise = Noise(0.05, np.random.default_rng(seed))
        end = bisect(Known(straight(30)), lambda sha: 0.15 * half.get(sha, 0), noise, Settings()).end
        assert isinstance(end, Found | Undecided)
        if isinstance(end, Found):
            assert end.suspects in (("c0010",), ("c0020",))
            noted += "a part of the regression only" in found_lines(Known(straight(30)), end, 9, "x")[-1]
        else:
            noted += 1
    assert noted >= 12


def test_an_interrupted_hunt_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    lineage = straight(30)
    whole, parts = Gates(lineage, 17), Gates(lineage, 17)
    known, end = run(whole, Journal(tmp_path / "whole.json"))
    journal = Journal(tmp_path / "parts.json")
    for _ in range(50):
        resumed, last = run(parts, journal, gates_at_most=2)
        if not isinstance(last, OutOfTime):
            break
        with journal.path.open("a") as file:
            file.write('\n{"base": "torn')
    assert last == end
    assert resumed == known
    assert parts.asked == whole.asked
    assert isinstance(end, Found)
    assert end.suspects == ("c0018",)


def test_commits_that_do_not_build_are_passed_over_and_named_in_the_result(tmp_path: Path) -> None:
    lineage = straight(30)
    gates = Gates(lineage, 17, broken=frozenset({"c0016", "c0017", "c0018"}))
    known, end = run(gates, Journal(tmp_path / "a.json"))
    assert isinstance(end, Found)
    assert end.suspects == ("c0016", "c0017", "c0018", "c0019")
    assert (end.base, end.candidate) == ("c0015", "c0019")
    assert known.unbuildable <= gates.broken
    lines = found_lines(known, end, len(known.answers), "perfgate gate x")
    assert lines[0].startswith("one of 4 commits brought it")


def test_a_bad_that_does_not_build_a_metric_that_is_not_there_and_gates_that_say_nothing_end_it(tmp_path: Path) -> None:
    lineage = straight(4)
    with pytest.raises(InputError, match="BAD c0004 cannot be built or started"):
        run(Gates(lineage, 1, broken=frozenset({"c0004"})), Journal(tmp_path / "a.json"))
    with pytest.raises(InputError, match="there are: embedding_search p95"):
        run(Gates(lineage, 1), Journal(tmp_path / "b.json"), metric="recall p50")  # type: ignore[arg-type]

    class Noisy(Gates):
        def measure(self, step: Measure) -> Measured | Unbuildable | Spoilt:
            return Spoilt("the generator was late")

    with pytest.raises(SpoiltError, match="3 gates in a row cannot be used: the generator was late"):
        run(Noisy(lineage, 1), Journal(tmp_path / "c.json"))


def test_with_a_single_commit_between_them_the_first_gates_are_all_it_takes(tmp_path: Path) -> None:
    gates = Gates(straight(1), 0)
    known, end = run(gates, Journal(tmp_path / "a.json"))
    assert isinstance(end, Found)
    assert end.suspects == ("c0001",)
    assert all((one.base, one.candidate) == ("c0000", "c0001") for one in known.answers)


def test_the_clearest_metric_is_followed_unless_one_is_named() -> None:
    lineage = straight(4)
    both = {"a p50": Reading(0.3, 0.02, 7, 8), "b p99": Reading(0.5, 0.1, 7, 8)}
    known = Known(lineage, (Answer("c0000", "c0004", both),))
    assert isinstance(next_step(known, Settings()), Measure)
    from perfgate.bisect.search import regressed_metric

    assert regressed_metric(known, Settings()) == "a p50"
    assert regressed_metric(known, Settings(metric="b p99")) == "b p99"


def test_a_short_gate_measures_but_never_says_pass() -> None:
    from pairs import OPERATIONS, World, make_pairs

    from perfgate.cli.bisect_gates import short
    from perfgate.gate.compare import compare
    from perfgate.gate.policy_load import QUICK
    from perfgate.gate.verdict import Word
    from perfgate.operation import Operation

    for pairs in (2, 4, 16):
        policy = short(QUICK, pairs)
        same = compare(make_pairs(pairs), policy, OPERATIONS)
        assert same.final
        assert same.verdict.word is Word.INCONCLUSIVE
        slower = compare(make_pairs(pairs, World(factor={Operation.RECALL: 1.5})), policy, OPERATIONS)
        found = slower.effect("recall p95")
        assert found.estimate == pytest.approx(math.log(1.5), abs=0.15)
        assert Reading(found.estimate, found.se, found.df, len(found.per_pair)).usable
