"""Claims about stores that other hosts can load: where they listen is the owner's word, and who listens there is checked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cluster import TARGET, write_scenario
from perfgate_agent.allowed import AllowedAddresses
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.configuration_file import load_configuration
from perfgate_agent.ports import listening_hosts
from perfgate_controller.fleet import dial
from secure_agents import configured, serving_agent

from perfgate.errors import FleetError, InputError, TargetError
from perfgate.scenario import load_scenario
from perfgate.segment import Arm
from perfgate.targets.load import load_target

ELSEWHERE = "127.0.0.2"
"""An address of this machine that is not the default, and needs no network."""


def told_where(directory: Path, command: str, **settings: object) -> AgentConfiguration:
    directory.mkdir(exist_ok=True)
    (directory / "target.toml").write_text(TARGET.replace('"--port",', f'{command}"--port",'))
    target = load_target(directory / "target.toml")
    made = configured(directory, None)
    return dataclasses.replace(made, targets={target.name: target}, **settings)  # type: ignore[arg-type]


async def test_a_store_that_is_told_where_listens_where_its_hosts_owner_says(tmp_path: Path) -> None:
    scenario = load_scenario(write_scenario(tmp_path))
    host = told_where(tmp_path / "a", '"--host", "{host}", ', stores_listen=ELSEWHERE)
    loader = dataclasses.replace(
        configured(tmp_path / "b", None), name="b", allowed=AllowedAddresses.parse(["127.0.0.3"], "load.addresses")
    )
    async with serving_agent(host) as (a, _), serving_agent(loader) as (b, _), dial([a, b], "run") as fleet:
        await fleet.host.install("embedded", "default", scenario, 1)
        (running,) = await fleet.host.launch("embedded", ["default"], scenario, 1)
        assert running.address.host == ELSEWHERE
        assert listening_hosts(running.address.port) == {ELSEWHERE}
        with pytest.raises(
            InputError, match=rf"agent b may not load http://{ELSEWHERE}:\d+ \(allowed here: 127\.0\.0\.3\)"
        ):
            await fleet.links[1].prepare_load(
                scenario, 1, host.target("embedded"), {Arm.BASE: running.address}, [], [0], 1
            )
        fleet.links[1].machine = "another one"
        loopback = dataclasses.replace(running.address, host="127.0.0.1")
        with pytest.raises(FleetError, match=r"agent b cannot load the store on http://127.0.0.1:\d+: .*host\] listen"):
            await fleet.load(scenario, 1, host.target("embedded"), {Arm.BASE: loopback}, [])


@pytest.mark.slow
async def test_a_store_that_listens_on_another_address_is_not_taken_for_the_one_that_was_started(
    tmp_path: Path,
) -> None:
    scenario = load_scenario(write_scenario(tmp_path))
    deaf = '"--host", "127.0.0.1", "--data-dir", "{data_dir}/{host}", '
    made = told_where(tmp_path / "a", deaf, stores_listen=ELSEWHERE)
    quick = made.target("embedded")
    assert quick.host is not None
    quick = dataclasses.replace(quick, host=dataclasses.replace(quick.host, start_timeout_ns=4_000_000_000))
    made = dataclasses.replace(made, targets={"embedded": quick})
    async with serving_agent(made) as (a, _), dial([a], "run") as fleet:
        with pytest.raises(
            TargetError, match=r"listens on 127\.0\.0\.1 instead of 127\.0\.0\.2: \[host\] must tell it \{host\}"
        ):
            await fleet.host.install("embedded", "default", scenario, 1)


FILE = 'work_dir = "w"\ncache_dir = "c"\n[host]\nlisten = "{}"\n'


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        ("0.0.0.0", "one address of this machine"), ("perf-1", "one address of this machine"),
        ("192.0.2.1", "no address of this machine"),
    ],
)  # fmt: skip
def test_stores_listen_on_one_address_of_this_machine_or_the_agent_does_not_start(
    tmp_path: Path, listen: str, words: str
) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(FILE.format(listen))
    with pytest.raises(InputError, match=words):
        load_configuration(path)
    path.write_text(FILE.format(ELSEWHERE))
    assert load_configuration(path).stores_listen == ELSEWHERE
