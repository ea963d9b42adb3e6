"""Each scenario that is shipped says what it answers, makes a plan, and is answered by the real store in a shortened form."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cluster import perfgate
from embedded_store import data_of, embedded, running_store
from load_cases import outcomes, part, run
from perfgate_agent.loader import load_nodes

from perfgate.address import Address
from perfgate.outcome import Outcome
from perfgate.plan import LANES, Plan
from perfgate.scenario import Scenario, load_scenario, scenario_from_json
from perfgate.scenario.derived import shortened, smaller
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.adapter import make_adapter

ROOT = Path(__file__).parent.parent / "scenarios"
FILES = sorted(ROOT.rglob("*.toml"))
FAMILIES = ("ci", "competitive", "soak", "burst", "capacity", "multi_tenant")
NAMES = [str(path.relative_to(ROOT)) for path in FILES]
S = 1_000_000_000
DIM = 24


def small(path: Path) -> Scenario:
    """Half a second of it, with few and short vectors."""
    made = smaller(shortened(load_scenario(path), 0.5), 200)
    document = json.loads(made.source)
    document["data"]["embedding_dim"] = DIM
    return scenario_from_json(json.dumps(document))


def test_every_family_has_its_scenarios() -> None:
    assert {path.parent.name for path in FILES} == set(FAMILIES)
    assert {"mixed_768.toml", "search_only.toml", "store_only.toml", "hot_spot.toml"} <= {
        path.name for path in FILES if path.parent.name == "competitive"
    }


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_each_says_what_it_answers(path: Path) -> None:
    scenario = load_scenario(path)
    if path.name != "fast_regression_check.toml":  # which is given as it is
        assert re.search(r"\?|\b([Ww]hether|[Ww]hich|[Ww]hat|How)\b", scenario.description), scenario.description
    plan = Plan(scenario)
    assert plan.mean_rate > 0
    assert len(plan.window(range(LANES), 0, 10 * S)) > 100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store() -> AsyncIterator[int]:
    async with running_store(DIM) as port:
        yield port


@pytest.mark.parametrize("path", FILES, ids=NAMES)
@pytest.mark.asyncio(loop_scope="module")
async def test_each_is_answered_by_the_real_store(path: Path, store: int, tmp_path: Path) -> None:
    """All are loaded into spaces of their own of one store; nothing is claimed of how fast it is."""
    played = Plan(small(path))
    data = data_of(played, tmp_path)
    options = {**embedded().options, "space": re.sub(r"\W", "_", str(path.relative_to(ROOT)))}
    adapter = make_adapter(dataclasses.replace(embedded(), options=options), data, "127.0.0.1", store)
    await load_nodes(adapter, Address("127.0.0.1", store), data.num_nodes, 8)
    segment = Segment(0, Arm.BASE, SegmentKind.MEASURED, -1, 0, played.duration_ns, 0)
    _, intervals = await run(part([store], played, [segment], adapters={Arm.BASE: adapter}))
    ended = outcomes(intervals)
    assert set(ended) == {Outcome.OK}, [one.examples for one in intervals]
    assert sum(ended.values()) >= 15
    checked = [operation for one in intervals for operation in one.operations.values() if operation.expected]
    assert sum(one.found for one in checked) >= 0.9 * sum(one.expected for one in checked)
    if played.scenario.spaces is not None:
        apart = sum(
            operation.total for one in intervals for group in one.spaces.values() for operation in group.values()
        )
        assert apart == sum(ended.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_each_runs_through_the_command_line(path: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.toml"
    short.write_text(re.sub(r"num_nodes = [\d_]+", "num_nodes = 500", path.read_text()))
    target = ROOT.parent / "targets" / "embedded.toml"
    done = perfgate(
        [
            "run",
            str(short),
            "--target",
            str(target),
            "--out",
            str(tmp_path / "out"),
            "--warmup",
            "0s",
            "--duration",
            "5s",
        ],
        tmp_path / "cache",
    )
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr  # 1: a limit; 3: the host made the generator late
    record = json.loads((tmp_path / "out" / "result.json").read_text())["record"]
    assert record["complete"] is True
    parts = record["arms"]["base"]["operations"].values()
    assert sum(part["outcomes"].get("ok", 0) for part in parts) > 0
