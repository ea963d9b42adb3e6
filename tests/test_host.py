"""Builds are loaded once, and served by fresh processes on copies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from embedded_store import data_of, embedded, small_plan
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.host import Build, Host
from perfgate_agent.probe import exchange
from perfgate_agent.process import LOOPBACK

from perfgate.errors import TargetError


@pytest_asyncio.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    configuration = AgentConfiguration("a", LOOPBACK, 0, tmp_path / "cache", tmp_path, 1)
    host = Host(configuration, tmp_path / "session")
    yield host
    await host.close()
    assert not (tmp_path / "session").exists()


@pytest.fixture
def build(tmp_path: Path) -> Build:
    plan = small_plan(num_nodes=100)
    return Build(embedded(), "default", plan.scenario, data_of(plan, tmp_path / "cache"))


async def test_a_build_is_loaded_once_and_each_process_has_a_copy_of_its_own(host: Host, build: Build) -> None:
    stages: list[str] = []
    first = await host.install(build, lambda stage, fraction: stages.append(stage))
    again = await host.install(build, lambda stage, fraction: stages.append(stage))
    assert (first.memories, first.reused, again.memories, again.reused) == (100, False, 100, True)
    assert stages == ["loading default"]
    (base, one), (_, two) = await host.launch([build, build])
    assert one.start.address.port < two.start.address.port
    assert one.start.data_dir != two.start.data_dir
    adapter = build.adapter(one.start.address)
    await exchange(one.start.address, adapter.encode_load(0).replace(b'"n0"', b'"x0"'), 5.0)
    counts = [
        adapter.read_count(*await exchange(process.start.address, adapter.encode_count(), 5.0))
        for process in (one, two)
    ]
    assert counts == [101, 100], "what one process stores, the other does not see"
    assert await host.terminate(base) == (0, False)
    assert not one.start.data_dir.exists()
    with pytest.raises(TargetError, match=f"there is no process {base}"):
        await host.terminate(base)


async def test_a_data_directory_that_exists_is_refused(host: Host, build: Build, tmp_path: Path) -> None:
    (tmp_path / "session" / "build-0" / "data").mkdir(parents=True)
    with pytest.raises(TargetError, match="data directory data exists already"):
        await host.install(build, lambda stage, fraction: None)


async def test_unknown_variants_and_builds_that_are_not_loaded_are_named(host: Host, build: Build) -> None:
    wrong = Build(build.target, "no_such", build.scenario, build.dataset)
    with pytest.raises(TargetError, match="has no variant 'no_such'; there are: default, failing"):
        await host.install(wrong, lambda stage, fraction: None)
    with pytest.raises(BaseExceptionGroup) as caught:
        await host.launch([build])
    assert "build 'default' is not installed yet" in str(caught.value.exceptions[0])


async def test_a_store_that_cannot_be_loaded_leaves_no_process(host: Host, build: Build) -> None:
    target = replace(build.target, variants={"dying": ("--die-after", "20")})
    bad = Build(target, "dying", build.scenario, build.dataset)
    with pytest.raises(TargetError, match=r"loading memory \d+ of 100 failed: (reset|refused)"):
        await host.install(bad, lambda stage, fraction: None)
    assert not host.processes
