"""The examination: read, listen, drive, judge."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perfgate.doctor.check import Check
from perfgate.doctor.diagnosis import Diagnosis, Spectrum, Subject, judge_fitness
from perfgate.doctor.echo_load import EchoOrder, EchoResult, drive_echo
from perfgate.doctor.echo_scenario import echo_scenario
from perfgate.doctor.facts import HostFacts
from perfgate.doctor.kernel_checks import kernel_checks
from perfgate.doctor.limit_checks import limit_checks
from perfgate.doctor.measured_checks import echo_checks, stillness_check, stolen_check
from perfgate.doctor.needs import Needs
from perfgate.doctor.own_error import own_error
from perfgate.doctor.processor_checks import processor_checks
from perfgate.doctor.reading import read_host
from perfgate.doctor.resolution import Sight, hardest_operation, sight
from perfgate.doctor.spectrum import dominant_period, octaves
from perfgate.doctor.steal import read_ticks, stolen_share
from perfgate.doctor.stillness import Stillness, listen
from perfgate.doctor.tree import Tree
from perfgate.errors import PerfgateError
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import POLICIES, policy_for
from perfgate.progress import PhaseStarted, Progress
from perfgate.scenario.model import Scenario
from perfgate.units import NS_PER_MS

EXAMPLE_P99S_NS = (NS_PER_MS, 5 * NS_PER_MS)


@dataclass(frozen=True, slots=True)
class Examination:
    """scenario: examined for, or None for small requests. rate: a second, instead of the scenario's. seconds: of each of
    the two measurements. cache_dir: where data would be kept."""

    scenario: Scenario | None
    rate: float | None
    seconds: float
    workers: int
    cache_dir: Path
    tree: Tree = field(default_factory=Tree)


async def examine(order: Examination, progress: Progress) -> Diagnosis:
    """Takes twice order.seconds and a few more. Raises PerfgateError where not even the probe runs."""
    started = time.time_ns()
    policy = policy_for(order.scenario.gate) if order.scenario else policy_for({})
    facts = read_host(order.tree, order.workers, order.cache_dir)
    sent = echo_scenario(order.scenario, order.rate)
    before = read_ticks(order.tree)
    stillness = await listen(order.tree, _listened(facts), order.seconds, progress)
    echo, problem = None, ""
    try:
        echo = await drive_echo(EchoOrder(sent, policy, order.seconds, order.workers, facts.store_cpus), progress)
    except PerfgateError as error:
        problem = f"the echo could not be measured: {error}"
    stolen = stolen_share(before, read_ticks(order.tree))
    progress.handle(PhaseStarted("reckoning", "what a gate would see"))
    subject = _subject(order, sent, policy, facts, started)
    needs = Needs.of(order.scenario, order.workers) if order.scenario else Needs(workers=order.workers)
    return diagnose(subject, facts, needs, stillness, stolen, echo, problem)


def diagnose(
    subject: Subject, facts: HostFacts, needs: Needs, stillness: Stillness, stolen: float | None,
    echo: EchoResult | None, problem: str = "",
) -> Diagnosis:  # fmt: skip
    """Pure: from what was read and measured to what it comes to."""
    checks = tuple(_checks(subject, facts, needs, stillness, stolen, echo))
    sights = _sights(subject, echo) if echo else ()
    fitness, reasons = judge_fitness(subject, checks, sights, problem)
    return Diagnosis(
        subject=subject, checks=checks, stillness=stillness,
        spectra=tuple(Spectrum(octaves(one), dominant_period(one)) for one in stillness.noise),
        stolen=stolen, echo=echo, own=own_error(echo.pair, subject.policy) if echo else None, sights=sights,
        fitness=fitness, reasons=reasons,
    )  # fmt: skip


def _checks(
    subject: Subject, facts: HostFacts, needs: Needs, stillness: Stillness, stolen: float | None,
    echo: EchoResult | None,
) -> list[Check]:  # fmt: skip
    measured = [*(echo_checks(echo, subject.policy) if echo else ()), stillness_check(stillness), stolen_check(stolen)]
    return [
        *measured,
        *processor_checks(facts, needs),
        *kernel_checks(facts.kernel, stillness.realtime),
        *limit_checks(facts.limits, needs),
    ]


def _sights(subject: Subject, echo: EchoResult) -> tuple[Sight, ...]:
    """Each store under the scenario's own policy, then under the others."""
    operation = hardest_operation(echo.pair)
    if operation is None:
        return ()
    policies = [subject.policy, *(policy for name, policy in POLICIES.items() if name != subject.policy.name)]
    stores = sorted({*EXAMPLE_P99S_NS, subject.store_p99_ns})
    found = [sight(echo.pair, policy, operation, subject.operations, store) for policy in policies for store in stores]
    return tuple(one for one in found if one is not None)


def _listened(facts: HostFacts) -> Sequence[int | None]:
    """A worker's processor and a store's: the two that a request meets."""
    if not facts.worker_cpus or not facts.store_cpus:
        return (None,)
    return facts.store_cpus[0], facts.worker_cpus[0]


def _subject(order: Examination, sent: Scenario, policy: Policy, facts: HostFacts, started: int) -> Subject:
    expected = order.scenario.validation.expected_p99_latency_ms if order.scenario else None
    return Subject(
        scenario=order.scenario.name if order.scenario else "",
        operations=len(order.scenario.weights) if order.scenario else 1,
        rate=float(sent.arrival.parameters["rate"]),
        seconds=order.seconds,
        workers=order.workers,
        policy=policy,
        store_p99_ns=round(expected * NS_PER_MS) if expected else EXAMPLE_P99S_NS[0],
        host=platform.node(),
        cpu=facts.processor.model or platform.machine(),
        started_wall_ns=started,
    )
