"""Comparisons as JSON, exact both ways."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from perfgate.errors import InputError
from perfgate.gate.comparison import Comparison
from perfgate.gate.effect import Effect
from perfgate.gate.verdict import Verdict
from perfgate.stored_form import WrongField, at, fields, make, make_odd, needed, rows_of, table_of, value_of

ODD = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
"""How numbers that JSON does not know are written."""


def comparison_to_json(comparison: Comparison) -> dict[str, Any]:
    """JSON-ready; numbers that JSON does not know are the strings `inf`, `-inf` and `nan`."""
    verdict = comparison.verdict
    return {
        "verdict": {
            "word": verdict.word.value,
            "exit_code": verdict.exit_code,
            "competitive": verdict.competitive,
            "reasons": [dataclasses.asdict(reason) for reason in verdict.reasons],
        },
        "pairs": comparison.pairs,
        "look": comparison.look,
        "final": comparison.final,
        "effects": [_effect_to_json(effect) for effect in comparison.effects],
        "variance": [{"source": source, "share": _number(share)} for source, share in comparison.variance],
        "notes": list(comparison.notes),
        "policy": {**dataclasses.asdict(comparison.policy), "looks": list(comparison.policy.looks)},
    }


def comparison_from_json(data: Mapping[str, Any]) -> Comparison:
    """Raises InputError for what `comparison_to_json` did not write; the caller knows the file."""
    try:
        return _comparison(table_of(data))
    except WrongField as wrong:
        remedy = "the file was changed after the run: restore it, or run again"
        raise InputError(f"not a comparison of perfgate ({wrong}); {remedy}") from wrong


def _comparison(data: Mapping[str, Any]) -> Comparison:
    comparison = Comparison(
        **fields(Comparison, data, ("policy", "pairs", "look", "final", "notes")),
        effects=tuple(
            _effect_from_json(one, f"effects[{number}]") for number, one in enumerate(rows_of(data, "effects"))
        ),
        verdict=_verdict(needed(data, "verdict")),
        variance=tuple(_source(one, f"variance[{number}]") for number, one in enumerate(rows_of(data, "variance"))),
    )
    if not comparison.policy.looks:
        raise WrongField("policy.looks", "is empty")
    return comparison


def _verdict(data: Any) -> Verdict:
    with at("verdict"):
        verdict = make(Verdict, data, also=("exit_code",))
        if data.get("exit_code", verdict.exit_code) != verdict.exit_code:
            raise WrongField("exit_code", f"is not that of {verdict.word.value}")
        return verdict


def _source(data: Any, place: str) -> tuple[str, float]:
    with at(place):
        share = needed(data, "share")
        known = ODD[share] if isinstance(share, str) and share in ODD else value_of(float, share, "share")
        return value_of(str, needed(data, "source"), "source"), known


def _effect_to_json(effect: Effect) -> dict[str, Any]:
    values = {field.name: _number(getattr(effect, field.name)) for field in dataclasses.fields(effect)}
    return {
        **values,
        "operation": effect.operation.value if effect.operation else None,
        "finding": effect.finding.value,
        "per_pair": [_number(value) for value in effect.per_pair],
    }


def _effect_from_json(data: Any, place: str) -> Effect:
    with at(place):
        return make_odd(Effect, data, ODD)


def _number(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
