"""Claims about agents on the nodes of a Ray cluster, with a real one of two nodes."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from launched import lives, processes_below, write_fleet
from perfgate_controller.fleet import dial
from ray_cluster import perfgate, ray_cluster, why_not
from secure_agents import Certified

from perfgate.fleet_file import load_fleet
from perfgate.fleet_file.launched import state_path

TRUSTED = "trusted_network = true\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="pgr") as name, ray_cluster(Path(name)) as address:
        yield address


def write(cluster: str, directory: Path, names: tuple[str, ...] = ("a", "b"), extra: str = TRUSTED) -> str:
    launcher = f'kind = "ray"\ncluster = "{cluster}"\ncpus = 1\ndirectory = "{directory}/base"\n'
    launcher += f'targets = ["embedded.toml"]\nready_seconds = 90\ncerts = "{directory}/authority"\n{extra}'
    return str(write_fleet(directory, launcher, dict.fromkeys(names, "")))


def agents_of(path: str) -> dict[str, dict[str, Any]]:
    """As the state file has them."""
    found: dict[str, dict[str, Any]] = json.loads(state_path(load_fleet(path)).read_text())["agents"]
    return found


async def test_one_agent_a_node_serves_with_its_certificate_and_ends_with_its_keys(
    cluster: str, tmp_path: Path
) -> None:
    certified = Certified(tmp_path / "authority")
    path = write(cluster, tmp_path)
    try:
        done = perfgate(["fleet", "up", path])
        assert done.returncode == 0, done.stderr
        found = agents_of(path)
        assert len({agent["handle"]["node"] for agent in found.values()}) == 2
        async with dial([agent["address"] for agent in found.values()], "run", certified.controller) as fleet:
            assert sorted(link.name for link in fleet.links) == ["a", "b"]
        assert perfgate(["fleet", "up", path]).returncode == 0
        assert agents_of(path) == found
        status = perfgate(["fleet", "status", path])
        assert status.returncode == 0, status.stdout
        agents = processes_below(tmp_path)
        assert len(agents) == 2
    finally:
        ended = perfgate(["fleet", "down", path])
    assert ended.returncode == 0, ended.stderr
    assert "ended" in ended.stdout
    assert not any(map(lives, agents))
    assert list((tmp_path / "base").rglob("key.pem")) == []


async def test_an_agent_that_is_killed_is_seen(cluster: str, tmp_path: Path) -> None:
    Certified(tmp_path / "authority")
    path = write(cluster, tmp_path)
    try:
        done = perfgate(["fleet", "up", path])
        assert done.returncode == 0, done.stderr
        os.kill(processes_below(tmp_path)[0], signal.SIGKILL)
        status = perfgate(["fleet", "status", path])
        assert status.returncode == 3
        assert sorted(line.split()[1] for line in status.stdout.splitlines()) == ["ended", "running"]
    finally:
        assert perfgate(["fleet", "down", path]).returncode == 0
    assert processes_below(tmp_path) == []


async def test_more_agents_than_nodes_are_refused_and_leave_nothing(cluster: str, tmp_path: Path) -> None:
    Certified(tmp_path / "authority")
    path = write(cluster, tmp_path, ("a", "b", "c"))
    Path(path).write_text(Path(path).read_text().replace("ready_seconds = 90", "ready_seconds = 5"))
    done = perfgate(["fleet", "up", path])
    assert done.returncode == 3
    assert "no 3 nodes with 1 free processors each: there are 2 nodes" in done.stderr
    again = perfgate(["fleet", "up", write(cluster, tmp_path)])  # the room that was asked for is free again
    assert again.returncode == 0, again.stderr
    assert perfgate(["fleet", "down", path]).returncode == 0


async def test_no_key_goes_through_a_cluster_that_speaks_plainly_unless_its_network_is_trusted(
    cluster: str, tmp_path: Path
) -> None:
    """Ray's nodes have this machine's own address here, not loopback."""
    Certified(tmp_path / "authority")
    path = write(cluster, tmp_path, extra="")
    done = perfgate(["fleet", "up", path])
    assert done.returncode == 3
    assert "a: its key would go to" in done.stderr
    assert "b: its key would go to" in done.stderr
    assert list((tmp_path / "base").rglob("key.pem")) == []
    untrusted = Path(path).read_text()
    Path(path).write_text(untrusted.replace("certs =", "# certs ="))
    assert "off loopback an agent needs a certificate" in perfgate(["fleet", "up", path]).stderr
    assert processes_below(tmp_path) == []


async def test_without_a_cluster_that_is_said(tmp_path: Path) -> None:
    done = perfgate(["fleet", "up", write("127.0.0.1:1", tmp_path)])
    assert done.returncode == 3
    assert "no Ray cluster at '127.0.0.1:1'" in done.stderr
