"""Claims about what an agent's own machine allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from perfgate_agent.configuration import AgentConfiguration, divide_cpus

from perfgate.address import Address, is_loopback
from perfgate.errors import InputError


def make(**changes: object) -> AgentConfiguration:
    settings: dict[str, object] = {
        "name": "a", "host": "127.0.0.1", "port": 0, "cache_dir": Path("c"), "work_dir": Path("w"), "workers": 1,
    }  # fmt: skip
    return AgentConfiguration(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "::", "example.org"])
def test_an_address_off_loopback_is_refused_without_tls(host: str) -> None:
    with pytest.raises(InputError, match="loopback"):
        make(host=host)
    with pytest.raises(InputError, match="may not load"):
        make().check_address(Address(host, 80))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_allowed(host: str) -> None:
    assert is_loopback(host)
    make(host=host).check_address(Address(host, 80))


def test_a_target_that_the_machine_does_not_name_is_refused() -> None:
    with pytest.raises(InputError, match="--target FILE"):
        make().target("rm -rf")


@pytest.mark.parametrize(
    ("workers", "cpus", "expected"),
    [
        (1, {0}, ((), ())),
        (1, {0, 1}, ((1,), (0,))),
        (2, {0, 1}, ((1, 1), (0,))),
        (2, {0, 1, 2, 3}, ((2, 3), (0, 1))),
        (1, {4, 5, 6}, ((6,), (4, 5))),
    ],
)
def test_workers_and_store_never_share_a_processor_where_there_are_two(
    workers: int, cpus: set[int], expected: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    assert divide_cpus(workers, cpus) == expected
