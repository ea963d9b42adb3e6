"""What a competition reads and writes: target files, references, the exact answers, its result, the history, pictures."""

from __future__ import annotations

import dataclasses
import json
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from compete_values import POLICY, SEARCH, measurement
from dataset_values import scenario

from perfgate.cli.compete import make_policy, parse_rounds, parse_size, parse_values
from perfgate.cli.compete_tracked import tracked_document
from perfgate.cli.main import build_parser, main
from perfgate.cli.plot_frontier import draw_frontiers
from perfgate.cli.plot_trend import draw_trends
from perfgate.compete.contender import make_contenders, read_entry
from perfgate.compete.document import compete_document
from perfgate.compete.facts import Facts, Reference
from perfgate.compete.model import Measurement
from perfgate.compete.outcome import Outcome, decide
from perfgate.compete.rates import RUNG_S, rate_search
from perfgate.compete.references import read_references
from perfgate.compete.result_json import result_json
from perfgate.compete.series import Past, series_of
from perfgate.compete.theta import Theta
from perfgate.compete.truth_check import truth_fault
from perfgate.dataset import build_dataset
from perfgate.errors import InputError
from perfgate.history.choice import Choice
from perfgate.history.competitions import CompetitionEntry, add_competition, read_past, read_tracked
from perfgate.history.database import opened, writing
from perfgate.history.location import Location, find_location
from perfgate.history.transfer import export_lines, import_lines
from perfgate.plan import Plan
from perfgate.report.markdown import render_markdown
from perfgate.scenario import parse_scenario
from perfgate.trend.standing import courses
from perfgate.units import NS_PER_S

ROOT = Path(__file__).parent.parent
EMBEDDED = ROOT / "targets" / "embedded.toml"
WEEK_NS = 7 * 86_400 * NS_PER_S
HOST = {"cpu": "x", "kernel": "6.1"}
REFERENCE = Reference("Other 2.0", "search p95", "3.5 ms", "https://example.org/figures", "2026-11-26", "1 M vectors")
SCENARIO = parse_scenario(
    {
        "name": "small", "duration": {"total_seconds": 10}, "arrival": {"pattern": "constant", "rate": 50},
        "operations": {"embedding_search_weight": 1}, "data": {"num_nodes": 1_000, "embedding_dim": 8},
    }
)  # fmt: skip


def facts() -> Facts:
    return Facts(
        "small", SCENARIO.source, SCENARIO.digest, 1, "0.1.0", "box", HOST, "perfgate compete small.toml", (REFERENCE,)
    )


def result(measured: Measurement, outcome: Outcome) -> dict[str, object]:
    series = [series_of(measured, one.theta, POLICY, SCENARIO.digest, HOST) for one in outcome.standings]
    return result_json(facts(), measured, POLICY, outcome, series)


def session(location: Location, week: int, lead: float, version: str = "1.0") -> Outcome:
    """Measure against what is stored, then store it."""
    measured = measurement([lead, 0.0], seed=week + 1, versions=("a" * 8, version))
    measured = dataclasses.replace(measured, started_wall_ns=1_780_000_000 * NS_PER_S + week * WEEK_NS)
    with opened(location) as engine:
        with engine.connect() as connection:
            stored = read_past(connection)

        def past(theta: Theta) -> list[Past]:
            series = series_of(measured, theta, POLICY, SCENARIO.digest, HOST)
            return [one for one in stored if one.series == series]

        outcome = decide(measured, POLICY, past)
        with writing(engine) as connection:
            entry = CompetitionEntry.of_result(result(measured, outcome), "/gone", "test")
            assert add_competition(connection, entry)
            assert not add_competition(connection, entry)
    return outcome


@pytest.fixture
def location(tmp_path: Path) -> Location:
    found = find_location(str(tmp_path / "history.db"))
    assert found is not None
    return found


