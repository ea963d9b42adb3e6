"""What a scenario asks of a host."""

from __future__ import annotations

import math
from dataclasses import dataclass

from perfgate.plan import Plan
from perfgate.scenario.model import Scenario

JSON_BYTES = 9
"""Of one coordinate with its comma, at most, in the cache of encoded vectors."""
FLOAT_BYTES = 4
STORES = 2
"""Processes of the store that are alive together in a gate."""
COPIES = 4
"""Of a store's data on the disk: one installed a build, one a process."""


@dataclass(frozen=True, slots=True)
class Needs:
    """connections: the most to one store. memory_bytes: vectors of two stores, and the generator's own in the page cache.
    disk_bytes: the generated data and the stores' copies. Both are a lower bound: indices come on top."""

    connections: int = 64
    workers: int = 1
    memory_bytes: int = 0
    disk_bytes: int = 0

    @classmethod
    def of(cls, scenario: Scenario, workers: int = 1) -> Needs:
        plan = Plan(scenario)
        rows = scenario.data.num_nodes + plan.num_queries + plan.store_pool
        vectors = rows * scenario.data.embedding_dim * FLOAT_BYTES
        generated = math.ceil(vectors * (FLOAT_BYTES + JSON_BYTES) / FLOAT_BYTES)
        return cls(
            connections=scenario.connection.connections,
            workers=workers,
            memory_bytes=STORES * vectors + generated,
            disk_bytes=COPIES * vectors + generated,
        )
