"""Small scenarios for tests that need data."""

from __future__ import annotations

from pathlib import Path

from perfgate.dataset import Dataset, build_dataset
from perfgate.operation import Operation
from perfgate.scenario.model import ArrivalSpec, ConnectionSpec, DataSpec, EmbeddingSpec, Scenario, ValidationSpec

UNIFORM = EmbeddingSpec()


def scenario(
    num_nodes: int = 500, dim: int = 16, embedding: EmbeddingSpec = UNIFORM, memory_spaces: int = 1
) -> Scenario:
    """A scenario of which only the data matter."""
    return Scenario(
        name="data",
        description="",
        duration_ns=1_000_000_000,
        arrival=ArrivalSpec("constant", {"rate": 1.0}),
        weights={Operation.STORE: 1.0},
        data=DataSpec(num_nodes, dim, memory_spaces, embedding),
        validation=ValidationSpec(None, None, None),
        connection=ConnectionSpec(1, 1_000_000_000),
        gate={},
        seed=1,
        source="{}",
    )


def small_dataset(directory: Path, memory_spaces: int = 1) -> Dataset:
    """60 memories of 8 dimensions, 9 queries and 9 vectors to store."""
    return build_dataset(scenario(60, 8, memory_spaces=memory_spaces), 3, directory, store_pool=9, num_queries=9)