def test_week_after_week_a_loss_blocks_until_it_is_mended_and_a_new_version_begins_anew(location: Location) -> None:
    words = [session(location, week, -0.5).verdict for week in range(6)]
    assert [verdict.exit_code for verdict in words] == [4, 4, 4, 4, 0, 0]
    lost = -0.5 + math.log(1.2)
    assert [session(location, week, lost).verdict.exit_code for week in (6, 7, 8)] == [2, 2, 2]
    assert session(location, 9, -0.5 + math.log(1.03)).verdict.exit_code == 0
    fresh = session(location, 10, -0.5, version="2.0").verdict
    assert (fresh.exit_code, fresh.reasons[0].code) == (4, "too_few_sessions")
    assert "theirs1 2.0" in fresh.reasons[0].text


def test_sessions_travel_as_json_lines_and_say_the_same_elsewhere(location: Location, tmp_path: Path) -> None:
    for week in range(3):
        session(location, week, -0.1)
    other = find_location(str(tmp_path / "other.db"))
    assert other is not None
    with opened(location) as here, opened(other) as there:
        lines = list(export_lines(here, Choice()))
        (tmp_path / "all.jsonl").write_text("".join(lines))
        with (tmp_path / "all.jsonl").open() as file:
            assert import_lines(there, file, "all").added == 3
        with (tmp_path / "all.jsonl").open() as file:
            assert import_lines(there, file, "all").present == 3
        with here.connect() as one, there.connect() as two:
            assert read_tracked(one) == read_tracked(two)


def test_weeks_of_lost_ground_alert_and_are_drawn(location: Location) -> None:
    for week in range(9):
        session(location, week, -0.5 + 0.03 * week)
    with opened(location) as engine, engine.connect() as connection:
        (course,) = courses(read_tracked(connection))
    assert course.outlook.alert
    assert (len(course.sessions), course.newest) == (9, True)
    assert course.outlook.slope is not None
    assert course.outlook.slope.estimate == pytest.approx(0.03 * 365.25 / 12 / 7, abs=0.05)
    assert course.outlook.mean[-1] == pytest.approx(np.mean([-0.5 + 0.03 * week for week in (5, 6, 7, 8)]), abs=0.02)
    text = render_markdown(tracked_document([course]))
    assert "LOSING" in text
    assert "theirs1" in text
    ElementTree.fromstring(draw_trends([course.outlook], "standing"))


def test_sessions_that_keep_their_ground_are_steady(location: Location) -> None:
    for week in range(6):
        session(location, week, -0.5)
    session(location, 7, -0.5, version="2.0")
    with opened(location) as engine, engine.connect() as connection:
        found = courses(read_tracked(connection))
    assert [(one.newest, len(one.sessions), one.outlook.alert) for one in found] == [
        (True, 1, False),
        (False, 6, False),
    ]
    assert "STEADY" in render_markdown(tracked_document(found))


def test_result_json_is_as_its_schema_says_and_holds_what_is_needed_to_do_it_again() -> None:
    schema = json.loads((ROOT / "docs" / "compete.schema.json").read_text())
    for measured in (measurement([0.1, 0.0, 0.2], rates=(1.0, 2.0, 3.0)), measurement([0.0, 0.0], rounds=2)):
        document = json.loads(json.dumps(result(measured, decide(measured, POLICY, lambda theta: [])), allow_nan=False))
        jsonschema.Draft202012Validator(schema).validate(document)
        assert document["facts"]["scenario"] == json.loads(SCENARIO.source)
        assert [one["version"] for one in document["stores"]] == ["1.0"] * len(measured.stores)


def test_the_report_names_stores_versions_rules_and_sets_published_figures_apart() -> None:
    measured = measurement([0.2, 0.0])
    outcome = decide(measured, POLICY, lambda theta: [])
    text = render_markdown(compete_document(facts(), measured, POLICY, outcome, None))
    for words in (
        "INCONCLUSIVE",
        "slower than theirs1",
        "no store runs while another is measured",
        "synced",
        "ef 16–32",
    ):
        assert words in text
    apart = text.partition("Published figures of others")[2]
    assert "https://example.org/figures" in apart
    assert "no part of any comparison or verdict" in apart


