"""The built-in store as a process of its own, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from perfgate.dataset import Dataset, build_dataset
from perfgate.plan import Plan
from perfgate.scenario import parse_scenario
from perfgate.targets.load import load_target
from perfgate.targets.model import Target

EMBEDDED = Path(__file__).parent.parent / "targets" / "embedded.toml"


@contextlib.asynccontextmanager
async def running_store(dim: int, *arguments: str) -> AsyncIterator[int]:
    """Yields its port once it listens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perfgate.store", "--port", "0", "--dim", str(dim), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        found = re.search(r":(\d+) pid", line)
        assert found, line
        yield int(found[1])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def embedded() -> Target:
    return load_target(EMBEDDED)


@lru_cache
def small_plan(rate: float = 200, num_nodes: int = 400, dim: int = 32, spaces: int = 1) -> Plan:
    document: dict[str, Any] = {
        "name": "small",
        "duration": {"total_seconds": 2},
        "arrival": {"pattern": "constant", "rate": rate},
        "operations": {"store_weight": 1, "recall_weight": 1, "embedding_search_weight": 2},
        "data": {
            "num_nodes": num_nodes,
            "embedding_dim": dim,
            "memory_spaces": spaces,
            "embedding_distribution": {"type": "clustered", "num_clusters": 10, "std_dev": 0.1},
        },
    }
    return Plan(parse_scenario(document))


def data_of(plan: Plan, directory: Path) -> Dataset:
    return build_dataset(plan.scenario, plan.seed, directory, plan.store_pool, plan.num_queries)
