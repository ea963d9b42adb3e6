"""Every fault of docs/faults.md, provoked for real: what its case claims must hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from network_lab import lab_or_skip

from benchmarks.faults.case import AGENTS, Case
from benchmarks.faults.cases import CASES
from benchmarks.faults.lab import Lab
from benchmarks.faults.network import NotHere

QUICK = [case for case in CASES if case.quick]
LONG = [case for case in CASES if not case.quick]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_or_skip(tmp_path_factory.mktemp("lab"), "controller", *AGENTS, "store") as one:
        yield one


def check(case: Case, lab: Lab) -> None:
    """Its own claims (what is said, exit code, what is kept, no orphans, deadlines), and that the agents serve on."""
    lab.reset(*AGENTS)
    try:
        outcome = case.play(lab)
    except NotHere as error:
        pytest.skip(str(error))
    assert outcome.said or outcome.note
    assert outcome.code in (0, 1, 3, -9)


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_nothing_is_lost_hangs_or_stays_behind_and_somebody_says_what_happened(case: Case, made: Lab) -> None:
    check(case, made)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", LONG, ids=lambda case: case.name)
def test_nothing_is_lost_hangs_or_stays_behind_of_faults_that_take_longer(case: Case, made: Lab) -> None:
    check(case, made)


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
