"""A store that runs already is loaded where it is empty, and otherwise must hold just the scenario's data."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from embedded_store import data_of, embedded, running_store, small_plan
from perfgate_agent.populate import RunningStore, populate
from perfgate_agent.ports import free_ports

from perfgate.address import Address
from perfgate.dataset import build_dataset
from perfgate.errors import InputError, TargetError


def running(port: int, cache: Path, num_nodes: int = 100) -> RunningStore:
    plan = small_plan(num_nodes=num_nodes)
    return RunningStore(embedded(), plan.scenario, data_of(plan, cache), Address("127.0.0.1", port))


def ignored(fraction: float) -> None:
    pass


async def test_an_empty_store_is_loaded_once_and_other_data_are_refused(tmp_path: Path) -> None:
    async with running_store(32) as port:
        store = running(port, tmp_path)
        first, second = await populate(store, ignored), await populate(store, ignored)
        assert (first.memories, first.loaded, second.memories, second.loaded) == (100, True, 100, False)
        plan = small_plan(num_nodes=100)
        others = build_dataset(plan.scenario, 99, tmp_path, plan.store_pool, plan.num_queries)
        with pytest.raises(InputError, match="holds 100 memories, as the scenario says, but not the scenario's"):
            await populate(dataclasses.replace(store, dataset=others), ignored)
        with pytest.raises(InputError, match=r"holds 100 memories where the scenario's data\.num_nodes is 120"):
            await populate(running(port, tmp_path, num_nodes=120), ignored)


async def test_nobody_answering_is_named(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with pytest.raises(TargetError, match=f"no store answers at http://127.0.0.1:{port} .nobody listens."):
        await populate(running(port, tmp_path), ignored)
