"""Small scenarios for tests that need data."""

from __future__ import annotations

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
