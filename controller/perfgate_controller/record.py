"""Makes the record of a run or a gate out of what was measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

from perfgate import __version__
from perfgate.gate.comparison import Comparison
from perfgate.gate.generator import run_problems
from perfgate.gate.limits import check_limits
from perfgate.gate.policy import Policy
from perfgate.gate.validity import usable_pairs
from perfgate.gate.verdict import Reason
from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.pair import Pair
from perfgate.run import BROKEN_OFF, RunRecord, Second
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm
from perfgate.targets.model import Target
from perfgate.worker_load import WorkerLoad
from perfgate_controller.collect import Collector

BREAKS = ("interrupted", "agent_lost", "store_died", "counts_differ", "start_spread")


def gate_record(
    scenario: Scenario, seed: int, target: Target, builds: Mapping[Arm, str], pairs: Sequence[Pair],
    comparison: Comparison, **rest: Any,
) -> RunRecord:  # fmt: skip
    """`rest`: the fields of RunRecord that the loop knows: times, phases, environment, warnings."""
    arms = {arm: total for arm in Arm if (total := _total(pairs, arm)) is not None}
    measured = {arm: _measured_ns(pairs, arm) for arm in arms}
    return _record(
        "gate", scenario, seed, target, builds, arms, measured,
        complete=comparison.final and not _broken_off(comparison),
        timeline=_pair_timeline(pairs),
        pairs=_pair_lines(pairs, comparison),
        workers=WorkerLoad.merge(load for pair in pairs for load in pair.workers),
        **rest,
    )  # fmt: skip


def run_record(
    scenario: Scenario, seed: int, target: Target, build: str, collector: Collector, broken: str, policy: Policy,
    reports: Sequence[LoadReport], notes: Sequence[str] = (), faults: Sequence[Reason] = (), **rest: Any,
) -> RunRecord:  # fmt: skip
    """broken: why the run was cut short; empty when it was not: only then is it asked whether the generator did its part,
    by the policy's thresholds. faults: of the fleet, by which it says nothing. notes: what else a reader must know."""
    total = collector.total(Arm.BASE)
    workers = collector.workers(reports)
    problems = [*faults, *(run_problems(workers, total, policy) if total and not broken else [])]
    arms = {Arm.BASE: total} if total else {}
    measured = {Arm.BASE: sum(segment.duration_ns for segment in collector.measured())} if total else {}
    return _record(
        "run", scenario, seed, target, {Arm.BASE: build}, arms, measured,
        complete=not broken, timeline=collector.timeline(), pairs=(),
        warnings=(*((f"{BROKEN_OFF}{broken}",) if broken else ()), *notes), workers=workers,
        invalid=tuple({"code": one.code, "text": one.text, "remedy": one.remedy} for one in problems), **rest,
    )  # fmt: skip


def _record(
    kind: str, scenario: Scenario, seed: int, target: Target, builds: Mapping[Arm, str],
    arms: Mapping[Arm, Interval], measured: Mapping[Arm, int], environment: Mapping[str, Any],
    fleet: Mapping[str, Any] | None = None, **rest: Any,
) -> RunRecord:  # fmt: skip
    """fleet: what its agents went through, where there is something to tell."""
    return RunRecord(
        kind=kind,
        name=scenario.name,
        scenario=scenario.source,
        scenario_digest=scenario.digest,
        target=target.name,
        builds=builds,
        seed=seed,
        arms=arms,
        measured_ns=measured,
        environment={
            "controller": platform.node(),
            "perfgate": __version__,
            "agents": environment,
            **({"fleet": dict(fleet)} if fleet else {}),
        },
        limits=check_limits(scenario.validation, arms, measured) if arms else (),
        **rest,
    )


def _broken_off(comparison: Comparison) -> bool:
    return any(reason.code in BREAKS for reason in comparison.verdict.reasons)


def _total(pairs: Sequence[Pair], arm: Arm) -> Interval | None:
    parts = [pair.total(arm) for pair in pairs if pair.usable]
    return Interval.merge(parts) if parts else None


def _measured_ns(pairs: Sequence[Pair], arm: Arm) -> int:
    slices = [couple.arm(arm) for pair in pairs for couple in pair.usable]
    return sum(interval.end_ns - interval.start_ns for interval in slices)


def _pair_timeline(pairs: Sequence[Pair]) -> tuple[Second, ...]:
    """One line an arm and pair; at_ns counts pairs in seconds, since pairs have no common clock."""
    lines = []
    for pair in pairs:
        for arm in Arm:
            if pair.usable:
                lines.append(_line(pair.number, arm, pair.total(arm)))
    return tuple(lines)


def _line(number: int, arm: Arm, total: Interval) -> Second:
    quantiles = {
        name.value: part.response.quantiles([0.5, 0.99])
        for name, part in total.operations.items()
        if part.response.total
    }
    return Second(
        at_ns=number * 1_000_000_000,
        arm=arm,
        completed=total.completed,
        failed=total.failures,
        p50_ns={name: float(values[0]) for name, values in quantiles.items()},
        p99_ns={name: float(values[1]) for name, values in quantiles.items()},
    )


def _pair_lines(pairs: Sequence[Pair], comparison: Comparison) -> tuple[dict[str, Any], ...]:
    """Effects hold a value for each usable pair alone, in order."""
    positions = {pair.number: position for position, pair in enumerate(usable_pairs(pairs))}
    return tuple(_pair_line(pair, comparison, positions.get(pair.number)) for pair in pairs)


def _pair_line(pair: Pair, comparison: Comparison, position: int | None) -> dict[str, Any]:
    dropped = [couple.dropped for couple in pair.couples if couple.dropped]
    return {
        "number": pair.number,
        "start": pair.start,
        "load": pair.load,
        "couples": len(pair.usable),
        "dropped": len(dropped),
        "drop_reasons": sorted(set(dropped)),
        "ports": {arm.name.lower(): port for arm, port in pair.ports.items()},
        "cpus": {arm.name.lower(): list(cpus) for arm, cpus in pair.cpus.items()},
        "start_ns": {arm.name.lower(): start for arm, start in pair.start_ns.items()},
        "steal_fraction": pair.steal_fraction,
        "workers": [_worker_line(load) for load in pair.workers],
        "effects": {
            effect.name: effect.per_pair[position]
            for effect in comparison.effects
            if position is not None and len(effect.per_pair) > position
        },
    }


def _worker_line(load: WorkerLoad) -> dict[str, Any]:
    """What a worker's pair is judged by."""
    usage = load.usage
    return {
        "worker": load.worker,
        "lag_p99_ns": load.lag.quantile(0.99) if load.lag.total else None,
        "busiest_share": usage.busiest_share,
        "waiting_share": usage.waiting_share,
        "steal_share": usage.steal_share,
        "standstill_ns": usage.standstill_ns,
        "gc_pauses": usage.gc_pauses,
    }
