"""Runs over days: what moves is found, what does not is left alone, and nothing grows with the time."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import record
from cluster import perfgate, write_scenario, write_target
from hypothesis import given, settings
from hypothesis import strategies as st
from interval_values import interval
from perfgate_controller.soak_loop import SoakTerms, SoakWatcher
from perfgate_controller.thinned import LINES_MOST, LOG_LINES_MOST, ThinLog, fold_seconds

from perfgate.errors import InputError
from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.progress import NoProgress
from perfgate.report.markdown import render_markdown
from perfgate.report.soak_document import soak_document, soak_end_document
from perfgate.report.terminal import make_console, render
from perfgate.run import BROKEN_OFF, Second
from perfgate.segment import Arm
from perfgate.soak import checkpoint
from perfgate.soak.drift import CONFIDENCE, Drift, Motion, drift
from perfgate.soak.events import MOST as EVENTS_MOST
from perfgate.soak.events import Event, Events
from perfgate.soak.findings import Finding, findings
from perfgate.soak.periods import Periods
from perfgate.soak.sample import StoreSample

S = 1_000_000_000
MS = 1_000_000
HOUR = 3_600 * S


def second(at_s: int, latency_ns: float = MS, operation: Operation = Operation.RECALL, failed: int = 0) -> Interval:
    """Twenty requests of one second, spread a little around `latency_ns`."""
    times = Histogram.of([round(latency_ns * (0.8 + 0.02 * number)) for number in range(20)])
    counts = [0] * len(OUTCOMES)
    counts[Outcome.OK], counts[Outcome.TIMEOUT] = 20, failed
    part = OperationInterval(times, times, tuple(counts))
    return interval(
        1, start_ns=at_s * S, end_ns=(at_s + 1) * S, due=20 + failed, sent=20 + failed, operations={operation: part}
    )  # fmt: skip


def noise(random: np.random.Generator, count: int, correlation: float) -> list[float]:
    """A stationary AR(1) with sd 1."""
    values = [float(random.standard_normal())]
    for _ in range(count - 1):
        values.append(correlation * values[-1] + math.sqrt(1 - correlation**2) * float(random.standard_normal()))
    return values


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_a_line_is_seen_where_there_is_none_about_as_seldom_as_promised(correlation: float) -> None:
    """600 series of 40 periods: 1 % are promised; up to 4 % where neighbours are correlated, as estimated from 40."""
    random = np.random.default_rng(1)
    hours = list(range(40))
    seen = 0
    for _ in range(600):
        line = drift(hours, noise(random, 40, correlation))
        assert line is not None
        seen += line.lower > 0 or line.upper < 0
    assert seen / 600 <= (0.025 if correlation == 0 else 0.06)


@settings(max_examples=40, deadline=None)
@given(slope=st.floats(-2, 2), count=st.integers(8, 200), seed=st.integers(0, 1_000))
def test_an_interval_holds_the_slope(slope: float, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    hours = np.arange(count) / 7
    line = drift(hours.tolist(), (slope * hours + 0.01 * random.standard_normal(count)).tolist())
    assert line is not None
    reach = 3 * (line.upper - line.lower)
    assert line.lower - reach <= slope <= line.upper + reach
    assert line.hours == pytest.approx(hours[-1])
    assert 0 < CONFIDENCE < 1


def test_a_line_agrees_with_least_squares() -> None:
    from scipy.stats import linregress

    hours = np.arange(30.0)
    values = 3 + 0.2 * hours + np.random.default_rng(2).standard_normal(30)
    line, known = drift(hours.tolist(), values.tolist()), linregress(hours, values)
    assert line is not None
    assert line.per_hour == pytest.approx(known.slope)
    if line.correlation == 0:
        assert (line.upper - line.lower) / 2 == pytest.approx(known.stderr * 2.763262, rel=1e-4)


def test_too_few_periods_say_nothing() -> None:
    assert drift([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]) is None
    assert drift([1, 2, 3, 4, 5, 6, 7], [1, 2, math.nan, 4, 5, 6, math.nan]) is None


@pytest.mark.parametrize(
    ("slope", "noise_sd", "motion"),
    [(0.1, 0.01, Motion.RISES), (-0.1, 0.01, Motion.FALLS), (0.0, 0.01, Motion.STEADY), (0.0, 3.0, Motion.OPEN)],
)  # fmt: skip
def test_what_moves_is_told_from_what_stays_and_from_what_cannot_be_told(
    slope: float, noise_sd: float, motion: Motion
) -> None:
    values = slope * np.arange(20) + noise_sd * np.random.default_rng(5).standard_normal(20)
    line = drift(list(range(20)), values.tolist())
    assert line is not None
    assert line.motion(0.5) is motion


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(40)), most=st.integers(2, 9))
def test_periods_hold_everything_exactly_in_bounded_room_in_any_order(order: list[int], most: int) -> None:
    periods = Periods(S, most)
    for at in order:
        periods.take(second(at))
    kept = periods.all()
    assert len(kept) <= most
    whole = Interval.merge(period.interval for period in kept)
    expected = Interval.merge(dataclasses.replace(second(at), segment=0) for at in range(40))
    assert (whole.total, whole.operations) == (expected.total, expected.operations)
    assert [period.start_ns for period in kept] == sorted(period.start_ns for period in kept)


def test_samples_are_means_of_their_period() -> None:
    periods = Periods(10 * S)
    periods.take(second(0))
    periods.take(second(10))
    for at, rss in ((1, 100), (9, 300), (12, 900)):
        periods.sample(StoreSample(rss, at, 5 * at, 1, at * S))
    first, later = periods.all()
    assert (first.rss_bytes, first.disk_bytes, later.rss_bytes, later.cpu_ns) == (200, 9, 900, 60)
    joined = first.joined(later)
    assert (joined.rss_bytes, joined.disk_bytes, joined.samples) == (pytest.approx(1_300 / 3), 12, 3)


def test_a_sample_that_comes_before_its_period_waits_for_it() -> None:
    periods = Periods(10 * S)
    periods.take(second(0))
    periods.sample(StoreSample(500, 1, 1, 1, 11 * S))
    assert [period.samples for period in periods.all()] == [0]
    periods.take(second(12))
    assert [(period.samples, period.rss_bytes) for period in periods.all()] == [(0, 0.0), (1, 500.0)]


def soaked(
    hours: int, creep_an_hour: float = 0.0, leak_an_hour: int = 0, operation: Operation = Operation.RECALL
) -> SoakWatcher:
    """A run of so many hours, a minute for each second of it, as a watcher saw it."""
    random = np.random.default_rng(3)
    terms = SoakTerms("soak", "t", "b", 1, hours * HOUR, 0, HOUR, Path(), lag_limit_ns=MS)
    watcher = SoakWatcher(terms, NoProgress())
    watcher._began_ns = 1
    for minute in range(hours * 60):
        hour = minute / 60
        latency = MS * math.exp(creep_an_hour * hour + 0.02 * float(random.standard_normal()))
        watcher.take(second(minute * 60, latency, operation))
        if minute % 60 == 59:
            watcher._periods.take(second(minute * 60 + 59, latency, operation))
        rss = 100_000_000 + leak_an_hour * hour + 100_000 * float(random.standard_normal())
        watcher._periods.sample(StoreSample(round(rss), 5_000_000, round(hour * S), 1, minute * 60 * S))
    return watcher


@pytest.mark.parametrize(
    ("creep", "leak", "rising"),
    [(0.0, 0, set()), (0.004, 0, {"recall p50", "recall p99"}), (0.0, 300_000, {"memory"})],
)
def test_three_days_show_a_creep_of_four_per_mille_an_hour_and_a_leak_of_300_kb_an_hour(
    creep: float, leak: int, rising: set[str]
) -> None:
    made = soaked(72, creep, leak).checkpoint("ended")
    assert {one.what for one in made.rising} == rising
    assert len(made.periods) == 72
    text = render_markdown(soak_document(made))
    assert ("CREEPS" if rising else "STEADY") in text
    assert "nothing creeps and nothing leaks" in text or rising


def test_memory_that_grows_with_what_is_stored_is_no_leak_but_is_told_by_memory() -> None:
    made = soaked(24, leak_an_hour=24_400_000, operation=Operation.STORE).checkpoint("ended")
    assert not made.rising
    memory = next(one for one in made.findings if one.what == "memory")
    assert memory.motion is Motion.RISES
    assert memory.per_store == pytest.approx(24_400_000 / 1_220, rel=0.02)  # 61 seconds of twenty requests an hour
    assert "bytes a memory stored" in render_markdown(soak_document(made))


@pytest.mark.parametrize(("elapsed", "word"), [(7 * S, "a second"), (10 * 60 * S, "a minute"), (72 * HOUR, "an hour")])
def test_a_short_run_is_not_extrapolated_to_hours(elapsed: int, word: str) -> None:
    made = dataclasses.replace(soaked(9, creep_an_hour=0.05).checkpoint("ended"), elapsed_ns=elapsed)
    assert f"| {word} |" in render_markdown(soak_document(made))


def test_a_period_that_has_not_ended_is_not_compared() -> None:
    watcher = soaked(10)
    watcher.take(second(36_000, 50 * MS))
    found = findings(watcher._periods.all(), HOUR)
    assert all(one.motion is not Motion.RISES for one in found)


def test_a_checkpoint_can_be_read_again_exactly(tmp_path: Path) -> None:
    watcher = soaked(9, creep_an_hour=0.05)
    watcher._events.add(Event("stall", 5 * S, 7 * S, 2e9, "a reply took 2 s"))
    made = watcher.checkpoint("ended")
    checkpoint.write(tmp_path, made)
    again = checkpoint.read(tmp_path)
    assert again == made
    assert render_markdown(soak_document(again)) == render_markdown(soak_document(made))


def test_a_directory_without_a_checkpoint_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is none yet"):
        checkpoint.read(tmp_path)
    (tmp_path / checkpoint.NAME).write_text('{"kind": "other"}')
    with pytest.raises(InputError, match="no checkpoint that this perfgate reads"):
        checkpoint.read(tmp_path)


def test_stalls_failures_and_late_generators_are_listed_and_joined() -> None:
    events = Events(lag_limit_ns=MS)
    for at in (10, 11, 50):
        events.take(second(at, 2 * S))
    events.take(second(20, failed=3))
    events.take(second(21, failed=4))
    events.take(dataclasses.replace(second(30), lag=Histogram.of([5 * MS] * 20)))
    kinds = [(one.kind, one.start_ns // S, one.end_ns // S) for one in events.kept]
    assert kinds == [("stall", 10, 12), ("stall", 50, 51), ("failures", 20, 22), ("generator late", 30, 31)]
    assert events.kept[2].text == "7 requests failed: timeout"


def test_events_are_bounded_and_those_left_out_are_counted() -> None:
    events = Events(lag_limit_ns=MS)
    for at in range(0, 10 * 1_000, 10):
        events.take(second(at, failed=1))
    assert len(events.kept) == EVENTS_MOST
    assert events.dropped == 1_000 - EVENTS_MOST


def test_a_timeline_is_folded_without_losing_a_count_or_its_worst() -> None:
    lines = [
        Second(at * S, arm, 10 + at, at % 3, {"recall": 100.0 + at}, {"recall": float(at * 7 % 11)})
        for at in range(101)
        for arm in Arm
    ]
    folded = fold_seconds(lines)
    assert len(folded) == 102
    for arm in Arm:
        one, other = ([line for line in some if line.arm is arm] for some in (lines, folded))
        assert sum(line.completed for line in one) == sum(line.completed for line in other)
        assert sum(line.failed for line in one) == sum(line.failed for line in other)
        assert max(line.p99_ns["recall"] for line in one) == max(line.p99_ns["recall"] for line in other)
    assert LINES_MOST > 1_000


def test_the_log_of_a_week_is_thin_and_holds_everything() -> None:
    kept: list[Interval] = []
    week = 7 * 24 * HOUR
    log = ThinLog(kept.append, week)
    for at in range(5_000):
        log.take(second(at))
    log.close()
    assert len(kept) <= 5_000 / (week / S / LOG_LINES_MOST) + 2
    assert Interval.merge(kept).total == 100_000
    short: list[Interval] = []
    ThinLog(short.append, HOUR).take(second(1))
    assert len(short) == 1


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def soak(directory: Path, cache: Path, seconds: int, every: int, variant: str) -> tuple[Any, Any]:
    target = write_target(directory)
    target.write_text(target.read_text() + '[variants.leaking]\narguments = ["--leak", "200000"]\n')
    scenario = write_scenario(directory, rate=100.0)
    scenario.write_text(scenario.read_text().replace("store_weight = 0.35", "store_weight = 0"))
    done = perfgate(
        ["soak", str(scenario), "--target", str(target), "--variant", variant, "--duration", f"{seconds}s",
         "--report-every", f"{every}s", "--warmup", "0s", "--out", str(directory / "out")], cache,
    )  # fmt: skip
    return done, json.loads((directory / "out" / "checkpoint.json").read_text())


def test_a_store_that_leaks_20_mb_a_second_is_caught_in_nine_seconds(tmp_path: Path, cache: Path) -> None:
    done, made = soak(tmp_path, cache, 9, 1, "leaking")
    assert done.returncode in (1, 3), done.stdout + done.stderr  # 3: the host made the generator late
    memory = next(one for one in made["findings"] if one["what"] == "memory")
    assert memory["motion"] == "rises"
    assert memory["drift"]["lower"] > 0
    assert (tmp_path / "out" / "soak.md").exists()
    shown = perfgate(["soak", "--show", str(tmp_path / "out"), "--follow"], cache)
    assert shown.returncode == 1
    assert "CREEPS" in shown.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_store_that_does_not_leak_is_not_said_to_in_a_minute(tmp_path: Path, cache: Path) -> None:
    done, made = soak(tmp_path, cache, 60, 5, "default")
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    memory = next(one for one in made["findings"] if one["what"] == "memory")
    assert memory["motion"] != "rises"
    assert len(made["periods"]) == 12
    assert all(one["rss_bytes"] > 1e6 for one in made["periods"])


@pytest.mark.parametrize(
    ("changes", "rising", "word"),
    [
        ({}, False, "CANNOT TELL"),
        ({}, True, "CREEPS"),
        ({"complete": False, "warnings": (f"{BROKEN_OFF}stopped by a signal",)}, True, "BROKEN OFF"),
        ({"invalid": ({"code": "lag", "text": "it was late", "remedy": "free a CPU"},)}, True, "INVALID"),
        ({"limits": ({"name": "max_error_rate", "limit": 0.0, "met_base": False},)}, False, "LIMITS MISSED"),
        ({"limits": ({"name": "max_error_rate", "limit": 0.0, "met_base": False},)}, True, "CREEPS"),
    ],
)
def test_a_soak_ends_with_one_verdict_over_all_that_it_found(
    changes: dict[str, Any], rising: bool, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    moves = (Finding("recall p99", "log ns", Drift(0.1, 0.05, 0.2, 13.0, 1.0, 0.1, 9), Motion.RISES),) if rising else ()
    made = checkpoint.Checkpoint("soak", "embedded", "default", 1, 0, 0, S, S, S, "ended", (), moves, (), 0)
    render(soak_end_document(record("run", **changes), made, Path("d")), make_console())
    said = capsys.readouterr().out
    assert said.count("\u250f") == 1
    assert said.splitlines()[1].startswith(f"\u2503 {word}  ")
    assert said.index("What moves" if rising else "Latencies") < said.index("Load generator")
    assert said.count("perfgate soak --show d") == 1
