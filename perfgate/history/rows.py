"""What one result is in the tables. Pure: everything here follows from result.json, so that tables can be filled again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perfgate.gate.comparison import Comparison
from perfgate.gate.effect import Effect
from perfgate.histogram import Histogram
from perfgate.report.words import exit_code, run_verdict
from perfgate.run import RunRecord

Row = dict[str, Any]
QUANTILES = {"p50_ns": 0.5, "p95_ns": 0.95, "p99_ns": 0.99, "p999_ns": 0.999}


@dataclass(frozen=True, slots=True)
class Rows:
    """Of one run; `children` by the name of their table, each row without its run_id."""

    run: Row
    children: Mapping[str, list[Row]]


def make_rows(record: RunRecord, comparison: Comparison | None) -> Rows:
    """Without what the result does not say: run's id, directory and recorded_wall_ns."""
    return Rows(
        run=_run(record, comparison),
        children={
            "build": _builds(record),
            "pair": [_pair(line) for line in record.pairs],
            "effect": [_effect(place, one) for place, one in enumerate(comparison.effects if comparison else ())],
            "latency": _latencies(record),
            "environment": _environments(record),
        },
    )


def _run(record: RunRecord, comparison: Comparison | None) -> Row:
    return {
        "kind": record.kind,
        "scenario": text(record.name),
        "scenario_digest": record.scenario_digest,
        "target": text(record.target),
        "started_wall_ns": record.started_wall_ns,
        "duration_ns": record.duration_ns,
        "verdict": comparison.verdict.word.value if comparison else run_verdict(record),
        "exit_code": exit_code(record, comparison),
        "complete": record.complete,
        "reasons": _reasons(record, comparison),
        "policy": text(comparison.policy.name) if comparison else None,
        "margin": _number(comparison.policy.margin) if comparison else None,
        "look": comparison.look if comparison else None,
        "pairs": comparison.pairs if comparison else len(record.pairs),
        "seed": record.seed,
        "perfgate": text(record.environment.get("perfgate", "")),
        "host": text(record.environment.get("controller", "")),
        "command": text(record.environment.get("command", "")),
    }


def _reasons(record: RunRecord, comparison: Comparison | None) -> list[Row]:
    if comparison:
        return [
            {name: text(getattr(reason, name)) for name in ("code", "text", "remedy", "metric")}
            for reason in comparison.verdict.reasons
        ]
    return [{name: text(reason.get(name, "")) for name in ("code", "text", "remedy")} for reason in record.invalid]


def _builds(record: RunRecord) -> list[Row]:
    """What the builds are beyond their names, where the record knows: environment.builds by arm."""
    known = record.environment.get("builds", {})
    return [_build(arm.name.lower(), name, known.get(arm.name.lower(), {})) for arm, name in record.builds.items()]


def _build(arm: str, name: str, facts: Mapping[str, Any]) -> Row:
    commit, artifact, dirty = (facts.get(key) for key in ("commit", "artifact", "dirty"))
    return {
        "arm": arm,
        "name": text(name),
        "commit_sha": None if commit is None else text(commit)[:64],
        "artifact": None if artifact is None else text(artifact),
        "dirty": None if dirty is None else bool(dirty),
        "toolchain": text("\n".join(map(str, facts["toolchain"]))) if facts.get("toolchain") else None,
    }


def _pair(line: Mapping[str, Any]) -> Row:
    starts = line.get("start_ns", {})
    return {
        "number": line["number"],
        "couples": line.get("couples", 0),
        "dropped": line.get("dropped", 0),
        "steal_fraction": line.get("steal_fraction", 0.0),
        "base_start_ns": starts.get("base"),
        "candidate_start_ns": starts.get("candidate"),
        "effects": {text(name): _number(value) for name, value in line.get("effects", {}).items()},
    }


def _effect(place: int, effect: Effect) -> Row:
    numbers = (
        "estimate", "se", "lower", "upper", "pass_upper", "p_nominal", "p_adjusted", "margin", "base_ns", "candidate_ns",
        "base_share", "candidate_share",
    )  # fmt: skip
    return {
        "place": place,
        "metric": effect.name,
        "operation": effect.operation.value if effect.operation else None,
        "statistic": effect.statistic,
        "is_primary": effect.primary,
        "finding": effect.finding.value,
        "df": effect.df,
        **{name: _number(getattr(effect, name)) for name in numbers},
    }


def _latencies(record: RunRecord) -> list[Row]:
    return [
        {
            "arm": arm.name.lower(),
            "operation": operation.value,
            "completed": part.completed,
            "failed": part.total - part.completed,
            **_quantiles(part.response),
        }
        for arm, interval in record.arms.items()
        for operation, part in interval.operations.items()
    ]


def _quantiles(response: Histogram) -> Row:
    if not response.total:
        return dict.fromkeys(QUANTILES)
    values = response.quantiles(list(QUANTILES.values())).tolist()
    return dict(zip(QUANTILES, values, strict=True))


def _environments(record: RunRecord) -> list[Row]:
    agents = record.environment.get("agents", {})
    return [_environment(str(agent), facts) for agent, facts in agents.items() if isinstance(facts, Mapping)]


def _environment(agent: str, facts: Mapping[str, Any]) -> Row:
    cores = str(facts.get("cores", ""))
    named = {name: facts.get(name) for name in ("cpu", "kernel", "governor", "perfgate")}
    return {
        "agent": text(agent)[:255],
        "cores": int(cores) if cores.isdecimal() else None,
        **{name: None if value is None else text(value) for name, value in named.items()},
        "facts": {text(name): text(value) if isinstance(value, str) else value for name, value in facts.items()},
    }


def text(value: Any) -> str:
    """What both databases take as text: no NUL, no half of a surrogate pair. The packed result keeps them."""
    return str(value).replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _number(value: float | None) -> float | None:
    """Infinities and nan are no numbers to a trend, and not the same in every database; the packed result keeps them."""
    return None if value is None or not math.isfinite(value) else float(value)
