"""Claims about agents that `perfgate fleet up` starts on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import perfgate
from launched import agent_directory, down, launched, lives, processes_below, up, write_fleet
from perfgate_agent.configuration_file import load_configuration
from perfgate_controller.fleet import dial
from perfgate_controller.launch.agent_files import Listen, agent_toml
from perfgate_controller.launch.helper_call import call, on_this_machine
from perfgate_controller.launch.start import fleet_status, make_launcher
from perfgate_controller.launch.state import launch_state
from secure_agents import Certified

from perfgate.errors import FleetError, InputError
from perfgate.fleet_file import load_fleet
from perfgate.fleet_file.launched import state_path, with_addresses
from perfgate.fleet_file.launcher_schema import LocalTable
from perfgate.trust.files import TlsFiles

LAUNCHER = 'kind = "local"\ndirectory = "base"\ntargets = ["embedded.toml"]\n'


def write(directory: Path, extra: str = "", names: tuple[str, ...] = ("a",)) -> Path:
    launcher = LAUNCHER.replace('"base"', f'"{directory}/base"') + extra
    return write_fleet(directory, launcher, dict.fromkeys(names, ""))


async def test_agents_stay_and_are_found_again_and_end_for_sure(tmp_path: Path) -> None:
    path = write(tmp_path, names=("a", "b"))
    async with launched(path) as placed:
        again = await up(path)
        assert {name: one.address for name, one in again.items()} == {name: one.address for name, one in placed.items()}
        fleet = with_addresses(load_fleet(path))
        async with dial([host.address for host in fleet.hosts], "run") as reached:
            assert sorted(link.name for link in reached.links) == ["a", "b"]
        assert [standing.state for _, standing in await fleet_status(load_fleet(path))] == ["running", "running"]
        pids = [int(one.handle["pid"]) for one in placed.values()]
        assert all(map(lives, pids))
    assert not any(map(lives, pids))
    assert processes_below(tmp_path) == []
    assert not state_path(load_fleet(path)).exists()
    with pytest.raises(InputError, match="not started yet; perfgate fleet up"):
        with_addresses(load_fleet(path))


async def test_an_agent_that_cannot_start_is_told_in_its_own_words_and_nothing_stays(tmp_path: Path) -> None:
    path = write(tmp_path, "[launcher.limits]\nmemory_mb = 512\n[launcher.x]\n")
    with pytest.raises(InputError, match=r"x is an unknown key"):
        await up(path)
    path = write(tmp_path, 'addresses = ["no network/33"]\n')
    with pytest.raises(FleetError, match=r"a: did not start: .*load\.addresses"):
        await up(path)
    assert processes_below(tmp_path) == []


async def test_other_settings_do_not_replace_an_agent_that_runs(tmp_path: Path) -> None:
    path = write(tmp_path)
    async with launched(path) as placed:
        write(tmp_path, "drain_seconds = 7\n")
        with pytest.raises(FleetError, match=r"a: runs already, with other settings .*; end it first"):
            await up(path)
        assert lives(int(placed["a"].handle["pid"]))


async def test_an_agent_that_is_stopped_or_deaf_is_killed_with_all_it_started(tmp_path: Path) -> None:
    path = write(tmp_path)
    async with launched(path) as placed:
        os.kill(int(placed["a"].handle["pid"]), signal.SIGSTOP)
        assert (await down(path, patience_s=0.2))["a"].detail == "killed"
    assert processes_below(tmp_path) == []


async def test_a_process_that_only_has_the_same_number_is_never_signalled(tmp_path: Path) -> None:
    innocent = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
    try:
        directory = tmp_path / "agent"
        directory.mkdir()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        for wrong in ({"start_ticks": 1, "boot": boot}, {"start_ticks": _ticks(innocent.pid), "boot": "another"}):
            (directory / "run.json").write_text(json.dumps({"pid": innocent.pid, "digest": "", **wrong}))
            order = {"action": "stop", "directory": str(directory), "patience_s": 0.1}
            assert await call(on_this_machine, "a", order) == {"how": "was not running"}
        assert lives(innocent.pid)
    finally:
        innocent.kill()
        await innocent.wait()


async def test_keys_reach_the_agent_for_its_owner_alone_and_leave_with_it(tmp_path: Path) -> None:
    certified = Certified(tmp_path / "authority")
    path = write(tmp_path, f'certs = "{tmp_path}/authority"\n')
    async with launched(path) as placed:
        directory = agent_directory(tmp_path / "base", load_fleet(path), "a")
        for file in (directory / "certs").iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        async with dial([placed["a"].address], "run", certified.controller) as fleet:
            assert fleet.links[0].name == "a"
        key = TlsFiles.of_directory(tmp_path / "authority/agents/a").key.read_text().splitlines()[1]
        for pid in processes_below(tmp_path):
            assert key not in Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()
        assert key not in state_path(load_fleet(path)).read_text()
    assert not (directory / "certs" / "key.pem").exists()


async def test_a_certificate_for_another_name_is_refused_before_anything_starts(tmp_path: Path) -> None:
    certified = Certified(tmp_path / "authority", hosts=("perf-1.example.org",))
    path = write(tmp_path, f'certs = "{tmp_path}/authority"\n', names=("perf-1",))
    with pytest.raises(InputError, match=r"is for perf-1\.example\.org, but perf-1 is dialled by 127\.0\.0\.1"):
        await up(path)
    assert certified.agent.key.exists()
    assert processes_below(tmp_path) == []


def test_the_settings_of_an_agent_say_what_its_launcher_said(tmp_path: Path) -> None:
    document = {
        "kind": "local", "workers": 1, "addresses": ["127.0.0.0/8", "10.1.0.0/16:7432"], "drain_seconds": 2.5,
        "programs": ["/bin/true"], "stores_listen": "127.0.0.1", "vector_directories": ["/srv/ü \"x\" \\ y"],
        "limits": {"rate": 100.0, "connections": 7, "memory_mb": 1024, "run_seconds": 60.0, "processes": 2},
    }  # fmt: skip
    text = agent_toml(LocalTable.model_validate(document), "näme", Listen("10.0.0.5", 7401, "certs"), "work", "/c")
    (tmp_path / "agent.toml").write_text(text)
    agent = load_configuration(tmp_path / "agent.toml")
    assert (agent.name, agent.host, agent.port, agent.drain_ns) == ("näme", "10.0.0.5", 7401, 2_500_000_000)
    assert agent.tls == TlsFiles.of_directory(tmp_path / "certs")
    assert agent.vector_directories == (Path('/srv/ü "x" \\ y'),)
    assert (agent.limits.rate, agent.limits.connections, agent.limits.processes) == (100.0, 7, 2)
    assert (agent.work_dir, agent.stores_listen) == (tmp_path / "work", "127.0.0.1")


def test_two_commands_do_not_work_on_one_fleet_at_once(tmp_path: Path) -> None:
    fleet = load_fleet(write(tmp_path))
    with launch_state(fleet), pytest.raises(FleetError, match="another perfgate fleet command"), launch_state(fleet):
        pass


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = load_fleet(write(tmp_path))
    monkeypatch.setitem(sys.modules, "asyncssh", None)
    monkeypatch.delitem(sys.modules, "perfgate_controller.launch.ssh", raising=False)
    with pytest.raises(InputError, match=r"pip install 'perfgate\[ssh\]'"):
        make_launcher("ssh", fleet)


def test_the_command_line_walks_the_whole_way(tmp_path: Path) -> None:
    path = str(write(tmp_path))
    shown = perfgate(["fleet", "up", "--dry-run", path], tmp_path)
    assert shown.returncode == 0
    assert "[listen]" in shown.stdout
    try:
        started = perfgate(["fleet", "up", path], tmp_path)
        assert started.returncode == 0, started.stderr
        assert perfgate(["fleet", "status", path], tmp_path).returncode == 0
    finally:
        ended = perfgate(["fleet", "down", path], tmp_path)
    assert ended.stdout.startswith("a  ended")
    assert perfgate(["fleet", "status", path], tmp_path).returncode == 3


def _ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
