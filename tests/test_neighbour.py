"""The noisy neighbour's gate: what is compared, what it says, and both on the real store."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cluster import measured, perfgate, write_scenario, write_target
from gate_values import Build, pairs
from hypothesis import given
from hypothesis import strategies as st
from perfgate_controller.schedule import schedule_pair

from perfgate.errors import InputError
from perfgate.gate.compare import compare
from perfgate.gate.neighbour import check, explained, others_only, pairs_needed
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Word
from perfgate.interval import Interval
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.scenario import parse_scenario
from perfgate.segment import Arm
from perfgate.store.fair_share import BURST_S, FairShare

POLICY = Policy(margin=0.01, looks=(12, 24), pass_from=12)
OPERATIONS = (Operation.STORE, Operation.RECALL)
SPACES = "[spaces]\ncount = 8\n[noisy_neighbour]\nspace = 3\nfactor = 10.0"


def beside(pair: Pair, loud: Pair) -> Pair:
    """A pair whose other spaces are `pair`'s and whose neighbour is in `loud`."""

    def joined(calm: Interval, noise: Interval) -> Interval:
        spaces = {"others": calm.operations, "neighbour": noise.operations}
        return dataclasses.replace(noise, spaces=spaces, due=calm.due + noise.due, sent=calm.sent + noise.sent)

    couples = tuple(
        dataclasses.replace(one, base=joined(one.base, other.base), candidate=joined(one.candidate, other.candidate))
        for one, other in zip(pair.couples, loud.couples, strict=True)
    )
    return dataclasses.replace(
        pair, couples=couples, warmup={arm: joined(pair.warmup[arm], loud.warmup[arm]) for arm in Arm}
    )


def test_only_what_the_others_saw_is_compared() -> None:
    slow = Build(slower=dict.fromkeys(OPERATIONS, 3.0))
    calm, loud = pairs(12, operations=OPERATIONS), pairs(12, slow, operations=OPERATIONS)
    seen = [others_only(beside(one, other)) for one, other in zip(calm, loud, strict=True)]
    direct = compare(calm, POLICY, OPERATIONS)
    assert [effect.estimate for effect in compare(seen, POLICY, OPERATIONS).effects] == pytest.approx(
        [effect.estimate for effect in direct.effects], nan_ok=True
    )
    loud_verdict = compare(
        [others_only(beside(other, one)) for one, other in zip(calm, loud, strict=True)], POLICY, OPERATIONS
    )
    assert loud_verdict.verdict.word is Word.BLOCK


def test_the_pairs_that_a_margin_takes_are_those_that_show_it() -> None:
    """Eight pairs are asked how many it takes; the standard error of so many is what the PASS test needs."""
    comparison = compare(pairs(20, operations=OPERATIONS, requests=60), POLICY, OPERATIONS)
    needed = pairs_needed(comparison)
    assert needed is not None
    overall = comparison.effect("all operations p99")
    se = overall.se * (comparison.pairs / needed) ** 0.5
    assert (1.6449 + 0.8416) * se <= np.log1p(0.01) * 1.0001


@pytest.mark.parametrize("margin", [0.02, 0.2])
def test_a_smaller_margin_takes_more_pairs(margin: float) -> None:
    made = compare(PAIRS, dataclasses.replace(POLICY, margin=margin), OPERATIONS)
    finer = compare(PAIRS, dataclasses.replace(POLICY, margin=margin / 2), OPERATIONS)
    one, other = pairs_needed(made), pairs_needed(finer)
    assert one is not None
    assert other is not None
    assert other >= one


PAIRS = pairs(12, operations=OPERATIONS, requests=40, couples=2)


def test_an_undecided_one_says_how_many_pairs_would_decide() -> None:
    comparison = compare(PAIRS, dataclasses.replace(POLICY, looks=(12,)), OPERATIONS)
    assert comparison.verdict.word is Word.INCONCLUSIVE
    said = " ".join(explained(comparison).notes)
    assert f"takes about {pairs_needed(comparison):,} pairs (12 were measured)" in said


def scenario(**more: Any) -> Any:
    return parse_scenario({
        "name": "n", "duration": {"total_seconds": 10}, "arrival": {"pattern": "constant", "rate": 100},
        "operations": {"recall_weight": 1}, "data": {"num_nodes": 100, "embedding_dim": 8}, "spaces": {"count": 2}, **more,
    })  # fmt: skip


