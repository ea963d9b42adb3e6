from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import load_cases
import pytest
from dataset_values import small_dataset
from hypothesis import HealthCheck, settings
from real_time import TRIES, in_real_time, wants_all

from perfgate.dataset import Dataset

if TYPE_CHECKING:
    from secure_agents import Certified

# How long an example takes says nothing on a machine that does something else, too. New examples are searched for at the
# desk; what CI says of one commit must not depend on a die.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

# Each test starts several processes: none of them is to compile perfgate anew, as they would in many containers.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Nor is a test to depend on what this shell has set, or work on the repository of the hook that calls it. Two of the names
# are how one says what the tests may use.
for name in [name for name in os.environ if name.startswith(("PERFGATE_", "GIT_"))]:
    if name not in ("PERFGATE_KUBE", "PERFGATE_RAY_PYTHON"):
        del os.environ[name]

# Gates of tests are nobody's history. Tests of the history name a place of their own.
os.environ["PERFGATE_HISTORY"] = "off"
# Nor do they queue with what else this host measures.
os.environ["PERFGATE_QUEUE"] = tempfile.mkdtemp(prefix="perfgate-queue-")

GOLDEN = Path(__file__).parent / "golden"


class Golden(Protocol):
    def __call__(self, name: str, text: str) -> None: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew; look at the difference")


@pytest.hookimpl(tryfirst=True)  # before what -m leaves out is left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if in_real_time(item.path.stem):
            item.add_marker(pytest.mark.flaky(reruns=TRIES - 1))
        if wants_all(item.path.stem):
            item.add_marker("alone")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with the one kept under its name."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{path} differs; pytest --update-golden writes it anew"

    return check


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return small_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def three_spaces(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return small_dataset(tmp_path_factory.mktemp("data"), 3)


@pytest.fixture(scope="session")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """An authority with an agent, a controller and an observer, of whom no test wants new keys."""
    from secure_agents import Certified

    return Certified(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def agent(certified: Certified, tmp_path: Path) -> AsyncIterator[str]:
    """The address of an agent that trusts those."""
    from secure_agents import configured, serving_agent

    async with serving_agent(configured(tmp_path / "a", certified.agent)) as (address, _):
        yield address


@pytest.fixture(params=["portable", "engine"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test is run with each of the drivers behind load_cases.make_player."""
    monkeypatch.setattr(load_cases, "make_player", load_cases.DRIVERS[request.param])
    name: str = request.param
    return name
