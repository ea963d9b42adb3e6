"""Claims about more load workers than a plan has lanes: whoever is asked says so in one sentence, before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster import write_scenario, write_target
from fleet_agents import agent_processes
from perfgate_controller.fleet import dial
from perfgate_controller.fleet_check import check_fleet
from perfgate_controller.member import Member, too_many

from perfgate.cli.main import main
from perfgate.errors import FleetError, InputError
from perfgate.fleet_file import load_fleet
from perfgate.fleet_file.load import MOST_LOADING
from perfgate.plan import LANES

WORDS = r"65 load workers \(a 33, b 32\) are more than the 64 lanes .* so that 1 would have nothing to send: leave agents out"


def test_as_many_workers_as_lanes_are_none_too_many() -> None:
    assert too_many({"a": 32, "b": 32}) == ""
    assert too_many({"a": LANES + 1}).startswith("65 load workers (a 65)")


async def test_a_fleet_with_more_workers_than_lanes_is_refused_and_does_not_pass_the_check(tmp_path: Path) -> None:
    with agent_processes(tmp_path, ["a"], workers=33) as first, agent_processes(tmp_path, ["b"], workers=32) as second:
        a, b = first["a"].address, second["b"].address
        with pytest.raises(FleetError, match=WORDS):
            async with dial([a, b], "run"):
                raise AssertionError("some workers would idle")
        async with dial([Member(a, loads=False), b], "run") as fleet:
            assert len(fleet.links) == 2, "whoever only starts stores has no lanes"
        file = tmp_path / "fleet.toml"
        file.write_text(
            "".join(f'[[hosts]]\nname = "{name}"\naddress = "{where}"\n' for name, where in [("a", a), ("b", b)])
        )
        state = await check_fleet(load_fleet(file), None, [])
    assert any(text.startswith("65 load workers (a 33, b 32)") for text in state.spoils)
    assert not state.fit


def test_a_file_with_more_loading_hosts_than_lanes_is_refused(tmp_path: Path) -> None:
    assert MOST_LOADING == LANES
    path = tmp_path / "fleet.toml"
    hosts = [f'[[hosts]]\nname = "h{number}"\naddress = "10.0.0.{number}:7400"\n' for number in range(1, 66)]
    path.write_text("".join(hosts[:-1]))
    assert len(load_fleet(path).hosts) == LANES
    path.write_text("".join(hosts))
    with pytest.raises(InputError, match=r"65 hosts have the role load, but a plan has 64 lanes.*leave 1 of them out"):
        load_fleet(path)


@pytest.mark.parametrize("words", [["--workers", "65"], ["--local-agents", "13", "--workers", "5"]])
def test_a_command_line_with_too_many_is_refused(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    scenario, target = write_scenario(tmp_path), write_target(tmp_path)
    assert main(["run", str(scenario), "--target", str(target), "--url", "http://127.0.0.1:1", *words]) == 3
    assert "65 load workers" in capsys.readouterr().err


def test_an_agent_with_too_many_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "serve", "--workers", "65"]) == 3
    assert "--workers 65: a plan has 64 lanes" in capsys.readouterr().err
