"""Claims about agents that `perfgate fleet up` starts over ssh, with a real OpenSSH server."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import ROOT
from launched import down, free_ports, launched, lives, processes_below, up, write_fleet
from perfgate_controller.fleet import dial
from perfgate_controller.launch.helper_call import BOOT
from perfgate_controller.launch.start import fleet_status
from secure_agents import Certified
from ssh_server import SshServer, find_sshd, ssh_server

from perfgate.errors import FleetError, InputError
from perfgate.fleet_file import load_fleet

pytestmark = pytest.mark.skipif(find_sshd() is None, reason="no sshd here (apt-get install openssh-server)")


@pytest.fixture(scope="module")
def server() -> Iterator[SshServer]:
    with ssh_server() as running:
        yield running


def write(server: SshServer, directory: Path, names: tuple[str, ...] = ("a",), **other: str) -> Path:
    """other: keys of [launcher], as TOML."""
    keys = {
        "kind": '"ssh"', "user": f'"{server.user}"', "port": str(server.port), "key_file": f'"{server.key}"',
        "known_hosts": f'"{server.known_hosts}"', "directory": f'"{directory}/base"', "python": f'"{sys.executable}"',
        "targets": '["embedded.toml"]', **other,
    }  # fmt: skip
    hosts = {name: f"127.0.0.1:{port}" for name, port in zip(names, free_ports(len(names)), strict=True)}
    return write_fleet(directory, "\n".join(f"{key} = {value}" for key, value in keys.items()), hosts)


async def test_agents_start_over_ssh_with_certificates_and_end_for_sure_and_no_command_says_a_thing(
    server: SshServer, tmp_path: Path
) -> None:
    certified = Certified(tmp_path / "authority")
    path = write(server, tmp_path, ("a", "b"), certs=f'"{tmp_path}/authority"')
    async with launched(path) as placed:
        async with dial([one.address for one in placed.values()], "run", certified.controller) as fleet:
            assert sorted(link.name for link in fleet.links) == ["a", "b"]
        assert (await up(path)).keys() == placed.keys()
        assert [standing.state for _, standing in await fleet_status(load_fleet(path))] == ["running", "running"]
        pids = [int(one.handle["pid"]) for one in placed.values()]
    assert not any(map(lives, pids))
    assert processes_below(tmp_path) == []
    assert list(tmp_path.rglob("base/**/key.pem")) == []
    assert set(server.asked.read_text().split(f"{sys.executable} -I -c ")) == {"", shlex.quote(BOOT) + "\n"}


async def test_a_host_whose_key_is_not_known_is_not_spoken_to(server: SshServer, tmp_path: Path) -> None:
    stranger = tmp_path / "known_hosts"
    public = server.stranger.with_suffix(".pub").read_text()
    asked = server.asked.read_text()
    for content in ("", f"[127.0.0.1]:{server.port} {public}"):
        stranger.write_text(content)
        with pytest.raises(FleetError, match=r"a: ssh to 127\.0\.0\.1 port \d+: its host key is not the one in"):
            await up(write(server, tmp_path, known_hosts=f'"{stranger}"'))
    with pytest.raises(InputError, match="no such file; log in once by ssh"):
        await up(write(server, tmp_path, known_hosts='"nothing"'))
    assert server.asked.read_text() == asked


async def test_a_user_without_the_right_key_is_told_so_and_asked_for_no_password(
    server: SshServer, tmp_path: Path
) -> None:
    with pytest.raises(FleetError, match=r"takes no key of .*; passwords are not used"):
        await up(write(server, tmp_path, key_file=f'"{server.stranger}"'))


async def test_one_host_that_is_not_reached_keeps_no_other_from_starting(server: SshServer, tmp_path: Path) -> None:
    path = write(server, tmp_path, ("a", "b"))
    (closed,) = free_ports(1)
    path.write_text(path.read_text() + f"launcher = {{ port = {closed} }}\n")
    try:
        with pytest.raises(FleetError, match=r"b: ssh to 127\.0\.0\.1 port \d+: .*[Rr]efused") as refusal:
            await up(path)
        assert "a:" not in str(refusal.value)
        states = {standing.name: standing.state for _, standing in await fleet_status(load_fleet(path))}
        assert states == {"a": "running", "b": "stopped"}
    finally:
        await down(path)


async def test_an_agent_that_cannot_listen_is_told_in_its_own_words(server: SshServer, tmp_path: Path) -> None:
    path = write(server, tmp_path)
    async with launched(path):
        other = tmp_path / "other.toml"
        other.write_text(path.read_text())
        with pytest.raises(FleetError, match=r"a: did not start: .*is the port taken\?"):
            await up(other)


async def test_an_agent_that_ended_there_is_seen_and_started_again(server: SshServer, tmp_path: Path) -> None:
    path = write(server, tmp_path)
    async with launched(path) as placed:
        pid = int(placed["a"].handle["pid"])
        os.kill(pid, signal.SIGKILL)
        while lives(pid):
            await asyncio.sleep(0.01)
        ((_, standing),) = await fleet_status(load_fleet(path))
        assert standing.state == "ended"
        assert int((await up(path))["a"].handle["pid"]) != pid


async def test_a_python_that_is_not_there_is_named(server: SshServer, tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"helper answered .*no-python.*not found.*Python 3\.9"):
        await up(write(server, tmp_path, python='"no-python"'))


async def test_a_file_that_is_no_wheel_is_refused_before_anybody_is_spoken_to(
    server: SshServer, tmp_path: Path
) -> None:
    asked = server.asked.read_text()
    for wrong in ("embedded.toml", "missing.whl"):
        with pytest.raises(InputError, match="is no wheel; make one by pip wheel"):
            await up(write(server, tmp_path, wheels=f'["{wrong}"]'))
    assert server.asked.read_text() == asked


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_wheel_becomes_an_environment_of_its_version_once(server: SshServer, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(wheels),
        str(ROOT),
    ]
    subprocess.run(build, check=True)  # noqa: ASYNC221
    path = write(server, tmp_path, wheels='["wheels"]', ready_seconds="120")
    async with launched(path) as placed:
        (environment,) = (tmp_path / "base" / "environments").glob("perfgate-*")
        pid = int(placed["a"].handle["pid"])
        assert os.readlink(f"/proc/{pid}/exe") == os.path.realpath(environment / "bin" / "python")
        loaded = Path(f"/proc/{pid}/environ").read_text()
        assert "PYTHONPATH" not in loaded
        async with dial([placed["a"].address], "run") as fleet:
            assert fleet.links[0].name == "a"
        complete = (environment / "complete").stat().st_mtime_ns
    async with launched(path):
        assert (environment / "complete").stat().st_mtime_ns == complete
