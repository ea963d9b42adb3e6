"""Traces: read from CSV, carried inside the scenario, played exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from arrival_cases import trace_text
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perfgate.arrivals import ReplayArrivals
from perfgate.errors import InputError
from perfgate.plan import LANES, Plan
from perfgate.scenario import Scenario, load_scenario, parse_scenario, scenario_from_json
from perfgate.scenario.trace import decode
from perfgate.scenario.trace_file import read_trace

S = 1_000_000_000
SCENARIO = """name = "Replay"
[duration]
total_seconds = 5
[arrival]
pattern = "replay"
path = "trace.csv"
[data]
num_nodes = 1_000
embedding_dim = 8
"""


def written(directory: Path, content: str) -> Path:
    (directory / "trace.csv").write_text(content)
    (directory / "scenario.toml").write_text(SCENARIO)
    return directory / "scenario.toml"


def rows(scenario: Scenario) -> list[list[int]]:
    window = Plan(scenario).window(range(LANES), 0, 5 * S)
    return [window.time_ns.tolist(), window.operation.tolist(), window.key.tolist()]


def test_rows_are_played_in_order_of_time_with_their_operations_and_keys(tmp_path: Path) -> None:
    file = written(tmp_path, "key,time_ms,operation,note\n7,11500,recall,a\n,10000,store,b\n1003,12000,recall,c\n")
    times, operations, keys = rows(load_scenario(file))
    assert times[:3] == [0, 1_500_000_000, 2_000_000_000]
    assert operations[:3] == [0, 1, 1]
    assert keys[1:3] == [7, 3]


def test_equal_texts_are_equal_keys(tmp_path: Path) -> None:
    file = written(tmp_path, "time,operation,key\n0,recall,user:1\n1,recall,user:2\n2,recall,user:1\n")
    _, _, keys = rows(load_scenario(file))
    assert keys[0] == keys[2] != keys[1]


def test_the_content_travels_without_the_file_and_names_the_scenario(tmp_path: Path) -> None:
    file = written(tmp_path, "time,operation\n0,recall\n1,store\n")
    scenario = load_scenario(file)
    (tmp_path / "trace.csv").unlink()
    again = scenario_from_json(scenario.source)
    assert again == scenario
    assert rows(again) == rows(scenario)
    other = load_scenario(written(tmp_path, "time,operation\n0,recall\n2,store\n"))
    assert other.digest != scenario.digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "trace.csv:1: the header must name a time and an operation"),
        ("time,operation\n", "trace.csv: no rows"),
        ("time,operation\n0,recall\n1\n", "trace.csv:3: operation is missing"),
        ("time,operation\n0,recal\n", "trace.csv:2: operation = 'recal' is unknown: did you mean recall?"),
        ("time,operation\n0,recall\n\nsoon,recall\n", "trace.csv:4: time = 'soon' must be a number of at least 0"),
        ("time,operation\n-1,recall\n", "trace.csv:2: time = '-1' must be a number of at least 0"),
        ("time,operation\n0,recall\n1e9,recall\n", "lasts longer than a year"),
    ],
)
def test_a_wrong_row_is_one_message_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_scenario(written(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"time,operation\n\xff\xfe")
    with pytest.raises(InputError, match="no CSV file in UTF-8"):
        read_trace(tmp_path / "t.csv")


@pytest.mark.parametrize("text", ["x", "====", "QlpoOTFBWSZTWQ==", "é", trace_text([0, 1])[:-8]])
def test_a_text_that_is_no_trace_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"trace|base64|ASCII"):
        decode(text)


def test_a_trace_goes_with_no_operations_of_its_own(tmp_path: Path) -> None:
    file = written(tmp_path, "time,operation\n0,recall\n")
    with pytest.raises(InputError, match=r"operations .* left out where .arrival. replays a trace"):
        parse_scenario(file.read_text() + "[operations]\nrecall_weight = 1\n", directory=tmp_path)


traces = st.lists(st.integers(0, 3_000_000), min_size=1, max_size=30).map(
    lambda times: np.sort(np.array(times)) - min(times)
)


@settings(max_examples=80, deadline=None)
@given(traces, st.floats(0.1, 20), st.sampled_from([0.34, 0.5, 1.0, 1.5, 3.0]), st.integers(0, 50))
def test_blocks_of_a_replay_join_whatever_its_speed_and_density(
    times: np.ndarray, speed: float, scale: float, block: int
) -> None:
    if len(times) * scale < 1:
        return
    played = ReplayArrivals(times, speed, scale)
    starts = played.before(np.arange(block, block + 3))
    for number in range(2):
        due = played.times(block + number)
        assert len(due) == starts[number + 1] - starts[number]
        assert np.all(np.diff(due) >= 0)
        assert np.all((due >= (block + number) * S) & (due < (block + number + 1) * S))


@given(traces, st.sampled_from([0.5, 1.0, 2.5]))
@settings(max_examples=40, deadline=None)
def test_each_row_is_played_as_often_as_the_scale_says(times: np.ndarray, scale: float) -> None:
    if len(times) * scale < 1:
        return
    played = ReplayArrivals(times, 1.0, scale)
    total = int(len(times) * scale)
    often = np.bincount(played.rows(np.arange(total)), minlength=len(times))
    assert often.sum() == total
    assert set(often.tolist()) <= {int(scale), int(scale) + (scale % 1 > 0)}


def test_gaps_are_those_of_the_trace_and_of_every_second_row() -> None:
    """Kolmogorov-Smirnov: a Poisson trace played twice as fast has gaps half as long; thinned to one in two, it has the
    sum of two."""
    gaps = np.random.default_rng(4).exponential(0.01, 4_000)
    times = np.rint(np.cumsum(gaps) * 1e6).astype(np.int64)
    times -= times[0]
    fast = ReplayArrivals(times, 2.0, 1.0)
    played = np.concatenate([fast.times(block) for block in range(15)])
    assert stats.kstest(np.diff(played) / 1e9, "expon", args=(0, 0.005)).pvalue > 0.01
    thin = ReplayArrivals(times, 1.0, 0.5)
    played = np.concatenate([thin.times(block) for block in range(30)])
    assert stats.kstest(np.diff(played) / 1e9, "gamma", args=(2, 0, 0.01)).pvalue > 0.01
