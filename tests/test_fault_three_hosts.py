"""Three agents on hosts of their own, far apart in clock and distance, record what one would have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from network_lab import lab_or_skip
from perfgate_agent.raw import Rows

from benchmarks.faults.lab import WARMUP_NS, Ended, Load
from benchmarks.faults.line import Line
from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.operation import OPERATIONS
from perfgate.outcome import Outcome
from perfgate.plan import LANES, Plan
from perfgate.scenario import load_scenario
from perfgate.units import NS_PER_MS, NS_PER_S

AGENTS = {"perf-1": 1.0, "perf-2": 20.0, "perf-3": 100.0}
"""Their delays in ms, each way."""
APART_S = 1000
"""Their monotonic clocks, each from the one before it, as of machines that were started at different times."""
LOAD = Load(seconds=3, rate=150, nodes=100)


@dataclass(frozen=True)
class Seen:
    """ended: of the controller. rows: all requests that the agents recorded, by agent, in the order of AGENTS."""

    ended: Ended
    rows: list[Rows]
    scenario: Path
    left: dict[int, str]

    @property
    def merged(self) -> Interval:
        """The measured segment, as the controller has it."""
        return Interval.merge([one for one in self.ended.intervals() if one.segment == 1])

    @property
    def pooled(self) -> Rows:
        rows = np.concatenate(self.rows)
        return rows[rows["measured"] == 1]


@pytest.fixture(scope="module", params=[AGENTS])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    directory = tmp_path_factory.mktemp("lab")
    with lab_or_skip(directory, "controller", *AGENTS, "store") as one:
        one.start_store("store")
        one.start_agents(*AGENTS, clocks_apart_s=APART_S)
        for name, delay_ms in request.param.items():
            one.network.set_line(name, Line(delay_ms, loss=0.01))
        ended = one.begin_run(LOAD, list(AGENTS)).end(90)
        assert ended.result, ended.text
        assert ended.code in (0, 3), ended.text  # 3 where this host was too busy for its own load generators
        yield Seen(
            ended, [one.agents[name].recorded() for name in AGENTS], directory / "lab-1.toml", one.idle(list(AGENTS))
        )


def test_merged_percentiles_are_those_of_the_pooled_raw_samples(seen: Seen) -> None:
    merged, pooled = seen.merged, seen.pooled
    good = pooled[pooled["outcome"] == Outcome.OK]
    for code, operation in enumerate(OPERATIONS):
        mine = good[good["operation"] == code]
        if not len(mine):
            continue
        for recorded, began in (
            (merged.operations[operation].response, "at_ns"),
            (merged.operations[operation].service, "sent_ns"),
        ):
            raw = mine["done_ns"] - mine[began]
            assert recorded == Histogram.of(raw)
            for q in (0.5, 0.9, 0.99, 1.0):
                assert recorded.quantile(q) == pytest.approx(np.quantile(raw, q, method="inverted_cdf"), rel=1e-3)


def test_the_requests_sent_are_together_the_plan_and_each_is_sent_once(seen: Seen) -> None:
    plan = Plan(load_scenario(seen.scenario))
    wanted = plan.window(range(LANES), 0, plan.duration_ns)
    pooled = seen.pooled[np.argsort(seen.pooled["index"], kind="stable")]
    order = np.argsort(wanted.index)
    assert pooled["index"].tolist() == wanted.index[order].tolist()
    assert pooled["operation"].tolist() == wanted.operation[order].tolist()
    assert (pooled["at_ns"] - WARMUP_NS).tolist() == wanted.time_ns[order].tolist()
    assert all(len(rows) for rows in seen.rows)


def test_nothing_recorded_is_lost_on_the_way(seen: Seen) -> None:
    assert seen.ended.kept == sum(len(rows) for rows in seen.rows)
    assert seen.merged.total == len(seen.pooled) == seen.merged.due


def test_agents_far_apart_start_within_the_bound_that_the_record_states(seen: Seen) -> None:
    """The clocks of all hosts are one machine's, moved by whole seconds, so the truth is known: where each run's clock has
    its zero."""
    starts = [int(rows["run_ns"][0]) - number * APART_S * NS_PER_S for number, rows in enumerate(seen.rows, 1)]
    told = seen.ended.result["record"]["environment"]["fleet"]["starts"]
    assert max(starts) - min(starts) <= told["known_to_ms"] * NS_PER_MS
    assert told["known_to_ms"] >= sum(sorted(AGENTS.values())[-2:])  # nobody can know it better than half a round trip


def test_nothing_is_left_on_the_agents_hosts(seen: Seen) -> None:
    assert seen.left == {}
