"""Fetches what agents kept of a run whose controller was lost, and makes a record of it, marked as broken off."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import FleetError
from perfgate.gate.policy_load import run_policy
from perfgate.interval import Interval
from perfgate.interval_log import IntervalWriter
from perfgate.load_report import LoadReport
from perfgate.run import RunRecord
from perfgate.scenario import scenario_from_json
from perfgate.segment import Arm, Segment
from perfgate.targets.model import Target
from perfgate.trust.files import TlsFiles
from perfgate.wire.convert import interval_from_wire, report_from_wire, segment_from_wire
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate_controller.collect import Collector
from perfgate_controller.link import AgentLink, plain
from perfgate_controller.member import Member
from perfgate_controller.record import run_record


@dataclass(frozen=True, slots=True)
class KeptRun:
    """One broken-off run, as far as agents kept it. tokens: what each agent calls its part."""

    run_id: str
    run: str
    holder: str
    ended_wall_ns: int
    reason: str
    tokens: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What the agents had of it. reports: of workers that came to the end."""

    run: KeptRun
    load: pb.PrepareLoad
    intervals: tuple[Interval, ...]
    reports: tuple[LoadReport, ...]
    agents: tuple[str, ...]


async def kept_runs(links: Sequence[AgentLink]) -> list[KeptRun]:
    """Of agents that have been asked already (AgentLink.describe): the newest first."""
    runs: dict[str, list[tuple[AgentLink, pb.KeptSession]]] = {}
    for link in links:
        for one in link.kept:
            runs.setdefault(one.run_id or one.token, []).append((link, one))
    found = []
    for run_id, parts in runs.items():
        last = max((one for _, one in parts), key=lambda one: one.ended_wall_ns)
        found.append(
            KeptRun(
                plain(run_id), plain(last.run), plain(last.holder), last.ended_wall_ns, plain(last.reason),
                {link.name: one.token for link, one in parts},
            )
        )  # fmt: skip
    return sorted(found, key=lambda run: -run.ended_wall_ns)


async def fetch(links: Sequence[AgentLink], run: KeptRun) -> Salvaged:
    """All parts of a run. Raises FleetError where one does not come, or parts are not of one load."""
    holders = [link for link in links if link.name in run.tokens]
    answers = await asyncio.gather(*(link.salvage(run.tokens[link.name]) for link in holders))
    load: pb.PrepareLoad | None = None
    intervals: list[Interval] = []
    reports: list[LoadReport] = []
    for link, parts in zip(holders, answers, strict=True):
        if not parts:
            raise FleetError(f"agent {link.name} does not keep run {run.run_id} any more")
        own = parts[0].load
        if load is not None and (own.epoch, own.scenario.scenario_json) != (load.epoch, load.scenario.scenario_json):
            raise FleetError(
                f"agent {link.name} kept load {own.epoch} of run {run.run_id}, another one load {load.epoch}: fetch them one by "
                "one, with a fleet file of that agent alone"
            )
        load = load or own
        reports += [report_from_wire(one) for one in parts[0].workers]
        intervals += [interval_from_wire(one) for part in parts for one in part.intervals]
    assert load is not None, "a kept run has a part"
    return Salvaged(run, load, tuple(intervals), tuple(reports), tuple(link.name for link in holders))


def write(salvaged: Salvaged, directory: Path) -> RunRecord:
    """Intervals into the directory's log; the record, which says that it is part of a run."""
    load = salvaged.load
    scenario = scenario_from_json(load.scenario.scenario_json)
    segments = [segment_from_wire(one) for one in load.segments]
    with IntervalWriter(directory / "intervals.jsonl") as log:
        collector = Collector(segments, lambda interval: log.append(0, interval))
        for interval in sorted(_known(salvaged.intervals, segments), key=lambda one: one.start_ns):
            collector.take(interval)
    target = json.loads(load.target_json)["name"]
    when = f"its controller ({salvaged.run.holder}) was lost: {salvaged.run.reason}"
    record = run_record(
        scenario, load.scenario.seed, _named(target), "salvaged", collector,
        f"{when}; this is what {', '.join(salvaged.agents)} kept of load {load.epoch}", run_policy(scenario.gate),
        salvaged.reports, started_wall_ns=salvaged.run.ended_wall_ns,
        duration_ns=max((one.end_ns for one in salvaged.intervals), default=0), phases=(),
        environment={name: {} for name in salvaged.agents},
    )  # fmt: skip
    return _of_both_arms(record, collector)


def _of_both_arms(record: RunRecord, collector: Collector) -> RunRecord:
    """A pair of a gate has two."""
    arms = {arm: total for arm in Arm if (total := collector.total(arm)) is not None}
    measured = {arm: sum(one.duration_ns for one in collector.measured() if one.arm is arm) for arm in arms}
    builds = {arm: f"salvaged {arm.name.lower()}" if len(arms) > 1 else "salvaged" for arm in arms}
    return dataclasses.replace(record, arms=arms, measured_ns=measured, builds=builds)


def _named(target: str) -> Target:
    """All that agents keep of a target file, which may hold passwords."""
    return Target(target, "", "", frozenset(), {}, None, {}, "{}")


def _known(intervals: Iterable[Interval], segments: Sequence[Segment]) -> list[Interval]:
    numbers = {segment.number for segment in segments}
    return [one for one in intervals if one.segment in numbers]


def links_of(members: Sequence[Member], tls: TlsFiles | None) -> list[AgentLink]:
    """Not dialled yet."""
    return [AgentLink(member, tls) for member in members]
