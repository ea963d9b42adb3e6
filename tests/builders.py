"""Hand-made records and comparisons: everything in them is fixed, so that a report of them is too."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from perfgate.gate.comparison import Comparison
from perfgate.gate.effect import Effect, Finding
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Reason, Verdict, Word
from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.run import RunRecord, Second
from perfgate.segment import Arm
from perfgate.units import NS_PER_MS, NS_PER_S, NS_PER_US
from perfgate.usage import ThreadUsage, Usage
from perfgate.worker_load import WorkerLoad

OPERATIONS = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)
MEDIAN_NS = {Operation.STORE: 400 * NS_PER_US, Operation.RECALL: 520 * NS_PER_US, Operation.EMBEDDING_SEARCH: 1_450_000}
WIGGLE = (0.004, -0.011, 0.007, 0.013, -0.006, -0.002, 0.009, -0.008, 0.001, -0.004, 0.012, -0.009)


def latencies(median_ns: float, count: int, sd: float = 0.5) -> Histogram:
    """The quantiles of a log-normal distribution, evenly spread: no randomness."""
    from statistics import NormalDist

    normal = NormalDist(math.log(median_ns), sd)
    return Histogram.of(
        np.array([round(math.exp(normal.inv_cdf((k + 0.5) / count))) for k in range(count)], dtype=np.int64)
    )


def operation_interval(
    median_ns: float, count: int = 400, failed: dict[Outcome, int] | None = None
) -> OperationInterval:
    outcomes = [0] * len(OUTCOMES)
    outcomes[Outcome.OK] = count
    for outcome, number in (failed or {}).items():
        outcomes[outcome] = number
    return OperationInterval(
        response=latencies(median_ns, count), service=latencies(median_ns * 0.9, count), outcomes=tuple(outcomes)
    )


def arm_interval(slower: float = 1.0, failed: dict[Outcome, int] | None = None, **fields: Any) -> Interval:
    """All three operations; `slower` stretches embedding_search."""
    parts = {
        name: operation_interval(
            MEDIAN_NS[name] * (slower if name is Operation.EMBEDDING_SEARCH else 1.0),
            failed=failed if name is Operation.STORE else None,
        )
        for name in OPERATIONS
    }
    parts[Operation.EMBEDDING_SEARCH] = dataclasses.replace(
        parts[Operation.EMBEDDING_SEARCH], checked=40, found=394, expected=400
    )
    total = sum(part.total for part in parts.values())
    values: dict[str, Any] = {
        "segment": 0, "start_ns": 0, "end_ns": 2 * NS_PER_S, "due": total, "sent": total, "last_done_ns": 2 * NS_PER_S,
        "operations": parts, "lag": latencies(24 * NS_PER_US, total), "wait": latencies(2 * NS_PER_US, total // 100),
        "worker": "agent-1/0",
    }  # fmt: skip
    return Interval(**{**values, **fields})


def effect(
    statistic: str, operation: Operation | None, change: float = 0.0, finding: Finding = Finding.CLEAR,
    se: float = 0.008, pairs: int = 12, **fields: Any,
) -> Effect:  # fmt: skip
    """A latency effect of `change` (0.2 is +20 %), or a difference of shares for errors and recall."""
    quantile = {"p50": 1.0, "p95": 2.28, "p99": 3.2}.get(statistic)
    estimate = math.log1p(change) if quantile else change
    scale = 1.0 if quantile else 0.02
    base = MEDIAN_NS[operation or Operation.RECALL] * (quantile or 0.0)
    values: dict[str, Any] = {
        "statistic": statistic, "operation": operation, "primary": statistic == "p99", "finding": finding,
        "estimate": estimate, "se": se * scale, "df": pairs - 3, "lower": estimate - 3.5 * se * scale,
        "upper": estimate + 3.5 * se * scale, "pass_upper": estimate + 1.8 * se * scale,
        "p_nominal": 0.5, "p_adjusted": 1.0, "margin": 0.05 if quantile else 0.001,
        "detectable_80": 4.6 * se * scale, "detectable_99": 6.1 * se * scale,
        "per_pair": tuple(estimate + scale * WIGGLE[k % len(WIGGLE)] for k in range(pairs)),
        "base_ns": base, "candidate_ns": base * (1 + change) if quantile else 0.0,
        "pooled_ratio": 1 + change if quantile else None,
        "base_share": None if quantile else 0.985 if statistic == "recall" else 0.0,
        "candidate_share": None if quantile else 0.985 - change if statistic == "recall" else change,
    }  # fmt: skip
    return Effect(**{**values, **fields})


def effects(search: float = 0.002, finding: Finding = Finding.CLEAR, pairs: int = 12) -> tuple[Effect, ...]:
    """Three operations by three quantiles, errors, recall."""
    changes = {Operation.STORE: 0.003, Operation.RECALL: -0.004, Operation.EMBEDDING_SEARCH: search}
    rows = [
        effect(
            statistic,
            name,
            changes[name],
            finding if name is Operation.EMBEDDING_SEARCH else Finding.CLEAR,
            pairs=pairs,
        )
        for name in OPERATIONS
        for statistic in ("p50", "p95", "p99")
    ]
    rows.append(effect("p99", None, search / 3, pairs=pairs))
    rows.append(effect("errors", None, 0.0, pairs=pairs))
    rows.append(effect("recall", Operation.EMBEDDING_SEARCH, 0.0005, pairs=pairs))
    return tuple(rows)


VERDICTS = {
    Word.PASS: Verdict(Word.PASS, (Reason("clear", "every operation's p99 is clear of the margin of 5 %"),)),
    Word.BLOCK: Verdict(
        Word.BLOCK,
        (
            Reason(
                "regression",
                "embedding_search p99 is 20.3 % slower (at least 17.0 %), over the margin of 5 %",
                "profile embedding_search between the two builds",
                "embedding_search p99",
            ),
        ),
    ),
    Word.INCONCLUSIVE: Verdict(
        Word.INCONCLUSIVE,
        (
            Reason(
                "undecided", "embedding_search p99 is neither over nor clear of its margin", "", "embedding_search p99"
            ),
        ),
    ),
    Word.INVALID: Verdict(
        Word.INVALID,
        (
            Reason(
                "generator_lag",
                "the load generator was late by 3.1 ms at p99, more than the 1.00 ms allowed",
                "free CPUs for the agent, or lower the scenario's rate",
            ),
        ),
    ),
}


def comparison(word: Word, **fields: Any) -> Comparison:
    """A decided comparison with the effects that go with its word."""
    by_word = {
        Word.PASS: effects(pairs=20),
        Word.BLOCK: effects(0.203, Finding.REGRESSED),
        Word.INCONCLUSIVE: effects(0.045, Finding.OPEN, pairs=30),
        Word.INVALID: (),
    }
    pairs = {Word.PASS: 20, Word.BLOCK: 12, Word.INCONCLUSIVE: 30, Word.INVALID: 3}[word]
    look = {Word.PASS: 3, Word.BLOCK: 1, Word.INCONCLUSIVE: 5, Word.INVALID: 0}[word]
    values: dict[str, Any] = {
        "policy": Policy(), "pairs": pairs, "look": look, "final": True, "effects": by_word[word],
        "verdict": VERDICTS[word],
        "variance": () if word is Word.INVALID else (("between processes", 0.61), ("within processes", 0.39)),
    }  # fmt: skip
    return Comparison(**{**values, **fields})


def _limits(slower: float, both: bool) -> tuple[dict[str, Any], ...]:
    p99 = {"name": "expected_p99_latency_ms", "limit": 5.0, "unit": "ms", "base": 3.47, "met_base": True}
    errors = {"name": "max_error_rate", "limit": 0.01, "unit": "share", "base": 0.0, "met_base": True}
    if not both:
        return p99, errors
    met = 3.47 * slower <= 5.0
    return {**p99, "candidate": 3.47 * slower, "met_candidate": met}, {
        **errors,
        "candidate": 0.0,
        "met_candidate": True,
    }


def _pair(number: int, search: float) -> dict[str, Any]:
    return {
        "number": number, "couples": 34, "dropped": 2 if number % 4 == 1 else 0,
        "drop_reasons": ["generator late"] if number % 4 == 1 else [],
        "ports": {"base": 40101, "candidate": 40102}, "cpus": {"base": [1], "candidate": [1]},
        "start_ns": {"base": 210 * NS_PER_MS, "candidate": 214 * NS_PER_MS}, "steal_fraction": 0.0,
        "effects": {"embedding_search p99": math.log1p(search) + WIGGLE[number % len(WIGGLE)]},
    }  # fmt: skip


def worker_load(number: int = 1, lag: Histogram | None = None, **usage: Any) -> WorkerLoad:
    """A worker that was well within every threshold, but for `usage`."""
    values: dict[str, Any] = {
        "wall_ns": 95 * NS_PER_S, "user_ns": 21 * NS_PER_S, "system_ns": 9 * NS_PER_S, "voluntary_switches": 48_210,
        "involuntary_switches": 12, "minor_faults": 120, "peak_rss_bytes": 88_000_000, "loaded_ns": 90 * NS_PER_S,
        "cpu_share": 0.31, "busiest_share": 0.38, "waiting_share": 0.0012, "steal_share": 0.001,
        "host_steal_share": 0.002, "scheduling": "realtime", "priority": 1, "cpus": (number,), "timer_slack_ns": 1,
        "threads": (ThreadUsage("main", 28 * NS_PER_S, 108 * NS_PER_MS, 20 * NS_PER_S, 8 * NS_PER_S),),
    }  # fmt: skip
    lag = latencies(24 * NS_PER_US, 1200) if lag is None else lag
    return WorkerLoad(f"agent-1/{number}", lag, latencies(2 * NS_PER_US, 12), Usage(**{**values, **usage}))


def record(kind: str = "gate", **fields: Any) -> RunRecord:
    """A record that fits `comparison(Word.PASS)`, or a run of thirty seconds."""
    slower = fields.pop("slower", 1.0)
    pairs = fields.pop("pair_count", 20)
    failed = fields.pop("failed", None)
    gate = kind == "gate"
    arms = {Arm.BASE: arm_interval(failed=None if gate else failed)}
    if gate:
        arms[Arm.CANDIDATE] = arm_interval(slower, failed=failed)
    values: dict[str, Any] = {
        "kind": kind, "name": "CI Quick Check", "started_wall_ns": 1_750_000_000 * NS_PER_S,
        "duration_ns": 95 * NS_PER_S, "scenario": '{"name":"CI Quick Check"}', "scenario_digest": "0123456789abcdef",
        "target": "embedded",
        "builds": {Arm.BASE: "default", Arm.CANDIDATE: "slow_search"} if gate else {Arm.BASE: "default"},
        "seed": 42, "complete": True, "arms": arms, "measured_ns": dict.fromkeys(arms, 2 * NS_PER_S),
        "timeline": () if gate else tuple(_second(at) for at in range(30)),
        "pairs": tuple(_pair(number, slower - 1) for number in range(pairs)) if gate else (),
        "phases": (("data", 2 * NS_PER_S), ("load default", 3 * NS_PER_S), ("measure", 90 * NS_PER_S)),
        "environment": {"controller": "host-1", "perfgate": "0.1.0", "agents": {"agent-1": {"cpu": "x86", "cores": 8}}},
        "limits": _limits(slower, gate), "workers": (worker_load(),),
    }  # fmt: skip
    return RunRecord(**{**values, **fields})


def _second(at: int) -> Second:
    p99s = {name.value: MEDIAN_NS[name] * 3.2 * (1 + 0.02 * (at % 5) + (0.8 if at == 17 else 0)) for name in OPERATIONS}
    return Second(at * NS_PER_S, Arm.BASE, 600, 0, {name: value / 3.2 for name, value in p99s.items()}, p99s)


def gate(word: Word) -> tuple[RunRecord, Comparison]:
    """A record and its comparison, for each verdict."""
    examples = ('bad status: store answered 503: {"error": "index is | `busy` <b>"}',)
    if word is Word.BLOCK:
        one = record(slower=1.203, pair_count=12, failed={Outcome.BAD_STATUS: 2, Outcome.TIMEOUT: 1})
        candidate = dataclasses.replace(one.arms[Arm.CANDIDATE], examples=examples)
        return dataclasses.replace(one, arms={**one.arms, Arm.CANDIDATE: candidate}), comparison(word)
    if word is Word.INCONCLUSIVE:
        return record(slower=1.045, pair_count=30), comparison(word)
    if word is Word.INVALID:
        late = arm_interval(lag=latencies(700 * NS_PER_US, 1200, 0.64))
        still = worker_load(lag=late.lag, standstill_ns=251 * NS_PER_MS)
        arms = {Arm.BASE: late, Arm.CANDIDATE: late}
        return record(
            pair_count=3, arms=arms, workers=(still, worker_load(2)), warnings=("the host has no CPU governor to read",)
        ), comparison(word)
    return record(), comparison(word)
