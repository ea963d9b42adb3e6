"""Claims about the container files: they parse, and what they say is true of this repository."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli
import yaml
from cluster import ROOT
from dockerfile import read_dockerfile, words_of
from perfgate_agent.command import PORT
from perfgate_agent.configuration_file import AgentFile
from perfgate_controller.launch import manifests

from perfgate import __version__
from perfgate.cli.main import build_parser
from perfgate.fleet_file import load_fleet
from perfgate.trust.files import CA, CERTIFICATE, KEY

DEPLOY = ROOT / "deploy"
STAGES = read_dockerfile(DEPLOY / "Dockerfile")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
AGENTS = {name: service for name, service in COMPOSE["services"].items() if name != "controller"}
PROJECT: dict[str, Any] = tomli.loads((ROOT / "pyproject.toml").read_text())


def test_images_are_pinned_to_a_python_that_perfgate_runs_on() -> None:
    least = re.search(r">=3\.(\d+)", PROJECT["project"]["requires-python"])
    assert least is not None
    for stage in STAGES:
        found = re.fullmatch(r"python:3\.(\d+)-slim-bookworm", stage.image)
        assert found is not None, stage.image
        assert int(found[1]) >= int(least[1])


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in ignored
    for source in copied():
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied())


def test_nothing_is_fetched_or_run_that_a_reader_cannot_see() -> None:
    for stage in STAGES:
        assert stage.all("ADD") == []
        for command in stage.all("RUN"):
            assert not re.search(r"curl|wget|sudo|chmod 777", command)
            if "apt-get install" in command:
                assert "--no-install-recommends" in command
                assert "rm -rf /var/lib/apt/lists" in command


def test_the_agent_runs_without_privileges_as_the_user_of_the_manifests() -> None:
    last = STAGES[-1]
    assert last.all("USER") == [str(manifests.USER)]
    assert f"--uid {manifests.USER}" in " ".join(last.all("RUN"))
    assert last.instructions[-1][0] == "CMD"
    assert [word for word, _ in last.instructions].index("USER") > [word for word, _ in last.instructions].index("RUN")


def test_the_command_is_one_that_perfgate_knows_on_the_port_that_is_exposed() -> None:
    words = words_of(STAGES[-1].all("CMD")[0])
    assert words[0] == next(iter(PROJECT["project"]["scripts"]))
    parsed = build_parser("agent").parse_args(words[1:])
    assert parsed.config == Path(f"{manifests.HOME}/agent.toml")
    assert STAGES[-1].all("EXPOSE") == [str(PORT)]
    controller = COMPOSE["services"]["controller"]["command"]
    assert build_parser("fleet").parse_args(controller[1:]).file == Path("/etc/perfgate/fleet.toml")


def test_the_agents_settings_are_ones_that_an_agent_takes() -> None:
    settings = AgentFile.model_validate(tomli.loads((DEPLOY / "agent.toml").read_text()))
    assert settings.listen.port == PORT
    assert settings.tls is not None
    files = {settings.tls.ca_file: CA, settings.tls.cert_file: CERTIFICATE, settings.tls.key_file: KEY}
    for name, service in AGENTS.items():
        given = {
            f"/run/secrets/{one['target']}": COMPOSE["secrets"][one["source"]]["file"] for one in service["secrets"]
        }
        assert given == {path: f"./authority/agents/{name}/{file}" for path, file in files.items()}


def test_agents_share_nothing_and_may_do_nothing_but_serve() -> None:
    assert {service["cpuset"] for service in AGENTS.values()} == {"0", "1"}
    for name, service in AGENTS.items():
        assert service["hostname"] == name
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "ports" not in service
        assert service["image"] == f"perfgate:{__version__}"
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()
    for service in COMPOSE["services"].values():
        for mount in service.get("volumes", ()):
            source, _, mode = mount.split(":")
            assert mode == "ro"
            assert source.startswith("./authority/") or (DEPLOY / source).exists()


def test_every_name_in_the_compose_file_is_declared() -> None:
    for service in COMPOSE["services"].values():
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert {one["source"] for one in service.get("secrets", ())} <= set(COMPOSE["secrets"])
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])


def test_the_fleet_file_names_the_agents_of_the_compose_file() -> None:
    fleet = load_fleet(DEPLOY / "fleet.toml")
    assert {host.name: host.address for host in fleet.hosts} == {name: f"{name}:{PORT}" for name in AGENTS}


def test_the_commands_in_the_compose_file_are_ones_that_perfgate_knows() -> None:
    lines = [line.lstrip("# ") for line in (DEPLOY / "compose.yaml").read_text().splitlines() if line.startswith("#  ")]
    certs = [shlex.split(line) for line in lines if line.startswith("perfgate ")]
    assert len(certs) == 4
    for words in certs:
        parsed = build_parser(words[1]).parse_args(words[1:])
        assert str(parsed.dir) == "deploy/authority"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_the_image_copies_is_enough_to_build_the_wheel(tmp_path: Path) -> None:
    for source in copied():
        place = tmp_path / "src" / source
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*_pb2*"))
        else:
            shutil.copy(ROOT / source, place)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(tmp_path / "src")], check=True)
    assert len(list(tmp_path.glob("perfgate-*.whl"))) == 1


def copied() -> list[str]:
    """From the repository, by the first stage."""
    return [word for line in STAGES[0].all("COPY") for word in line.split()[:-1] if not word.startswith("--")]
