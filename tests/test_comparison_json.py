"""Claims about comparisons as JSON."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from gate_values import SEARCH, THREE, Build, pairs

from perfgate.errors import InputError
from perfgate.gate.compare import compare, invalid
from perfgate.gate.comparison import Comparison
from perfgate.gate.comparison_json import comparison_from_json, comparison_to_json
from perfgate.gate.policy_load import QUICK, STANDARD

MADE = (
    compare(pairs(8), QUICK, THREE),
    compare(pairs(8, Build(slower={SEARCH: 1.4}, failing={SEARCH: 0.02})), QUICK, THREE),
    compare(pairs(3), STANDARD, THREE),
    compare([], STANDARD, THREE, out_of_time=True),
    invalid(STANDARD, [], "interrupted", "stopped by a signal", ""),
)


@pytest.mark.parametrize("comparison", MADE, ids=lambda comparison: comparison.verdict.word.value)
def test_json_and_back_is_the_same_comparison(comparison: Comparison) -> None:
    text = json.dumps(comparison_to_json(comparison), allow_nan=False)
    assert comparison_from_json(json.loads(text)) == comparison


def test_numbers_that_json_does_not_know_come_back() -> None:
    (effect, *rest) = MADE[0].effects
    odd = dataclasses.replace(effect, upper=math.inf, detectable_80=-math.inf, per_pair=(0.1, math.inf))
    comparison = dataclasses.replace(MADE[0], effects=(odd, *rest))
    assert comparison_from_json(json.loads(json.dumps(comparison_to_json(comparison)))) == comparison


def test_nothing_in_a_comparison_is_a_numpy_number() -> None:
    for comparison in MADE:
        for effect in comparison.effects:
            values = [getattr(effect, field.name) for field in dataclasses.fields(effect)]
            assert not any(isinstance(value, np.generic) for value in (*values, *effect.per_pair)), effect


@pytest.mark.parametrize("damage", ["verdict", "policy", "effects", "pairs"])
def test_what_was_changed_after_the_run_is_refused(damage: str) -> None:
    data = comparison_to_json(MADE[0])
    del data[damage]
    with pytest.raises(InputError, match="not a comparison of perfgate"):
        comparison_from_json(data)
