"""Stores that are loaded at once have processors of their own where the host has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from embedded_store import data_of, embedded, small_plan
from hypothesis import given
from hypothesis import strategies as st
from perfgate_agent.configuration import AgentConfiguration, share_cpus
from perfgate_agent.host import Build, Host
from perfgate_agent.ports import descendants


@given(st.lists(st.integers(0, 127), unique=True, max_size=32).map(tuple), st.integers(1, 4))
def test_shares_of_processors_are_equal_and_overlap_only_where_there_are_too_few(
    cpus: tuple[int, ...], parties: int
) -> None:
    shares = share_cpus(cpus, parties)
    assert len(shares) == parties
    assert len({len(share) for share in shares}) == 1
    assert set().union(*shares) <= set(cpus)
    if len(cpus) < parties:
        assert shares == [cpus] * parties
    else:
        assert sum(map(len, shares)) == len(set().union(*shares)) > len(cpus) - parties


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
@pytest.mark.parametrize("apart", [False, True])
async def test_two_stores_are_kept_apart_only_when_they_are_loaded_at_once(tmp_path: Path, apart: bool) -> None:
    plan = small_plan(num_nodes=100)
    build = Build(embedded(), "default", plan.scenario, data_of(plan, tmp_path / "cache"))
    cpus = tuple(sorted(os.sched_getaffinity(0)))[:2]
    host = Host(
        AgentConfiguration("a", "127.0.0.1", 0, tmp_path / "cache", tmp_path, 1, store_cpus=cpus), tmp_path / "s"
    )
    try:
        await host.install(build, lambda stage, fraction: None)
        launched = await host.launch([build, build], apart)
        given_cpus = [process.start.cpus for _, process in launched]
        assert given_cpus == ([cpus[:1], cpus[1:]] if apart else [cpus, cpus])
        for (_, process), mine in zip(launched, given_cpus, strict=True):
            family = {process.pid, *descendants(process.pid)}
            assert {cpu for pid in family for cpu in os.sched_getaffinity(pid)} == set(mine)
    finally:
        await host.close()
