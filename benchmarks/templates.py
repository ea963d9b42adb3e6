#!/usr/bin/env python3
"""What a target file's templates cost beside an adapter written by hand: `python -m benchmarks.templates`.

Encodes the same requests with the adapter `engram` and with `perfgate/targets/new/http.toml`, which describes the same
interface, in alternating rounds on one core. The bytes must be the same. Prints the CPU time a request of each and the
ratio of the medians of the rounds, operation by operation; judging checked replies as well.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from perfgate.dataset import Dataset, build_dataset, node_id
from perfgate.operation import OPERATIONS, Operation
from perfgate.plan import LANES, Plan
from perfgate.requests import Requests
from perfgate.scenario import parse_scenario
from perfgate.targets.adapter import Adapter, encode_block, make_adapter
from perfgate.targets.load import load_target, target_from_json

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "perfgate" / "targets" / "new" / "http.toml"
OPERATIONS_HERE = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)
Work = Callable[[Adapter], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--dim", type=int, default=768)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        plan, dataset = make_data(given.dim, given.requests, Path(directory))
        block = plan.window(range(LANES), 0, plan.scenario.duration_ns)
        adapters = make_adapters(dataset)
        assert len({encode_block(adapter, block)[0] for adapter in adapters.values()}) == 1
        print(f"{len(block)} requests of {given.dim} dimensions, {given.rounds} rounds; CPU µs a request")
        print(f"{'':28}{'by hand':>9}{'template':>10}{'ratio':>8}")
        show("encode, all operations", len(block), lambda adapter: encode_block(adapter, block), adapters, given.rounds)
        for operation in OPERATIONS_HERE:
            part = only(block, operation)
            show(f"encode {operation.value}", len(part), encoding(part), adapters, given.rounds)
        show("judge search, checked", 500, judging(dataset), adapters, given.rounds)


def make_data(dim: int, requests: int, directory: Path) -> tuple[Plan, Dataset]:
    document = {
        "name": "templates",
        "duration": {"total_seconds": requests / 1_000},
        "arrival": {"pattern": "constant", "rate": 1_000},
        "operations": {"store_weight": 1, "recall_weight": 1, "embedding_search_weight": 1},
        "data": {"num_nodes": 2_000, "embedding_dim": dim},
    }
    plan = Plan(parse_scenario(document))
    return plan, build_dataset(plan.scenario, plan.seed, directory, plan.store_pool, plan.num_queries)


def make_adapters(dataset: Dataset) -> dict[str, Adapter]:
    by_hand = target_from_json('{"name": "hand", "adapter": "engram", "options": {"threshold": 0.0}}')
    targets = {"by hand": by_hand, "template": load_target(FILE)}
    return {name: make_adapter(target, dataset, "127.0.0.1", 7432) for name, target in targets.items()}


def only(block: Requests, operation: Operation) -> Requests:
    code = OPERATIONS.index(operation)
    return block.take((block.operation == code).nonzero()[0])


def encoding(part: Requests) -> Work:
    return lambda adapter: encode_block(adapter, part)


def judging(dataset: Dataset) -> Work:
    """500 replies of ten results each, with texts of 14 words."""
    items = [
        {
            "id": node_id(node),
            "content": dataset.text(node),
            "similarity_score": 0.9 - node / 100,
            "activation_level": 0.9,
        }
        for node in range(10)
    ]
    body = orjson.dumps({"memories": {"vivid": items, "associated": [], "reconstructed": []}})

    def judge(adapter: Adapter) -> object:
        return [adapter.judge(Operation.EMBEDDING_SEARCH, key, 0, 200, body, True) for key in range(500)]

    return judge


def show(what: str, count: int, work: Work, adapters: dict[str, Adapter], rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in adapters}
    gc.disable()
    for number in range(rounds + 1):
        for name in sorted(adapters, reverse=bool(number % 2)):
            began = time.process_time_ns()
            work(adapters[name])
            if number:  # the first warms up
                times[name].append((time.process_time_ns() - began) / count / 1e3)
    gc.enable()
    hand, template = (statistics.median(times[name]) for name in ("by hand", "template"))
    print(f"{what:28}{hand:9.2f}{template:10.2f}{template / hand:8.2f}")


if __name__ == "__main__":
    main()
