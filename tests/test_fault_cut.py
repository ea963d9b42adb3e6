"""A line that is cut for a second, at different times between two heartbeats, on short lines and long ones: nobody is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from network_lab import lab_or_skip

from benchmarks.faults.case import AGENTS, hit, short
from benchmarks.faults.lab import Lab
from benchmarks.faults.line import Line

MOMENTS_S = (0.7, 0.83)
"""After which the line is cut; heartbeats come five times a second, intervals once."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_or_skip(tmp_path_factory.mktemp("lab"), "controller", *AGENTS, "store") as one:
        yield one


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("at_s", MOMENTS_S)
@pytest.mark.parametrize("delay_ms", [0, 20])
@pytest.mark.parametrize("host", ["controller", "perf-2"])
def test_a_second_without_a_network_loses_no_agent_and_no_request(
    made: Lab, host: str, delay_ms: float, at_s: float
) -> None:
    made.reset(*AGENTS)
    made.network.set_line(host, Line(delay_ms))
    healing = threading.Timer(1.0, made.network.set_line, [host, Line(delay_ms)])

    def fault() -> None:
        made.network.cut(host)
        healing.start()

    try:
        done = hit(made.begin_run(short(4.0), AGENTS), fault, at_s)
    finally:
        healing.join()
    assert "lost" not in done.ended.result["record"]["environment"]["fleet"], done.ended.text
    assert done.ended.kept == len(made.recorded(AGENTS)) > 0
