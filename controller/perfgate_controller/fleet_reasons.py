"""Whether what a fleet went through leaves a measurement anything to say: judged by the policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from perfgate.errors import CountsError, FleetError, StartError
from perfgate.gate.generator import LOST, LOST_REMEDY
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Reason
from perfgate.pair import Pair
from perfgate.units import format_duration
from perfgate_controller.fleet_story import FleetStory, Start
from perfgate_controller.load_part import LoadResult

COUNTS_REMEDY = "something that was measured got lost on the way: please report it, with the agents' logs"
START_REMEDY = "see perfgate fleet check for the agents' clocks and load; [gate] max_start_spread_ms sets the limit"


def check_counts(results: Sequence[LoadResult]) -> None:
    """Raises CountsError when an agent's own counts do not add up, or are not those that came in."""
    if text := counts_text(results):
        raise CountsError(f"{text}; {COUNTS_REMEDY}")


def counts_text(results: Sequence[LoadResult]) -> str:
    """What does not add up; empty where all does."""
    for result in results:
        for report in result.reports:
            if not report.reconciles and not report.stopped:
                return (
                    f"worker {report.worker} lost count: {report.due} requests were due, but {report.completed} completed "
                    f"+ {report.failed} failed + {report.abandoned} abandoned"
                )
        if result.difference:
            agent = result.reports[0].worker.rpartition("/")[0] if result.reports else "an agent"
            return f"the counts of agent {agent} differ from what came in: {result.difference}"
    return ""


def loss_text(story: FleetStory, epoch: int) -> str:
    """Who was lost in load `epoch`, for measurements that have no policy for it: its requests have a hole. Empty: nobody."""
    return "; ".join(str(loss) for loss in story.losses_of(epoch))


def judge_pair(pair: Pair, story: FleetStory, epoch: int, policy: Policy) -> Pair:
    """The pair that load `epoch` made: without its couples where an agent was lost in it and the policy goes on. Raises
    FleetError and StartError where the policy does not."""
    losses = story.losses_of(epoch)
    if losses and policy.agent_loss == "invalid":
        raise FleetError(str(losses[0]))
    if policy.start_spread == "invalid" and (start := _too_far(story, policy, epoch)):
        raise StartError(_start_text(start, policy))
    if not losses:
        return pair
    couples = tuple(one if one.dropped else dataclasses.replace(one, dropped=LOST) for one in pair.couples)
    return dataclasses.replace(pair, couples=couples)


def run_reasons(story: FleetStory, results: Sequence[LoadResult], policy: Policy) -> list[Reason]:
    """Why a run without a gate says nothing."""
    reasons = [Reason("counts_differ", text, COUNTS_REMEDY) for text in [counts_text(results)] if text]
    if policy.agent_loss == "invalid":
        reasons += [Reason("agent_lost", str(loss), LOST_REMEDY) for loss in story.losses]
    if policy.start_spread == "invalid" and (start := _too_far(story, policy)):
        reasons.append(Reason("start_spread", _start_text(start, policy), START_REMEDY))
    return reasons


def fleet_notes(story: FleetStory, policy: Policy) -> tuple[str, ...]:
    """What a reader must know of a measurement that counts all the same."""
    notes = [str(loss) for loss in story.losses if policy.agent_loss != "invalid"]
    if policy.start_spread == "warn" and (start := _too_far(story, policy)):
        notes.append(f"{_start_text(start, policy)}; {START_REMEDY}")
    return tuple(notes)


def _too_far(story: FleetStory, policy: Policy, epoch: int | None = None) -> Start | None:
    """The worst start beyond the limit, of load `epoch` or of all."""
    starts = [one for one in story.starts if epoch is None or one.epoch == epoch]
    worst = max(starts, key=lambda start: start.spread_ns, default=None)
    return worst if worst is not None and worst.spread_ns > policy.max_start_spread_ns else None


def _start_text(start: Start, policy: Policy) -> str:
    return (
        f"the agents started {format_duration(start.spread_ns)} apart (known to within {format_duration(start.bound_ns)}; "
        f"limit {format_duration(policy.max_start_spread_ns)})"
    )
