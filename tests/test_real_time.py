"""Claims about which tests are tried again, and that those which only compute are not."""

from __future__ import annotations

import pytest
from real_time import TRIES, imports, in_real_time, wants_all


@pytest.mark.parametrize(
    "name", ["test_process", "test_gate_end_to_end", "test_player", "test_fault_table", "test_fleet"]
)
def test_files_that_start_processes_or_servers_are_in_real_time(name: str) -> None:
    assert in_real_time(name)


@pytest.mark.parametrize("name", ["test_compare", "test_histogram", "test_report", "test_simulate", "test_scenario_x"])
def test_files_that_compute_are_not(name: str) -> None:
    assert not in_real_time(name)


def test_imports_are_found_wherever_they_are() -> None:
    assert imports("import a.b, c\ndef f():\n    from d.e import g\n    from . import h") == {"a.b", "c", "d.e"}


def test_what_is_in_real_time_is_tried_again_and_what_only_computes_never(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        tries = item.get_closest_marker("flaky")
        assert (tries is not None) is in_real_time(item.path.stem), item
        assert tries is None or tries.kwargs == {"reruns": TRIES - 1}


@pytest.mark.parametrize(
    ("name", "alone"),
    [("test_player", True), ("test_usage", True), ("test_overload_end_to_end", True), ("test_local_limit", True),
     ("test_fleet", False), ("test_compare", False), ("test_gate_end_to_end", False)],
)  # fmt: skip
def test_what_measures_or_loads_the_machine_is_not_run_beside_others(name: str, alone: bool) -> None:
    assert wants_all(name) is alone
