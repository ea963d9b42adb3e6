"""Each arrival pattern against a real server: what arrives is what the plan says. Those that need more than a rate (a file, a
schedule of operations, followers) go the whole way through command line, controller, agent and worker."""

from __future__ import annotations

import json
from pathlib import Path

import load_cases
import pytest
from cluster import perfgate, write_target
from fault_server import OK, FaultServer, always

from perfgate.operation import OPERATIONS
from perfgate.plan import Plan
from perfgate.scenario import load_scenario

OPERATION_TABLE = "[operations]\nstore_weight = 1\nrecall_weight = 1\nembedding_search_weight = 1\n"
CASES = {
    "ramp": 'pattern = "ramp"\nstart_ops = 0\nend_ops = 300\n' + OPERATION_TABLE,
    "step": 'pattern = "step"\nsteps = [{ops = 60, duration_sec = 0.4}, {ops = 240, duration_sec = 1}]\n'
    + OPERATION_TABLE,
    "diurnal with a schedule": 'pattern = "diurnal"\nbaseline_ops = 80\npeak_multiplier = 3\npeak_hour = 14\n'
    "trough_hour = 3\ntime_compression = 86400\n[operations]\nrecall_weight = 1\n"
    "diurnal_schedule = [{hours = [6, 18], store_weight = 3, search_weight = 1}]\n",
    "burst_sequence": 'pattern = "burst_sequence"\nbaseline_ops = 60\n'
    "bursts = [{multiplier = 5, duration_sec = 0.3, delay_sec = 0.4}]\n" + OPERATION_TABLE,
    "composite": 'pattern = "composite"\npatterns = [{type = "constant", rate = 200, weight = 0.5}, '
    '{type = "exponential", rate = 50}]\n' + OPERATION_TABLE,
    "replay": 'pattern = "replay"\npath = "trace.csv"\nrate_scale = 1.5\n',
    "correlation": 'pattern = "poisson"\nrate = 150\n' + OPERATION_TABLE
    + "[correlation]\nstore_to_recall_prob = 0.8\ndelay_ms = 150\n",
}  # fmt: skip
WHOLE_WAY = ("diurnal with a schedule", "replay", "correlation")
REST = """
[data]
num_nodes = 300
embedding_dim = 16
[gate]
max_lag_p99_ms = 900
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def write_case(directory: Path, name: str) -> Path:
    rows = [f"{0.01 * n:.2f},{OPERATIONS[n % 3].value},{n if n % 2 else ''}" for n in range(100)]
    (directory / "trace.csv").write_text("\n".join(["time_s,operation,key", *rows]))
    scenario = directory / "scenario.toml"
    scenario.write_text(f'name = "{name}"\n[duration]\ntotal_seconds = 1.3\n[arrival]\n{CASES[name]}{REST}')
    return scenario


@pytest.mark.parametrize("name", sorted(CASES.keys() - set(WHOLE_WAY)))
async def test_a_worker_sends_exactly_what_the_plan_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_cases, "make_player", load_cases.DRIVERS["engine"])
    played = Plan(load_scenario(write_case(tmp_path, name)))
    async with FaultServer(always(OK)) as server:
        _, intervals = await load_cases.run(load_cases.part([server], played, load_cases.segments(1_300)))
    planned = played.counts().sum(axis=0).tolist()
    sent = [sum(one.operations[name].completed for one in intervals if name in one.operations) for name in OPERATIONS]
    assert sent == planned
    assert sum(sent) == len(server.requests) > 80


@pytest.mark.parametrize("name", WHOLE_WAY)
def test_a_run_sends_exactly_what_the_plan_says(name: str, tmp_path: Path, cache: Path) -> None:
    scenario, out = write_case(tmp_path, name), tmp_path / "out"
    done = perfgate(
        ["run", str(scenario), "--target", str(write_target(tmp_path)), "--warmup", "0.2s", "--out", str(out)], cache
    )
    record = json.loads((out / "result.json").read_text())["record"]
    planned = Plan(load_scenario(scenario)).counts().sum(axis=0)
    operations = record["arms"]["base"]["operations"]
    sent = [sum(operations[name.value]["outcomes"].values()) if name.value in operations else 0 for name in OPERATIONS]
    assert sent == planned.tolist(), done.stdout + done.stderr
    assert sum(sent) > 80
    failed = {kind for one in operations.values() for kind, count in one["outcomes"].items() if count} - {"ok"}
    assert not failed, done.stdout
