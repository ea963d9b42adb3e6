"""What a calibration's directory keeps so that another one can go on where it stopped."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from perfgate.calibration.digest import noise_digest
from perfgate.errors import InputError, MeasurementError
from perfgate.gate.generator import drop_laggards
from perfgate.gate.policy import Policy
from perfgate.interval_log import read_intervals
from perfgate.pair import Pair
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm
from perfgate.stored_form import WrongField, make, needed, parse, show, value_of
from perfgate_controller.collect import Collector
from perfgate_controller.schedule import schedule_pair

KIND = "perfgate calibration"
VERSION = 1
NAME = "calibration.json"


@dataclass(frozen=True, slots=True)
class State:
    """terms: under which the pairs were measured; pairs of other terms are not put together. sources: directories of
    calibrations that this one added to. first, plan_start_ns: number of the first pair here, and where its plan begins.
    done: whole pairs; spoilt: numbers of those that do not count. plan_at_ns: where the next pair's plan begins.
    measuring_ns: what the pairs here took on the clock."""

    terms: Mapping[str, Any]
    sources: tuple[str, ...]
    first: int
    plan_start_ns: int
    done: int = 0
    spoilt: tuple[int, ...] = ()
    plan_at_ns: int = 0
    measuring_ns: int = 0


@dataclass(slots=True)
class Earlier:
    """Pairs of earlier calibrations, and where the next one goes on."""

    pairs: list[Pair] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    next_number: int = 0
    plan_at_ns: int = 0
    measuring_ns: int = 0


def make_terms(
    scenario: Scenario, target: str, variant: str, seed: int, policy: Policy, slice_ns: int, host: Mapping[str, str]
) -> dict[str, Any]:
    """What pairs must have in common to be put together."""
    return {
        "scenario": noise_digest(scenario), "target": target, "variant": variant, "seed": seed, "policy": policy.name,
        "mode": policy.mode, "pairs_a_process": policy.pairs_a_start,
        "slice_ns": slice_ns, "measured_ns": policy.measured_ns, "warmup_ns": policy.warmup_ns, "host": dict(host),
    }  # fmt: skip


def write_state(directory: Path, state: State) -> None:
    """After each pair, so that a killed calibration keeps its pairs, too. Raises MeasurementError."""
    fields = {name: getattr(state, name) for name in State.__slots__}
    beside = directory / f"{NAME}.part"
    try:
        beside.write_text(json.dumps({"kind": KIND, "version": VERSION, **fields}, indent=1) + "\n", encoding="utf-8")
        os.replace(beside, directory / NAME)
    except OSError as error:
        raise MeasurementError(f"{directory / NAME}: {error.strerror}; make room and go on with --add") from error


def read_state(directory: Path) -> State:
    """Raises InputError naming the file and the remedy for what is no calibration's directory."""
    path = directory / NAME
    try:
        data = parse(path.read_bytes())
        if needed(data, "kind") != KIND or needed(data, "version") != VERSION:
            raise WrongField("", f"{show(data['kind'])} {show(data['version'])}")
        state = make(State, data, also=("kind", "version"))
        value_of(_Terms, state.terms, "terms")
        return state
    except OSError as error:
        raise InputError(f"--add {directory}: {error.strerror} ({NAME}); give a calibration's directory") from error
    except ValueError as error:
        raise InputError(f"{path}: is no calibration of this perfgate ({error}); leave it out of --add") from error


class _Terms(TypedDict):
    """What the schedule is made of again."""

    seed: int
    slice_ns: int


def read_earlier(directories: Sequence[Path], terms: Mapping[str, Any], policy: Policy) -> Earlier:
    """The pairs of these calibrations and of those that they added to, each once. Raises InputError where one was measured
    under other terms. Terms that are missing in `terms` are not compared."""
    earlier, waiting = Earlier(), list(directories)
    while waiting:
        directory = waiting.pop(0)
        place = str(directory.resolve())  # sources are absolute, what was typed need not be
        if place in earlier.sources:
            continue
        state = read_state(directory)
        _check_terms(directory, state.terms, terms)
        earlier.sources.append(place)
        waiting += [Path(source) for source in state.sources]
        earlier.pairs += _pairs(directory, state, policy)
        whole = math.ceil((state.first + state.done) / policy.pairs_a_start) * policy.pairs_a_start  # fresh processes
        earlier.next_number = max(earlier.next_number, whole)
        earlier.plan_at_ns = max(earlier.plan_at_ns, state.plan_at_ns)
        earlier.measuring_ns += state.measuring_ns
    earlier.pairs.sort(key=lambda pair: pair.number)
    numbers = [pair.number for pair in earlier.pairs]
    if len(set(numbers)) < len(numbers):
        raise InputError(
            "--add: two of these calibrations have the same pairs (both began anew); give only one of them"
        )
    return earlier


def _check_terms(directory: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    for name, value in here.items():
        if there.get(name) != value:
            raise InputError(
                f"--add {directory}: was measured with another {name} ({there.get(name)}, here {value}); pairs of both "
                "cannot be put together: leave it out, or calibrate as it was"
            )


def _pairs(directory: Path, state: State, policy: Policy) -> list[Pair]:
    """Whole pairs, put together again from the log of intervals by the schedule, which is a function of the terms."""
    by_pair: dict[int, list[Any]] = {}
    for number, interval in read_intervals(directory / "intervals.jsonl"):
        by_pair.setdefault(number, []).append(interval)
    pairs, plan_at_ns = [], state.plan_start_ns
    for number in range(state.first, state.first + state.done):
        schedule = schedule_pair(policy, state.terms["slice_ns"], state.terms["seed"], number, plan_at_ns)
        plan_at_ns = schedule.plan_end_ns
        collector = Collector(schedule.segments, lambda interval: None)
        for interval in by_pair.get(number, ()):
            collector.take(interval)
        couples = () if number in state.spoilt else collector.couples(schedule)
        couples = tuple(drop_laggards(couple, policy) for couple in couples)
        pairs.append(Pair(number, couples, collector.warmups(), {}, dict.fromkeys(Arm, 0), {}, start=schedule.start))
    return pairs
