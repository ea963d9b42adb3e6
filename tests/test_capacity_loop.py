"""The hunt for a rate: its plan, what makes a trial, and the real store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cluster import perfgate, write_scenario, write_target
from hypothesis import given, settings
from hypothesis import strategies as st
from interval_values import interval
from perfgate_controller.capacity_loop import Limit, judged, trial_segments, was_cut

from perfgate.capacity_search import LONGEST, Ladder
from perfgate.errors import InputError
from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.plan import LANES, Plan
from perfgate.scenario import Scenario, parse_scenario
from perfgate.scenario.ladder import LadderPlan, ladder_plan

S = 1_000_000_000
MS = 1_000_000
LIMIT = Limit(p99_ns=10 * MS, max_error_rate=0.001)


def scenario(pattern: str = "constant", **arrival: Any) -> Scenario:
    return parse_scenario({
        "name": "c", "duration": {"total_seconds": 10}, "arrival": {"pattern": pattern, "rate": 100.0, **arrival},
        "operations": {"recall_weight": 1, "store_weight": 1}, "data": {"num_nodes": 100, "embedding_dim": 8},
    })  # fmt: skip


def plan(pattern: str = "constant", precision: float = 0.1, **ladder: Any) -> LadderPlan:
    return ladder_plan(scenario(pattern), Ladder(100.0, precision, 50.0, 400.0, **ladder), 1.0, 3.0)


@pytest.mark.parametrize("pattern", ["constant", "poisson"])
@settings(max_examples=20, deadline=None)
@given(rung=st.integers(-7, 14), number=st.integers(0, 16))
def test_each_trial_has_the_rate_of_its_rung(pattern: str, rung: int, number: int) -> None:
    ladder = PLANS[pattern]
    start = ladder.start_ns(rung, number)
    sent = len(SENT[pattern].window(range(LANES), start, start + ladder.warmup_ns + ladder.trial_ns))
    expected = 4 * ladder.ladder.rate(rung)
    assert abs(sent - expected) <= (1 if pattern == "constant" else 6 * expected**0.5)


PLANS = {pattern: plan(pattern) for pattern in ("constant", "poisson")}
SENT = {pattern: Plan(made.scenario) for pattern, made in PLANS.items()}


def test_no_two_trials_have_a_request_in_common_and_the_plan_holds_all_that_a_search_may_ask_for() -> None:
    made = plan(confirm=2)
    slot = made.warmup_ns + made.trial_ns
    rungs = range(made.ladder.bottom, made.ladder.top + 1)
    starts = [made.start_ns(rung, number) for rung in rungs for number in range(made.trials_a_rung)]
    assert starts == list(range(0, len(starts) * slot, slot))
    assert made.scenario.duration_ns == len(starts) * slot
    assert made.trials_a_rung > LONGEST * 2
    with pytest.raises(ValueError, match="no trial"):
        made.start_ns(rungs[-1] + 1, 0)


def test_a_trial_is_warm_up_and_then_measured_without_a_gap() -> None:
    warmup, measured = trial_segments(7 * S, 1 * S, 3 * S)
    assert (warmup.plan_start_ns, warmup.plan_end_ns, warmup.offset_ns) == (7 * S, 8 * S, 0)
    assert (measured.plan_start_ns, measured.plan_end_ns, measured.offset_ns) == (8 * S, 11 * S, 1 * S)
    assert len(trial_segments(7 * S, 0, 3 * S)) == 1


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"pattern": "ramp", "start_ops": 1, "end_ops": 9}, "arrival.pattern = .ramp. has no single rate"),
        ({"pattern": "constant", "rate": 100.0}, "are too many"),
    ],
)
def test_what_cannot_be_searched_is_refused(table: dict[str, Any], named: str) -> None:
    one = parse_scenario({**json.loads(scenario().source), "arrival": table})
    with pytest.raises(InputError, match=named):
        ladder_plan(one, Ladder(100.0, 0.001, 1.0, 900_000.0), 1.0, 3.0)


def trial(latencies_ns: list[int], failed: int = 0, abandoned: int = 0, **fields: Any) -> Interval:
    counts = [0] * len(OUTCOMES)
    counts[Outcome.OK], counts[Outcome.TIMEOUT], counts[Outcome.ABANDONED] = len(latencies_ns), failed, abandoned
    part = OperationInterval(Histogram.of(latencies_ns), Histogram.of(latencies_ns), tuple(counts))
    about = {"start_ns": S, "end_ns": 4 * S, "due": sum(counts), "sent": sum(counts), "last_done_ns": 4 * S, **fields}
    return interval(operations={Operation.RECALL: part}, **about)


FAST = [2 * MS] * 1_000


@pytest.mark.parametrize(
    ("total", "why"),
    [
        (trial([*FAST[:980], *[20 * MS] * 20]), "p99 20"),
        (trial(FAST, failed=5), "% failed"),
        (trial(FAST, abandoned=1), "load was cut"),
        (trial([], abandoned=1_000), "load was cut"),
        (trial([number * MS // 2 for number in range(1, 1_001)], last_done_ns=4 * S + 500 * MS), "queue grew"),
    ],
)
def test_what_a_store_that_does_not_hold_the_rate_looks_like(total: Interval, why: str) -> None:
    one = judged(3, plan(), total, LIMIT, "")
    assert one.held is False
    assert why in one.why
    assert judged(3, plan(), total, LIMIT, "the generator was late").held is None


def test_load_that_was_cut_is_known_as_such() -> None:
    """What was never sent is the store's doing then, and no fault of the generator's."""
    assert was_cut(trial(FAST, abandoned=1))
    assert not was_cut(trial(FAST, failed=3))


def test_a_store_that_holds_the_rate_is_a_yes_unless_the_generator_was_late() -> None:
    one = judged(3, plan(), trial([*FAST, 20 * MS]), LIMIT, "")
    assert (one.held, one.why) == (True, "")
    assert one.rate == pytest.approx(133.1)
    assert one.answered == pytest.approx(1_001 / 3)
    assert judged(3, plan(), trial(FAST), LIMIT, "late").held is None


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def hunt(directory: Path, cache: Path, *more: str) -> Any:
    scenario, target = write_scenario(directory, rate=300.0), write_target(directory)
    return perfgate(
        ["capacity", str(scenario), "--target", str(target), "--out", str(directory / "out"), *more], cache
    )  # fmt: skip


@pytest.mark.slow
def test_a_store_that_answers_150_a_second_is_never_said_to_hold_twice_as_much(tmp_path: Path, cache: Path) -> None:
    """Of what it does hold the host has a say, so little is claimed: three trials that begin above it."""
    done = hunt(
        tmp_path, cache, "--variant", "weak", "--p99", "900ms", "--precision", "0.5", "--confirm", "1", "--trial", "2s",
        "--warmup", "1s", "--most", "3", "--lowest", "20", "--highest", "600",
    )  # fmt: skip
    assert done.returncode in (0, 3, 4), done.stdout + done.stderr
    answer = json.loads((tmp_path / "out" / "capacity.json").read_text())
    assert answer["trials"]
    assert not any(one["held"] for one in answer["trials"] if one["rate"] >= 290)
    assert "trials:" in done.stdout


def test_a_limit_must_be_given(tmp_path: Path, cache: Path) -> None:
    """Before anything is started."""
    done = hunt(tmp_path, cache)
    assert done.returncode == 3
    assert "give --p99 20ms" in done.stderr


def test_the_lowest_rate_is_below_the_highest(tmp_path: Path, cache: Path) -> None:
    done = hunt(tmp_path, cache, "--p99", "20ms", "--lowest", "500", "--highest", "100")
    assert done.returncode == 3
    assert "--lowest 500: give a rate above 0 and not above --highest 100" in done.stderr