def test_published_figures_change_no_verdict() -> None:
    measured = measurement([0.2, 0.0])
    outcome = decide(measured, POLICY, lambda theta: [])
    with_them = compete_document(facts(), measured, POLICY, outcome, None)
    without = compete_document(dataclasses.replace(facts(), references=()), measured, POLICY, outcome, None)
    assert (with_them.word, with_them.headline) == (without.word, without.headline)


def test_the_frontier_is_drawn_with_a_line_a_store_and_a_point_a_value() -> None:
    measured = measurement([0.1, 0.0])
    outcome = decide(measured, POLICY, lambda theta: [])
    root = ElementTree.fromstring(draw_frontiers(measured, outcome.frontiers, POLICY, "frontiers"))
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert (tags.count("polyline"), tags.count("circle")) == (2, 6)


def test_targets_are_derived_one_a_value_only_where_it_is_loaded_with_the_value(tmp_path: Path) -> None:
    text = EMBEDDED.read_text().replace('name = "embedded"', 'name = "other"')
    other = tmp_path / "other.toml"
    other.write_text(text.replace("values = [10,", 'applies = "load"\nvalues = [10,'))
    ours, theirs = make_contenders([read_entry(str(EMBEDDED)), read_entry(str(other))], tmp_path / "made", False)
    assert [target.options["ef"] for target in ours.targets] == [10, 16, 32, 64, 128]
    assert (len(ours.files), len(theirs.files), theirs.anew) == (1, 5, True)
    assert {theirs.started_as(value) for value in range(5)} == {f"other.ef-{value}" for value in (10, 16, 32, 64, 128)}
    assert {ours.started_as(value) for value in range(5)} == {"embedded"}
    assert "usearch" in ours.store.version


