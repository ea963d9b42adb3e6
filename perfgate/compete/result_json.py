"""A competition as JSON; docs/compete.schema.json describes it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any, TypedDict

from perfgate.compete.facts import Facts
from perfgate.compete.frontiers import Frontier
from perfgate.compete.model import Measurement, Turn
from perfgate.compete.outcome import Outcome, Standing
from perfgate.compete.policy import STATISTICS, CompetePolicy
from perfgate.errors import InputError
from perfgate.stored_form import WrongField, needed, show, value_of

SCHEMA_VERSION = 1
KIND = "competition"


class _Verdict(TypedDict):
    word: str
    exit_code: int


class _Store(TypedDict):
    label: str
    version: str


class _Today(TypedDict):
    mean: float | None
    se: float | None
    lower: float | None
    upper: float | None
    rounds: int
    ours: float | None
    theirs: float | None


class _Loss(TypedDict):
    mean: float | None
    lower: float | None
    upper: float | None
    word: str | None


class _Standing(TypedDict):
    competitor: str
    version: str
    metric: str
    judged: bool
    series: str
    today: _Today
    loss: _Loss | None


class _Facts(TypedDict):
    name: str
    scenario_digest: str
    perfgate: str
    controller: str
    command: str
    host: dict[str, str]


class Competition(TypedDict):
    """What reports and histories read of a result."""

    verdict: _Verdict
    started_wall_ns: int
    duration_ns: int
    rounds: int
    stores: list[_Store]
    standings: list[_Standing]
    facts: _Facts


def checked(data: Any, origin: str) -> dict[str, Any]:
    """A result as it was written. Raises InputError naming `origin`, the file, and the field."""
    try:
        if (needed(data, "kind"), needed(data, "schema_version")) != (KIND, SCHEMA_VERSION):
            raise InputError(
                f"{origin}: kind {show(data['kind'])}, schema_version {show(data['schema_version'])} is no competition that "
                "this perfgate can read; use the perfgate that wrote it, or a newer one"
            )
        found: dict[str, Any] = value_of(Competition, data, "")
        if not found["stores"]:
            raise WrongField("stores", "is empty")
    except WrongField as wrong:
        raise InputError(
            f"{origin}: not a competition of perfgate ({wrong}); restore it, or run perfgate compete again"
        ) from wrong
    return found


def result_json(
    facts: Facts, measured: Measurement, policy: CompetePolicy, outcome: Outcome, series: Sequence[str]
) -> dict[str, Any]:
    """Times end in _ns, shares are fractions, ratios logarithms; null is what is not known. series: of each standing."""
    verdict = outcome.verdict
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "verdict": {
            "word": verdict.word.value,
            "exit_code": verdict.exit_code,
            "reasons": [dataclasses.asdict(reason) for reason in verdict.reasons],
        },
        "started_wall_ns": measured.started_wall_ns,
        "duration_ns": measured.duration_ns,
        "rounds": measured.rounds,
        "slice_ns": measured.slice_ns,
        "stores": [{**dataclasses.asdict(one), "values": list(one.values)} for one in measured.stores],
        "standings": [
            _standing(measured, one, key) for one, key in zip(outcome.standings, series, strict=True)
        ],
        "frontiers": [
            _frontier(measured, number, one) for number, one in enumerate(outcome.frontiers)
        ],
        "rules": [dataclasses.asdict(rule) for rule in outcome.rules],
        "notes": list(outcome.notes),
        "loadings": [dataclasses.asdict(one) for one in measured.loadings],
        "turns": [_turn(turn) for turn in measured.turns],
        "references": [dataclasses.asdict(one) for one in facts.references],
        "policy": dataclasses.asdict(policy),
        "facts": {
            "perfgate": facts.perfgate, "controller": facts.controller, "host": dict(facts.host), "command": facts.command,
            "name": facts.name, "scenario": json.loads(facts.scenario), "scenario_digest": facts.scenario_digest,
            "seed": facts.seed, "environment": json.loads(json.dumps(measured.environment, default=str)),
        },
    }  # fmt: skip


def _standing(measured: Measurement, one: Standing, series: str) -> dict[str, Any]:
    theta, loss = one.theta, one.loss
    return {
        "competitor": measured.stores[theta.competitor].label,
        "version": measured.stores[theta.competitor].version,
        "metric": theta.metric,
        "judged": theta.judged,
        "series": series,
        "today": {
            "word": theta.word, "mean": _number(theta.mean), "se": _number(theta.se), "df": _number(theta.df),
            "lower": _number(theta.lower), "upper": _number(theta.upper), "rounds": theta.rounds,
            "ours": _number(theta.ours), "theirs": _number(theta.theirs), "per_round": list(theta.per_round),
        },
        "loss": None if loss is None else {
            "sessions": loss.sessions, "mean": loss.loss, "se": loss.se, "lower": loss.lower, "upper": loss.upper,
            "word": loss.word.value if loss.word else None,
        },
    }  # fmt: skip


def _frontier(measured: Measurement, store: int, of: Frontier) -> dict[str, Any]:
    latencies = {
        operation.value: {statistic: of.latency(operation, statistic).tolist() for statistic in STATISTICS}
        for operation in measured.operations
    }
    points = []
    for value, name in enumerate(measured.stores[store].values):
        spread = of.spread[value]
        points.append(
            {
                "value": name,
                "recall": None if spread is None else dataclasses.asdict(spread),
                "on_frontier": value in of.kept,
                "fault": of.faults[value],
                "latency_ns": {
                    operation: {statistic: _number(column[value]) for statistic, column in columns.items()}
                    for operation, columns in latencies.items()
                },
            }
        )
    at = None if of.at is None else dataclasses.asdict(of.at)
    return {"store": measured.stores[store].label, "points": points, "at": at}


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "round": turn.round, "store": turn.store, "place": turn.place, "start_ns": turn.start_ns,
        "warmup_ns": turn.warmup_ns, "warm": turn.warm, "cpus": list(turn.cpus), "peak_bytes": turn.peak_bytes,
        "rate": turn.rate, "alone": turn.alone, "slices": turn.slices, "dropped": turn.dropped,
        "readings": [
            {
                "value": reading.value, "fault": reading.fault, "blame": reading.blame,
                "operations": {
                    name.value: {**dataclasses.asdict(part), "recalls": list(part.recalls), "groups": _plain_groups(part.groups)}
                    for name, part in reading.operations.items()
                },
            }
            for reading in turn.readings
        ],
    }  # fmt: skip


def _plain_groups(groups: Sequence[tuple[float, float, float] | None]) -> list[list[float] | None]:
    return [None if one is None else list(one) for one in groups]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
