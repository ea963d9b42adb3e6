"""Claims about recall where an index differs from one loading of the data to the next: no build is blocked for the luck of
one index, and one that really finds less is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from cluster import perfgate, write_scenario, write_target
from pairs import World, make_pairs

from perfgate.gate.effect import Effect, Finding
from perfgate.gate.policy_load import QUICK
from perfgate.gate.quality import recall_doubtful, recall_effect
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.segment import Arm
from perfgate.stats.spending import looks_so_far

SEARCH = Operation.EMBEDDING_SEARCH
TENTHS = range(-60, 61)  # of a point


def losing(tenths: int) -> Pair:
    """A pair whose candidate finds so many tenths of a point fewer of the true answers."""
    recall = {Arm.BASE: 0.80, Arm.CANDIDATE: 0.80 - tenths / 1000}
    return make_pairs(1, World(recall=recall), couples=1)[0]


POOL = {tenths: losing(tenths) for tenths in TENTHS}


def at(points: float, load: int | None, number: int) -> Pair:
    nearest = int(np.clip(round(10 * points), TENTHS[0], TENTHS[-1]))
    return dataclasses.replace(POOL[nearest], number=number, load=load)


def gate(loss: float, luck: float, random: np.random.Generator, anew: bool = True) -> Finding:
    """What a quick gate finds of recall at the end: in points, the loss, and how much two loadings differ by. anew: whether
    the data are loaded again once there is a doubt."""
    doubt, shift, load, pairs = False, random.normal(loss, luck), 0, []
    for number in range(QUICK.looks[-1]):
        if doubt:
            load, shift = load + 1, random.normal(loss, luck)
        pairs.append(at(shift + random.normal(0, 0.7), load if anew else None, number))
        if len(pairs) in QUICK.looks:
            effect = recall_effect(pairs, QUICK, SEARCH, 2, looks_so_far(len(pairs), QUICK.looks))
            assert effect is not None
            if effect.finding is Finding.REGRESSED:
                return effect.finding
            doubt = anew and (doubt or recall_doubtful([effect]))
    return effect.finding


def share(finding: Finding, loss: float, luck: float, anew: bool = True, gates: int = 300) -> float:
    random = np.random.default_rng(7)
    return sum(gate(loss, luck, random, anew) is finding for _ in range(gates)) / gates


@pytest.mark.parametrize("luck", [0.3, 1.0, 2.0])
def test_two_loadings_of_one_build_are_not_blocked_for_the_luck_of_an_index(luck: float) -> None:
    assert share(Finding.REGRESSED, 0.0, luck) <= 0.007  # 0.1 % are allowed for; none or one of 300


def test_copies_of_one_loading_counted_as_samples_of_the_build_would_block_it() -> None:
    assert share(Finding.REGRESSED, 0.0, 2.0, anew=False) > 0.2


def test_a_build_that_finds_less_on_each_loading_is_blocked() -> None:
    assert share(Finding.REGRESSED, 4.0, 0.3, gates=100) == 1.0


def test_one_loading_is_a_doubt_and_says_what_follows() -> None:
    fractions = looks_so_far(16, QUICK.looks)

    def found(*losses: float) -> Effect:
        first = [at(3.0 + number % 2, 0, number) for number in range(8)]
        anew = [at(loss, number + 1, number + 8) for number, loss in enumerate(losses)]
        effect = recall_effect([*first, *anew], QUICK, SEARCH, 2, fractions)
        assert effect is not None
        return effect

    assert found().finding is Finding.OPEN
    assert "luck of one index" in found().note
    assert recall_doubtful([found()])
    assert found(3.0, 3.1, 3.2).finding is Finding.OPEN, "three loadings are too few"
    assert found(3.0, 3.1, 3.2, 3.0, 3.1).finding is Finding.REGRESSED
    assert not found(3.0, 3.1, 3.2, 3.0, 3.1).note
    assert not recall_doubtful([found(0.1, -0.2, 0.3, -0.1, 0.2, 0.0, 0.1, -0.3)])
    assert recall_doubtful([found(0.5, 0.4, 0.4, 0.5)]), "with the first loading it is more than the margin"


def test_processes_with_data_of_their_own_are_samples_of_the_build_from_the_first_pair_on() -> None:
    pairs = [at(3.0 + number % 2 / 10, None, number) for number in range(8)]
    effect = recall_effect(pairs, QUICK, SEARCH, 2, looks_so_far(8, QUICK.looks))
    assert effect is not None
    assert effect.finding is Finding.REGRESSED


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.slow  # a dozen loads; what it decides by is above
def test_a_gate_of_a_forgetful_build_loads_the_data_anew_and_blocks_it(tmp_path: Path, cache: Path) -> None:
    scenario = write_scenario(tmp_path, gate="").read_text().replace("looks = [2, 3]", "looks = [2, 6]")
    (tmp_path / "scenario.toml").write_text(scenario)
    done = perfgate(
        ["gate", str(tmp_path / "scenario.toml"), "--target", str(write_target(tmp_path)), "--base", "default",
         "--candidate", "forgetful", "--out", str(tmp_path / "out")], cache,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "of the true answers" in " ".join(done.stdout.split())
    record = json.loads((tmp_path / "out" / "result.json").read_text())["record"]
    assert [pair["load"] for pair in record["pairs"]] == [0, 0, 1, 2, 3, 4]
