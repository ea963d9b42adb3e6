"""Comparisons as JSON, exact both ways."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from perfgate.errors import InputError
from perfgate.gate.comparison import Comparison
from perfgate.gate.effect import Effect, Finding
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Reason, Verdict, Word
from perfgate.operation import Operation


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
        return Comparison(
            policy=Policy(**{**data["policy"], "looks": tuple(data["policy"]["looks"])}),
            pairs=data["pairs"],
            look=data["look"],
            final=data["final"],
            effects=tuple(_effect_from_json(effect) for effect in data["effects"]),
            verdict=_verdict(data["verdict"]),
            variance=tuple((line["source"], _from_number(line["share"])) for line in data["variance"]),
            notes=tuple(data["notes"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        remedy = "the file was changed after the run: restore it, or run again"
        raise InputError(f"not a comparison of perfgate ({error!r}); {remedy}") from error


def _verdict(data: Mapping[str, Any]) -> Verdict:
    reasons = tuple(Reason(**reason) for reason in data["reasons"])
    return Verdict(Word(data["word"]), reasons, data["competitive"])


def _effect_to_json(effect: Effect) -> dict[str, Any]:
    values = {field.name: _number(getattr(effect, field.name)) for field in dataclasses.fields(effect)}
    return {
        **values,
        "operation": effect.operation.value if effect.operation else None,
        "finding": effect.finding.value,
        "per_pair": [_number(value) for value in effect.per_pair],
    }


def _effect_from_json(data: Mapping[str, Any]) -> Effect:
    plain = ("statistic", "note")
    values = {name: value if name in plain else _from_number(value) for name, value in data.items()}
    values["operation"] = None if data["operation"] is None else Operation(data["operation"])
    values["finding"] = Finding(data["finding"])
    values["per_pair"] = tuple(_from_number(value) for value in data["per_pair"])
    return Effect(**values)


def _number(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _from_number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and value in ("inf", "-inf", "nan") else value
