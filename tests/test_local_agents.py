"""The agents that a controller starts for itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from perfgate_controller.local import LocalAgents, local_agents

from perfgate.errors import FleetError


async def test_a_directory_that_has_our_packages_name_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another checkout, in which nobody has made the protobuf yet."""
    for package in ("perfgate", "perfgate_agent"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('not this one')")
    monkeypatch.chdir(tmp_path)
    async with local_agents(LocalAgents(1, 1, (), tmp_path / "cache", tmp_path / "work"), tmp_path) as addresses:
        assert len(addresses) == 1


async def test_an_agent_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    missing = tmp_path / "no.toml"
    with pytest.raises(
        FleetError, match=r"the last that it said: .*no\.toml: no such file.* \(all is in .*agent-1\.log"
    ):
        async with local_agents(LocalAgents(1, 1, (missing,), tmp_path / "cache", tmp_path / "work"), tmp_path):
            raise AssertionError("it has no target")
