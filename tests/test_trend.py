"""Trends: levels from chains of gates, slopes that alert and those that do not, jumps at their commits."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from history_values import at
from hypothesis import given, settings
from hypothesis import strategies as st
from trend_values import record_gates

from perfgate.cli.main import main
from perfgate.errors import InputError
from perfgate.trend.assemble import assemble, choose_anchor, choose_metrics
from perfgate.trend.changes import change_points
from perfgate.trend.network import Edge, solve, t_variance
from perfgate.trend.outlook import look_at, sentence
from perfgate.trend.series import rolling_mean, slope
from perfgate.trend.simulate import DAYS, METRIC, PATTERNS, creep, exact, flat, gates, looked_at, sha, step

SEEDS = range(60)


def test_a_single_chain_adds_estimates_and_variances() -> None:
    levels = solve([Edge("a", "b", 0.02, 1e-4), Edge("b", "c", 0.03, 2e-4), Edge("x", "y", 0.5, 1e-4)], "a")
    assert levels.names == ("b", "c")
    np.testing.assert_allclose(levels.values, [0.02, 0.05])
    np.testing.assert_allclose(levels.covariance, [[1e-4, 1e-4], [1e-4, 3e-4]])
    assert levels.unreachable == ("x", "y")
    assert levels.spread == 1


def test_a_direct_comparison_and_a_chain_are_weighed_by_inverse_variance() -> None:
    chain = [Edge("a", "b", 0.02, 2e-4), Edge("b", "c", 0.02, 2e-4)]
    levels = solve([*chain, Edge("a", "c", 0.05, 1e-4)], "a")
    wanted = (0.04 / 4e-4 + 0.05 / 1e-4) / (1 / 4e-4 + 1 / 1e-4)
    assert levels.values[1] == pytest.approx(wanted)
    assert levels.covariance[1, 1] == pytest.approx(1 / (1 / 4e-4 + 1 / 1e-4) * levels.spread)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.floats(-0.2, 0.2)), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_gates_without_error_give_the_truth_and_turning_one_round_changes_nothing(
    given_gates: list[tuple[int, int, float]],
) -> None:
    truth = [0.0, 0.1, -0.05, 0.2, 0.02, 0.15, -0.1]
    edges = [Edge(str(a), str(b), truth[b] - truth[a], 1e-4 + abs(w) * 1e-3) for a, b, w in given_gates if a != b]
    if not edges:
        return
    anchor = edges[0].base
    levels = solve(edges, anchor)
    np.testing.assert_allclose(levels.values, [truth[int(n)] - truth[int(anchor)] for n in levels.names], atol=1e-9)
    turned = [Edge(one.candidate, one.base, -one.estimate, one.variance) for one in edges[:1]] + edges[1:]
    again = solve(turned, anchor)
    order = [again.names.index(name) for name in levels.names]
    np.testing.assert_allclose(again.values[order], levels.values, atol=1e-9)


def test_gates_that_contradict_each_other_widen_the_intervals() -> None:
    levels = solve([Edge("a", "b", 0.0, 1e-4), Edge("a", "b", 0.1, 1e-4)], "a")
    assert levels.spread == pytest.approx(2 * 0.05**2 / 1e-4)
    assert levels.covariance[0, 0] == pytest.approx(0.05**2)


def test_the_variance_of_student_s_t_is_scipy_s() -> None:
    from scipy.stats import t

    assert t_variance(0.1, 9) == pytest.approx(t.var(9, scale=0.1))


def test_intervals_of_levels_hold_the_truth_as_often_as_they_say() -> None:
    truth = creep(40, 0.01)
    for pattern in PATTERNS:
        inside = []
        for seed in range(60):
            series = assemble(gates(truth, seed, pattern=pattern), METRIC, sha(1)).series
            inside.append(np.abs(series.values - np.array(truth[1:])) < series.reach())
        assert 0.90 < np.mean(inside) < 0.995, pattern


@pytest.mark.parametrize("pattern", PATTERNS)
def test_flat_noise_alerts_nobody(pattern: str) -> None:
    outlooks = [looked_at(flat(DAYS), seed, pattern) for seed in SEEDS]
    assert sum(one.alert for one in outlooks) <= 1
    assert sum(bool(one.changes) for one in outlooks) <= 3


@pytest.mark.parametrize(("pattern", "alerts"), [("star", 0.9), ("both", 0.85), ("weekly", 0.65)])
def test_a_creep_of_one_and_a_half_percent_a_week_alerts_and_is_no_jump(pattern: str, alerts: float) -> None:
    outlooks = [looked_at(creep(DAYS, 0.015), seed, pattern) for seed in SEEDS]
    assert np.mean([one.alert for one in outlooks]) >= alerts
    assert sum(bool(one.changes) for one in outlooks) <= 3
    alert = next(one for one in outlooks if one.alert)
    assert "over the limit of 5 % a month; no single commit stands out: it creeps" in sentence(alert)


def test_a_creep_of_half_a_percent_a_week_alerts_nobody() -> None:
    assert sum(looked_at(creep(DAYS, 0.005), seed, changes=False).alert for seed in SEEDS) <= 1


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_step_is_found_at_its_commit(pattern: str) -> None:
    outlooks = [looked_at(step(DAYS, 40, 0.08), seed, pattern) for seed in SEEDS]
    assert np.mean([exact(one) for one in outlooks]) >= 0.85, pattern
    found = [change.step for one in outlooks for change in one.changes if change.commit == sha(41)]
    assert np.mean(found) == pytest.approx(math.log(1.08), abs=0.006)


def test_a_step_of_this_month_is_named_in_the_alert() -> None:
    of = looked_at(step(DAYS, 42, 0.12), 3)
    assert of.alert
    assert f"it jumped at {sha(43)[:12]}" in sentence(of)


def test_the_slope_is_that_of_generalised_least_squares() -> None:
    series = assemble(gates(creep(30, 0.01), 2), METRIC, sha(1)).series
    found = slope(series)
    root = np.linalg.inv(np.linalg.cholesky(series.covariance))
    months = series.times_ns / (365.25 / 12 * 86_400e9)
    design = np.column_stack([np.ones(len(series)), months - months.mean()])
    wanted = np.linalg.lstsq(root @ design, root @ series.values, rcond=None)[0][1]
    assert found is not None
    assert found.estimate == pytest.approx(wanted, rel=1e-6)
    assert found.lower < found.estimate < found.upper
    assert slope(series.since(series.times_ns[-3])) is None


def test_the_rolling_mean_is_over_the_last_four_weeks() -> None:
    series = assemble(gates(creep(60, 0.01), 2, pattern="star"), METRIC, sha(1)).series
    means, errors = rolling_mean(series)
    assert means[-1] == pytest.approx(series.values[-28:].mean())
    assert errors[-1] == pytest.approx(math.sqrt(np.diag(series.covariance)[-28:].sum()) / 28)
    assert means[0] == series.values[0]


def test_without_ruptures_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    series = assemble(gates(flat(20)), METRIC, sha(1)).series
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(InputError, match=r"pip install 'perfgate\[trend\]'"):
        change_points(series)
    assert look_at(series, changes=False).changes == ()


def test_golden_is_the_anchor_where_a_gate_knows_it() -> None:
    found = gates(flat(10))
    assert choose_anchor(found, None, None) == sha(1)
    assert choose_anchor(found, sha(4), None) == sha(4)
    assert choose_anchor(found, sha(99), None) == sha(1)
    assert choose_anchor(found, sha(4), sha(5)) == sha(5)
    with pytest.raises(InputError, match="no gate here is of such a commit"):
        choose_anchor(found, None, "abc")
    with pytest.raises(InputError, match="there are: recall p99"):
        choose_metrics(found, ["store p99"])


def told(tmp_path: Path, *words: str) -> int:
    return main(["trend", "--history", str(tmp_path / "history.db"), *words])


def test_a_creep_in_a_real_database_ends_with_1_a_sentence_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_gates(at(tmp_path / "history.db"), gates(creep(DAYS, 0.02), 4, pattern="both"))
    picture = tmp_path / "trend.svg"
    assert told(tmp_path, "--svg", str(picture)) == 1
    said = capsys.readouterr().out
    assert "ALERT recall p99: +" in said
    assert f"against {sha(1)[:12]}" in said
    import xml.etree.ElementTree as ElementTree

    circles = [one for one in ElementTree.parse(picture).iter() if one.tag.endswith("circle")]
    assert len(circles) == DAYS - 1
    assert told(tmp_path, "--json", "--since", "2026-10-01") == 1
    shown = json.loads(capsys.readouterr().out)["metrics"][0]
    assert shown["alert"] is True
    assert 0.05 < shown["slope_per_month"]["estimate"] < 0.13
    assert len(shown["points"]) < DAYS - 1


def test_a_golden_build_is_the_anchor_without_being_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from perfgate.history.baselines import GOLDEN, Baseline, add_baseline
    from perfgate.history.database import opened, writing

    location, found = at(tmp_path / "history.db"), gates(flat(20))
    record_gates(location, found)
    one = Baseline(found[0].scenario, "mystore", GOLDEN, 1, "golden", sha(8), "the one", 1, "pinned", "me", None, None)
    with opened(location) as engine, writing(engine) as connection:
        add_baseline(connection, one)
    assert told(tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["metrics"][0]["anchor"] == sha(8)


def test_with_a_repository_only_commits_of_its_main_branch_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import dataclasses

    from repository import StoreRepository

    made = StoreRepository(tmp_path / "repo")
    commits = [made.first, *(made.commit(f"commit {number}") for number in range(5))]
    made.git("checkout", "--quiet", "-b", "topic")
    topic = made.commit("not merged")
    chain = gates(flat(7))
    named = dict(zip([sha(number) for number in range(1, 8)], [*commits, topic], strict=True))
    chain = [dataclasses.replace(one, base=named[one.base], candidate=named[one.candidate]) for one in chain]
    record_gates(at(tmp_path / "history.db"), chain)
    assert told(tmp_path, "--json", "--repo", str(made.path)) == 0
    points = json.loads(capsys.readouterr().out)["metrics"][0]["points"]
    assert [one["commit"] for one in points] == commits[1:]


def test_a_flat_history_ends_with_0_and_a_gate_of_a_build_with_itself_is_no_point(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import dataclasses

    found = gates(flat(30), 1)
    same = dataclasses.replace(
        found[-1], base=sha(31), candidate=sha(31), started_wall_ns=found[-1].started_wall_ns + 1
    )
    record_gates(at(tmp_path / "history.db"), [*found, same])
    assert told(tmp_path, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["metrics"][0]["points"]) == 29


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--svg", "trend.png"], "only SVG is drawn"),
        (["--limit", "0"], "--limit 0.0: give a fraction"),
        (["--metric", "store p99"], "there are: recall p99"),
        (["--scenario", "nothing"], "no gate of two commits is recorded"),
        (["--anchor", "ffff"], "--anchor ffff: no gate here is of such a commit"),
        (["--branch", "main"], "--branch main: goes with --repo"),
        (["--since", "yesterday"], "--since 'yesterday'"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_name(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_gates(at(tmp_path / "history.db"), gates(flat(5)))
    assert told(tmp_path, *words) == 3
    assert message in capsys.readouterr().err


def test_without_a_history_it_is_said_and_none_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(tmp_path) == 3
    assert "no gates of commits yet" in capsys.readouterr().err
    assert not (tmp_path / "history.db").exists()
