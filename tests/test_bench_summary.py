"""What the benchmark makes of its runs: ratios, the highest rate, slopes, tables, charts, pages."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.speed.calls import read_counts
from benchmarks.speed.chart import Series, log_log_chart
from benchmarks.speed.pacing import Point, draw
from benchmarks.speed.reading import Reading
from benchmarks.speed.results import replace_block
from benchmarks.speed.rounds import Run
from benchmarks.speed.sections import vegeta_target
from benchmarks.speed.slope import fit_slope
from benchmarks.speed.summary import by_round, highest, median, ratio
from benchmarks.speed.tables import closed_table, table

STRACE = """\
strace: Process 4242 attached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 55.12    0.551200          11     50110           write
 40.02    0.400200           4    100220     50110 read
  4.86    0.048600           2     24300           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    1.000000           5    174630     50110 total
"""


def run(tool: str, number: int, completed: int, cpu_s: float) -> Run:
    reading = Reading(completed, 0, 1.0, 0.1, 0.2)
    return Run(tool, number, reading, cpu_s, other_cores=0.02, stolen=0.0, command=f"{tool} URL", details={})


# Ratios


def test_a_ratio_is_taken_round_by_round_before_the_median() -> None:
    """A round in which the machine was half as fast for both changes nothing."""
    found = ratio({0: 10.0, 1: 5.0, 2: 12.0}, {0: 5.0, 1: 2.5, 2: 4.0})
    assert found is not None
    assert (found.median, found.low, found.high, found.rounds) == (2.0, 2.0, 3.0, 3)


def test_rounds_that_only_one_tool_has_do_not_count() -> None:
    found = ratio({0: 10.0, 1: 1000.0}, {0: 5.0, 2: 1.0})
    assert found is not None
    assert (found.median, found.rounds) == (2.0, 1)
    assert ratio({0: 1.0}, {1: 1.0}) is None
    assert median({}) is None


def test_the_table_divides_ours_by_each_peers_requests_a_cpu_second() -> None:
    runs = [run("perfgate", 0, 1000, 0.01), run("wrk", 0, 1000, 0.02), run("wrk", 1, 900, 0.02)]
    assert by_round(runs, "wrk", lambda one: one.per_cpu_s) == {0: 50_000.0, 1: 45_000.0}
    lines = closed_table(runs).splitlines()
    assert "100,000" in lines[2]
    assert "**2.00** (2.00–2.00)" in lines[3]
    assert "47,500" in lines[3]
    assert "`wrk URL`" in lines[3]


def test_all_rows_of_a_table_are_equally_wide() -> None:
    assert len({len(line) for line in table(("a", "long head"), [("longer", "b"), ("", "µs")]).splitlines()}) == 1


# The highest rate


@given(st.floats(1_000, 200_000), st.floats(0.01, 0.2))
def test_the_highest_rate_is_found_to_the_tolerance(capacity: float, tolerance: float) -> None:
    tried: list[float] = []

    def holds(rate: float) -> bool:
        tried.append(rate)
        return rate <= capacity

    found = highest(holds, 4_000.0, 64_000.0, tolerance)
    assert len(tried) < 40
    if capacity < 4_000:
        assert found == 0.0
    elif capacity >= 64_000:
        assert found == 64_000.0
    else:
        assert found <= capacity <= found * (1 + tolerance) * 1.000001


def test_a_rate_that_fails_once_is_tried_again() -> None:
    failed: set[float] = set()

    def holds(rate: float) -> bool:
        first = rate not in failed
        failed.add(rate)
        return rate <= 9_000 and not first

    assert highest(holds, 4_000.0, 64_000.0, 0.05) == pytest.approx(9_000, rel=0.05)


# Slopes

SECONDS = np.arange(1_140.0)


def noise(seed: int, autocorrelation: float = 0.98) -> np.ndarray:
    """First-order autoregression: neighbouring readings are nearly the same."""
    steps = np.random.default_rng(seed).normal(size=len(SECONDS))
    result = np.empty_like(steps)
    result[0] = steps[0]
    for place in range(1, len(steps)):
        result[place] = autocorrelation * result[place - 1] + steps[place]
    return result


def test_a_rising_series_has_its_slope_inside_an_interval_without_0() -> None:
    slope = fit_slope(SECONDS / 60, 50_000 + 3.0 * SECONDS / 60 + noise(1), 19)
    assert slope.low <= 3.0 <= slope.high
    assert not slope.flat


def test_noise_that_hangs_together_is_seldom_taken_for_a_slope() -> None:
    """A plain fit through all readings would be sure of a slope in most of these; 5 % is the rate asked for."""
    taken = sum(not fit_slope(SECONDS / 60, noise(seed), 19).flat for seed in range(200))
    assert taken <= 26


def test_a_constant_series_is_flat() -> None:
    slope = fit_slope(SECONDS, np.full(len(SECONDS), 70_000.0), 19)
    assert (slope.value, slope.flat) == (0.0, True)


def test_too_few_readings_are_refused() -> None:
    with pytest.raises(ValueError, match="tell no slope"):
        fit_slope([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 5)


# System calls


def test_calls_are_read_by_name_without_the_total() -> None:
    assert read_counts(STRACE) == {"write": 50_110, "read": 100_220, "epoll_wait": 24_300}


# Requests for vegeta


def test_a_request_becomes_a_target_of_the_same_method_path_headers_and_body() -> None:
    request = b"POST /a?b=%5B1%5D HTTP/1.1\r\nHost: h:1\r\nX-Memory-Space: s\r\nContent-Length: 2\r\n\r\n{}"
    assert vegeta_target(request, 8080) == {
        "method": "POST",
        "url": "http://127.0.0.1:8080/a?b=%5B1%5D",
        "header": {"X-Memory-Space": ["s"]},
        "body": base64.b64encode(b"{}").decode(),
    }


# Charts and pages


def test_a_chart_is_well_formed_names_its_lines_and_fetches_nothing() -> None:
    picture = log_log_chart("a < b", "x", "y", [Series("p50", [(10, 1), (1000, 5)]), Series("none", [(0, 0)])])
    texts = "".join(ElementTree.fromstring(picture).itertext())
    assert "a < b" in texts
    assert "p50" in texts
    assert "none" not in texts
    assert "url(" not in picture
    assert "href" not in picture


def test_a_chart_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="point above 0"):
        log_log_chart("t", "x", "y", [Series("p50", [])])


def test_the_picture_of_the_pacing_error_says_where_it_ended() -> None:
    held = Point(1_000, 1_000, 20, 30, 60, 90, 100, 0.0, 200, 30)
    late = Point(50_000, 41_000, 9_000, 20_000, 60_000, 90_000, 100_000, 0.5, 90_000, 20)
    assert "holds 1,000/s" in draw([held])
    assert "saturates at 50,000/s" in draw([held, late])


def test_a_block_of_a_page_is_replaced_and_nothing_else() -> None:
    page = "before\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nafter\n<!-- bench:y -->\nkept\n<!-- /bench:y -->\n"
    done = replace_block(page, "x", r"new \1 text")
    assert done == page.replace("old", r"new \1 text")
    assert replace_block(done, "x", "old") == page
    with pytest.raises(ValueError, match="bench:z"):
        replace_block(page, "z", "text")