@pytest.mark.parametrize(("policy", "named"), [(Policy(mode="duet"), "gate.mode"), (Policy(starts=5), "gate.starts")])
def test_a_policy_that_cannot_ask_is_refused(policy: Policy, named: str) -> None:
    with pytest.raises(InputError, match=named):
        check(scenario(noisy_neighbour={}), policy)


def test_a_scenario_without_a_neighbour_is_told_what_to_write() -> None:
    with pytest.raises(InputError, match="noisy_neighbour is missing: add a table"):
        check(scenario(), Policy())


def test_the_base_can_be_made_to_warm_up_first() -> None:
    """Where one process serves both arms, a backlog that the candidate leaves must not be taken for the base's."""
    for number in range(20):
        schedule = schedule_pair(Policy(), 250_000_000, 1, number, 0, base_warms_first=True)
        assert [segment.arm for segment in schedule.segments[:2]] == [Arm.BASE, Arm.CANDIDATE]
        plain = schedule_pair(Policy(), 250_000_000, 1, number, 0)
        assert [segment.arm for segment in schedule.segments[2:]] == [segment.arm for segment in plain.segments[2:]]


@given(rate=st.floats(1, 1_000), gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=200))
def test_a_space_never_gets_more_than_its_rate_and_a_burst(rate: float, gaps: list[float]) -> None:
    fair, now, admitted = FairShare(rate), 0.0, 0
    for gap in gaps:
        now += gap
        admitted += fair.admits("a", now)
        assert admitted <= rate * now + max(1.0, rate * BURST_S) + 1e-6
    assert fair.admits("b", now)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def ask(directory: Path, cache: Path, variant: str, *more: str, gate: str = SPACES) -> Any:
    target = write_target(directory)
    target.write_text(target.read_text() + '[variants.shared]\narguments = ["--capacity", "300"]\n')
    return perfgate(
        ["neighbour", str(write_scenario(directory, rate=200.0, gate=gate)), "--target", str(target), "--variant", variant,
         "--out", str(directory / "out"), *more],
        cache, watched=True,
    )  # fmt: skip


@pytest.mark.slow  # the watch itself: test_capacity_watch
def test_a_store_whose_line_all_spaces_wait_in_is_blocked(tmp_path: Path, cache: Path) -> None:
    """It holds 300 requests a second; all spaces together ask 200, and the neighbour 225 more: the others' requests wait
    until they are given up."""
    done = ask(tmp_path, cache, "shared", "--looks", "3,6", gate=f"{SPACES}\n[connection]\ntimeout_seconds = 0.3")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The noisy neighbour disturbs the others" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_what_the_others_saw_is_in_the_record_and_an_ordinary_run_has_no_neighbour(tmp_path: Path, cache: Path) -> None:
    """The margin is 90 %: what a test's host can resolve."""
    done = ask(tmp_path, cache, "default", "--looks", "3", "--one-process")
    assert done.returncode in (0, 1, 4), done.stdout + done.stderr
    record = json.loads((tmp_path / "out" / "result.json").read_text())["record"]
    (calm, loud) = (record["arms"][arm] for arm in ("base", "candidate"))
    counts = [
        {
            name: sum(sum(part["outcomes"].values()) for part in spaces.values())
            for name, spaces in arm["spaces"].items()
        }
        for arm in (calm, loud)
    ]
    assert counts[0]["others"] == counts[1]["others"] > 100
    assert counts[1]["neighbour"] > 5 * counts[0]["neighbour"]
    assert "Memory spaces" in (tmp_path / "out" / "report.md").read_text()
    plain = perfgate(
        ["run", str(tmp_path / "small.toml"), "--target", str(tmp_path / "embedded.toml"), "--out", str(tmp_path / "run"),
         "--warmup", "0s"],
        cache,
    )  # fmt: skip
    assert measured(plain), plain.stdout + plain.stderr
    spaces = json.loads((tmp_path / "run" / "result.json").read_text())["record"]["arms"]["base"]["spaces"]
    assert sorted(spaces) == list("01234567")