def test_stores_are_loaded_over_as_many_connections_unless_each_is_to_have_its_own_way(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    text = EMBEDDED.read_text().replace('name = "embedded"', 'name = "other"')
    other.write_text(text.replace("copyable = true", "copyable = true\nload_connections = 2 #"))
    entries = [read_entry(str(EMBEDDED)), read_entry(str(other))]
    same = make_contenders(entries, tmp_path / "same", own_loading=False)
    assert [one.targets[0].host.load_connections for one in same if one.targets[0].host] == [2, 2]
    own = make_contenders(entries, tmp_path / "own", own_loading=True)
    assert [one.store.connections for one in own] == [8, 2]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('durability = "', '# durability = "', "about.durability is missing"),
        ("version_command = ", "# version_command = ", "about.version is missing"),
        ('version_command = ["{python}"', 'version_command = ["no-such-program"', "about.version_command"),
    ],
)
def test_a_store_that_hides_its_durability_or_its_version_does_not_take_part(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = tmp_path / "other.toml"
    path.write_text(EMBEDDED.read_text().replace(old, new).replace('name = "embedded"', 'name = "other"'))
    with pytest.raises(InputError, match=words):
        make_contenders([read_entry(str(EMBEDDED)), read_entry(str(path))], tmp_path / "made", False)


def test_one_store_alone_and_one_that_is_there_twice_are_refused(tmp_path: Path) -> None:
    entry = read_entry(str(EMBEDDED))
    for entries in ([entry], [entry, entry]):
        with pytest.raises(InputError, match="--targets"):
            make_contenders(entries, tmp_path, False)
    assert read_entry(f"{EMBEDDED}:slow_search").label == "embedded.slow_search"
    with pytest.raises(InputError, match=r"no \[variants.nope\]"):
        read_entry(f"{EMBEDDED}:nope")


def test_an_answer_that_is_not_the_nearest_is_found_out(tmp_path: Path) -> None:
    dataset = build_dataset(scenario(), 7, tmp_path, store_pool=300, num_queries=50)
    assert truth_fault(dataset, 500) == ""
    assert "501" in truth_fault(dataset, 501)
    wrong = np.array(dataset.truth)
    wrong[:, 9] = (wrong[:, 0] + 1) % 500
    assert "query 0" in truth_fault(dataclasses.replace(dataset, truth=wrong), 500)
    assert "queries" in truth_fault(dataclasses.replace(dataset, truth=dataset.truth[:20]), 500)


def test_references_name_their_source_or_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "published.toml"
    good = '[[reference]]\nstore = "a"\nwhat = "p95"\nvalue = "3 ms"\nsource = "https://x"\naccessed = "2026-11-26"\n'
    path.write_text(good)
    assert [(one.store, one.source) for one in read_references(path)] == [("a", "https://x")]
    for old in ('source = "https://x"\n', 'accessed = "2026-11-26"\n'):
        path.write_text(good.replace(old, ""))
        with pytest.raises(InputError, match=old.partition(" ")[0]):
            read_references(path)


def test_the_plan_of_a_throughput_search_has_every_rate_where_it_is_looked_for() -> None:
    search = rate_search(SCENARIO, 50.0, 0.05)
    plan = Plan(search.scenario)
    for rung in (search.ladder.bottom, 0, search.ladder.top):
        start = search.window_ns(rung, 3, 2 * NS_PER_S)
        assert start // (RUNG_S * NS_PER_S) == rung - search.ladder.bottom
        requests = len(plan.window(range(64), start, start + 2 * NS_PER_S))
        assert requests == pytest.approx(2 * search.ladder.rate(rung), abs=2)
    assert search.ladder.rate(search.ladder.top) > 10 * 50
    assert search.scenario.data == SCENARIO.data


def test_the_command_line_becomes_a_policy_and_what_is_wrong_is_named() -> None:
    words = ["compete", "x.toml", "--targets", "a.toml", "--rounds", "4-9", "--measured", "500ms", "--memory", "2g"]
    policy = make_policy(build_parser("compete").parse_args([*words, "--p99-limit", "10ms", "--recall", "0.9"]))
    assert (policy.min_rounds, policy.max_rounds, policy.measured_ns) == (4, 9, NS_PER_S // 2)
    assert (policy.memory_bytes, policy.p99_limit_ns, policy.recall) == (2 * 2**30, 10_000_000, 0.9)
    assert parse_rounds("7") == (7, 7)
    for wrong in ("x", "3-", "-3"):
        with pytest.raises(InputError, match="--rounds"):
            parse_rounds(wrong)
    with pytest.raises(InputError, match="--memory"):
        parse_size("lots")
    assert parse_values("10,20.5") == (10, 20.5)
    with pytest.raises(InputError, match="--values"):
        parse_values("ten")
    ours = read_entry(str(EMBEDDED), (8, 9))
    assert ours.search is not None
    assert ours.search.values == (8, 9)
    with pytest.raises(InputError, match=r"options\.ef"):
        read_entry(str(EMBEDDED), (-1,))


def test_without_targets_or_sessions_it_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["compete", "x.toml"]) == 3
    assert "SCENARIO and --targets are needed" in capsys.readouterr().err
    assert main(["compete", "--tracked", "--history", str(tmp_path / "none.db")]) == 3
    assert "there are no sessions to read" in capsys.readouterr().err


def test_recalls_of_rounds_are_kept_in_the_result() -> None:
    measured = measurement([0.0, 0.0])
    document = result(measured, decide(measured, POLICY, lambda theta: []))
    turns = document["turns"]
    assert isinstance(turns, list)
    assert turns[0]["readings"][0]["operations"][SEARCH.value]["expected"] == 1_000


def test_a_competition_s_directory_is_shown_again_and_ends_as_it_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = measurement([0.2, 0.0])
    outcome = decide(measured, POLICY, lambda theta: [])
    (tmp_path / "report.md").write_text("## the report\n")
    (tmp_path / "result.json").write_text(json.dumps(result(measured, outcome)))
    assert main(["report", str(tmp_path)]) == 0
    assert "the report" in capsys.readouterr().out
    assert main(["report", str(tmp_path), "--format", "json", "--exit-code"]) == 4
    assert json.loads(capsys.readouterr().out)["kind"] == "competition"
    assert main(["report", str(tmp_path), "--format", "junit"]) == 3
