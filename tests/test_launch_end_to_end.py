"""Claims about docs/launchers.md: its commands do what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from cluster import ROOT, environment, write_scenario, write_target
from launched import free_ports, processes_below
from ssh_server import find_sshd, ssh_server

from perfgate.fleet_file import load_fleet
from perfgate.fleet_file.launcher_load import launcher_table
from perfgate.fleet_file.launcher_schema import TABLES

PAGE = (ROOT / "docs/launchers.md").read_text()
HOSTS = '[[hosts]]\nname = "a"\naddress = "127.0.0.1:7400"\n'


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_every_launcher_table_of_the_page_is_one_that_is_taken(tmp_path: Path) -> None:
    seen = set()
    for text in blocks("toml"):
        path = tmp_path / "fleet.toml"
        path.write_text(text if "[[hosts]]" in text else f"{text}\n{HOSTS}")
        fleet = load_fleet(path)
        for host in fleet.hosts:
            table = launcher_table(fleet, host)
            seen.add((table.kind, *tomli.loads(text)["launcher"]))
    assert {kind for kind, *_ in seen} == set(TABLES)
    for kind, table in TABLES.items():
        shown = {key for one in seen for key in one if one[0] in (kind, "local")}
        assert set(table.model_fields) <= shown | {
            "directory",
            "port",
            "kubeconfig",
            "cluster_domain",
            "connect_seconds",
        }


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(find_sshd() is None, reason="no sshd here (apt-get install openssh-server)")
def test_the_commands_of_the_page_lead_from_nothing_to_a_report(tmp_path: Path) -> None:
    commands = [shlex.split(line) for line in blocks("sh")[0].splitlines()]
    assert commands[0][:2] == ["pip", "wheel"]
    write_target(tmp_path)
    scenario = write_scenario(tmp_path, seconds=8, rate=60)
    instead = {
        "scenarios/soak/mixed.toml": scenario.name, "targets/mystore.toml": "embedded.toml", "72h": "8s", "1h": "2s",
    }  # fmt: skip
    with ssh_server() as server:
        text = (
            blocks("toml")[0].replace('user = "perf"', f'user = "{server.user}"').replace("targets/mystore", "embedded")
        )
        text = text.replace(
            'wheels = ["dist"] ', f'python = "{sys.executable}"\nport = {server.port}\nkey_file = "{server.key}"\n'
        )
        text = text.replace(
            'kind = "ssh"', f'kind = "ssh"\nknown_hosts = "{server.known_hosts}"\ndirectory = "{tmp_path}/base"'
        )
        for address, port in zip(("10.0.0.5:7400", "10.0.0.6:7400", "10.0.0.7:7400"), free_ports(3), strict=True):
            text = text.replace(address, f"127.0.0.1:{port}")
        (tmp_path / "fleet.toml").write_text(text.replace("10.0.0.5", "127.0.0.1"))
        try:
            for words in commands[1:]:
                said = _run([instead.get(word, word) for word in words], tmp_path)
                assert said.returncode == 0 or words[1:3] == ["fleet", "check"], said.stdout + said.stderr
                if words[1:3] == ["fleet", "check"]:  # a busy test machine may spoil a run, but every agent was reached
                    assert "not reached" not in said.stdout
        finally:
            _run(["perfgate", "fleet", "down", "fleet.toml"], tmp_path)
    assert (tmp_path / "soak" / "result.json").exists()
    assert processes_below(tmp_path / "base") == []


def _run(words: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=directory, env=environment(directory / "cache"), capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip
