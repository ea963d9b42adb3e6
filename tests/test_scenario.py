"""Scenario files: what is accepted, and the one message for what is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.errors import InputError
from perfgate.operation import Operation
from perfgate.scenario import load_scenario, parse_scenario, scenario_from_json
from perfgate.scenario.load import MAX_BYTES
from perfgate.scenario.locate import find_line

SEED = Path(__file__).parent.parent / "scenarios" / "ci" / "fast_regression_check.toml"
GOOD = """\
name = "Good"

[duration]
total_seconds = 60

[arrival]
pattern = "constant"
rate = 100.0

[operations]
store_weight = 40.0
recall_weight = 60

[data]
num_nodes = 1_000
embedding_dim = 16
"""


def edited(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_scenario(text, origin="x.toml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_embedding(table: str) -> str:
    return edited("embedding_dim = 16", f"embedding_dim = 16\nembedding_distribution = {table}")


def test_the_reference_scenario_is_read_as_it_stands() -> None:
    scenario = load_scenario(SEED)
    assert scenario.name == "CI Fast Regression Check"
    assert scenario.duration_ns == 300_000_000_000
    assert scenario.arrival.pattern == "constant"
    assert scenario.arrival.parameters == {"rate": 1000.0}
    assert scenario.weights == {Operation.STORE: 0.35, Operation.RECALL: 0.35, Operation.EMBEDDING_SEARCH: 0.3}
    assert (scenario.data.num_nodes, scenario.data.embedding_dim, scenario.data.memory_spaces) == (10_000, 768, 1)
    assert scenario.validation.expected_p99_latency_ms == 10.0
    assert scenario.validation.expected_throughput_ops_sec == 800.0
    assert scenario.validation.max_error_rate == 0.01


def test_what_is_left_out_has_its_documented_default() -> None:
    scenario = parse_scenario(GOOD)
    assert scenario.description == ""
    assert scenario.seed == 1
    assert (scenario.connection.connections, scenario.connection.timeout_ns) == (64, 10_000_000_000)
    assert scenario.data.embedding.kind == "uniform"
    assert scenario.validation.max_error_rate is None
    assert scenario.gate == {}


def test_weights_on_any_scale_become_shares() -> None:
    assert parse_scenario(GOOD).weights == {Operation.STORE: 0.4, Operation.RECALL: 0.6}


def test_an_operation_of_weight_zero_is_no_operation_of_the_scenario() -> None:
    text = edited("recall_weight = 60", "recall_weight = 60\npattern_completion_weight = 0.0")
    assert Operation.PATTERN_COMPLETION not in parse_scenario(text).weights


@pytest.mark.parametrize(
    ("written", "kind", "clusters"),
    [
        ('"uniform"', "uniform", 100),
        ('{ type = "clustered", num_clusters = 7, std_dev = 0.2 }', "clustered", 7),
        ('{ kind = "clustered", num_clusters = 7 }', "clustered", 7),
        ('{ type = "hot_spot", share = 0.3 }', "hot_spot", 100),
        ('"clustered"', "clustered", 100),
    ],
)
def test_the_embedding_distribution_has_several_spellings(written: str, kind: str, clusters: int) -> None:
    embedding = parse_scenario(with_embedding(written)).data.embedding
    assert (embedding.kind, embedding.num_clusters) == (kind, clusters)


def test_a_sub_table_is_the_same_as_an_inline_table() -> None:
    inline = parse_scenario(with_embedding('{ type = "clustered", num_clusters = 3, std_dev = 0.1 }'))
    table = parse_scenario(
        GOOD + '[data.embedding_distribution]\ntype = "clustered"\nnum_clusters = 3\nstd_dev = 0.1\n'
    )
    assert inline == table


def test_lambda_is_another_name_for_the_rate_of_a_poisson_process() -> None:
    text = edited('pattern = "constant"\nrate', 'pattern = "poisson"\nlambda')
    assert parse_scenario(text).arrival.parameters == {"rate": 100.0}


def test_the_largest_scenarios_in_use_are_read() -> None:
    text = """
        name = "Large"
        [duration]
        total_seconds = 3600
        [arrival]
        pattern = "periodic_burst"
        base_rate = 2000.0
        burst_rate = 15000.0
        burst_duration_sec = 30
        burst_period_sec = 300
        [operations]
        store_weight = 40.0
        recall_weight = 50.0
        embedding_search_weight = 10.0
        pattern_completion_weight = 0.0
        [data]
        num_nodes = 10_000_000
        embedding_dim = 768
        memory_spaces = 16
        [data.embedding_distribution]
        type = "clustered"
        num_clusters = 10
        std_dev = 0.1
        [chaos]
        enabled = false
    """
    scenario = parse_scenario(text)
    assert scenario.data.memory_spaces == 16
    assert scenario.arrival.parameters["burst_rate"] == 15_000


def test_gate_values_keep_their_names_and_lists_become_tuples() -> None:
    gate = '[gate]\npolicy = "quick"\nmargin = 0.1\nlooks = [6, 8]\nfloor_ms = 0.5\ninconclusive = "block"\n'
    assert parse_scenario(GOOD + gate).gate == {
        "policy": "quick",
        "margin": 0.1,
        "looks": (6, 8),
        "floor_ms": 0.5,
        "inconclusive": "block",
    }


def test_a_scenario_survives_the_wire() -> None:
    text = (
        with_embedding('{ type = "hot_spot", share = 0.3 }') + "[gate]\nlooks = [6, 8]\n[connection]\nconnections = 8\n"
    )
    scenario = parse_scenario(text)
    again = scenario_from_json(scenario.source)
    assert again == scenario
    assert again.digest == scenario.digest


def test_the_digest_is_of_the_content_and_not_of_its_layout() -> None:
    relaid = "# a comment\n" + edited("rate = 100.0", "rate   =   100  # per second")
    assert parse_scenario(relaid).digest == parse_scenario(GOOD).digest
    assert parse_scenario(edited("rate = 100.0", "rate = 101")).digest != parse_scenario(GOOD).digest


def test_a_vector_file_is_found_beside_the_scenario_and_named_absolutely(tmp_path: Path) -> None:
    (tmp_path / "real.npy").write_bytes(b"")
    (tmp_path / "scenario.toml").write_text(with_embedding('{ type = "file", path = "real.npy" }'))
    scenario = load_scenario(tmp_path / "scenario.toml")
    assert scenario.data.embedding.path == str(tmp_path / "real.npy")
    (tmp_path / "real.npy").unlink()
    assert scenario_from_json(scenario.source) == scenario


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (edited("rate =", "rat ="), "x.toml:8: arrival.rat is an unknown key: did you mean rate?"),
        (edited("[arrival]", "[arival]"), "x.toml:6: arival is an unknown key: did you mean arrival?"),
        (
            edited("100.0", "-5"),
            "x.toml:8: arrival.rate = -5 must be greater than 0: write for example rate = 1000.0",
        ),
        (
            edited("100.0", '"fast"'),
            'x.toml:8: arrival.rate = "fast" must be a number: write for example rate = 1000.0',
        ),
        (
            edited("100.0", "true"),
            "x.toml:8: arrival.rate = true must be a number: write for example rate = 1000.0",
        ),
        (
            edited("100.0", "inf"),
            "x.toml:8: arrival.rate = inf must be a finite number: write for example rate = 1000.0",
        ),
        (
            edited("100.0", "nan"),
            "x.toml:8: arrival.rate = nan must be a finite number: write for example rate = 1000.0",
        ),
        (
            edited("1_000", "1000.5"),
            "x.toml:15: data.num_nodes = 1000.5 must be a whole number: write for example num_nodes = 10000",
        ),
        (
            edited("1_000", "true"),
            "x.toml:15: data.num_nodes = true must be a whole number: write for example num_nodes = 10000",
        ),
        (edited("rate = 100.0\n", ""), "x.toml:6: arrival.rate is missing: add for example rate = 1000.0"),
        (
            edited('"constant"', '"constnt"'),
            'x.toml:7: arrival.pattern = "constnt" is unknown: did you mean constant?',
        ),
        (
            edited("[duration]\ntotal_seconds = 60\n", ""),
            "x.toml: duration is missing: add a table, for example [duration] with total_seconds = 300",
        ),
        (
            edited("store_weight = 40.0\nrecall_weight = 60", "store_weight = 0"),
            "x.toml:10: operations: all weights are zero, so nothing would be sent: write e.g. recall_weight = 1.0",
        ),
        (
            edited("recall_weight = 60", "recall_weight = -1"),
            "x.toml:12: operations.recall_weight = -1 must be at least 0: write for example recall_weight = 0.35",
        ),
        (
            GOOD + "[chaos]\nenabled = true\n",
            "x.toml:18: chaos.enabled = true must be false, because chaos does not exist yet",
        ),
        (
            GOOD + "[gate]\nlooks = [6, 4]\n",
            "x.toml:18: gate.looks = [6, 4] must be numbers of pairs in ascending order",
        ),
        (
            GOOD + '[gate]\npolicy = "strict"\n',
            "x.toml:18: gate.policy = \"strict\" must be 'standard' or 'quick': "
            'write for example policy = "standard"',
        ),
        (
            edited("1_000", "1_000\nmemory_spaces = 2_000"),
            "x.toml:16: data.memory_spaces = 2000 must be at most num_nodes (1000)",
        ),
        (
            with_embedding('"gauss"'),
            'x.toml:17: data.embedding_distribution.type = "gauss" is unknown: '
            "known are uniform, clustered, hot_spot, file",
        ),
        (
            with_embedding('{ kind = "clustered", clusters = 3 }'),
            "x.toml:17: data.embedding_distribution.clusters is an unknown key: did you mean num_clusters?",
        ),
        (
            with_embedding('{ type = "file", path = "vectors.csv" }'),
            'x.toml:17: data.embedding_distribution.path = "vectors.csv" must be the path of a .npy or .fvecs file: '
            'write for example path = "vectors.npy"',
        ),
        (
            edited('"Good"', '"  "'),
            'x.toml:1: name = "  " must be more than blanks: write for example name = "My scenario"',
        ),
    ],
)
def test_a_mistake_is_named_with_line_field_value_and_remedy(text: str, message: str) -> None:
    assert refusal(text) == message


def test_several_mistakes_are_one_message_with_a_count() -> None:
    text = edited("100.0", "-5").replace("total_seconds = 60", "total_seconds = 0").replace("1_000", "3")
    assert refusal(text).startswith("x.toml:4: duration.total_seconds = 0 must be greater than 0")
    assert refusal(text).endswith("(and 2 more)")


def test_a_burst_longer_than_its_period_is_refused() -> None:
    text = edited(
        'pattern = "constant"\nrate = 100.0',
        'pattern = "periodic_burst"\nbase_rate = 1\nburst_rate = 2\nburst_duration_sec = 30\nburst_period_sec = 20',
    )
    assert refusal(text) == "x.toml:10: arrival.burst_duration_sec = 30 must be at most burst_period_sec (20)"


def test_a_vector_file_that_does_not_exist_is_named() -> None:
    message = refusal(with_embedding('{ type = "file", path = "nowhere/v.npy" }'))
    assert message.startswith('x.toml:17: data.embedding_distribution.path = "nowhere/v.npy": no such file (')


def test_broken_toml_is_refused_with_its_line() -> None:
    assert refusal(edited('"constant"', '"constant')).startswith("x.toml:7: not valid TOML: ")


@pytest.mark.parametrize("text", ["a = " + "9" * 5_000, "a = " + "[" * 5_000])
def test_toml_that_breaks_the_parser_is_refused(text: str) -> None:
    assert "not valid TOML" in refusal(text)


def test_tables_that_are_no_toml_give_messages_without_lines() -> None:
    document: dict[str, Any] = {"name": "x", "duration": {"total_seconds": "long"}}
    with pytest.raises(InputError, match=r'^scenario: duration\.total_seconds = "long" must be a number.*more\)$'):
        parse_scenario(document)


@pytest.mark.parametrize("source", ["[]", "{", '"text"', "null", "3", '{"name": 3}'])
def test_json_that_is_no_scenario_is_refused(source: str) -> None:
    with pytest.raises(InputError, match="scenario: "):
        scenario_from_json(source)


def test_a_target_file_in_a_scenarios_place_is_called_one() -> None:
    with pytest.raises(InputError, match=r"embedded\.toml: is a target file, where a scenario is asked for"):
        load_scenario(SEED.parents[2] / "targets/embedded.toml")


def test_a_missing_file_is_not_taken_for_any_other_that_lies_there(tmp_path: Path) -> None:
    (tmp_path / "typo.toml").touch()
    with pytest.raises(InputError, match=r"nosuch\.toml: no such file: check the path"):
        load_scenario(tmp_path / "nosuch.toml")


def test_a_missing_file_is_refused_with_the_most_similar_name() -> None:
    with pytest.raises(InputError, match=r"no such file: did you mean .*fast_regression_check\.toml\?"):
        load_scenario(SEED.with_name("fast_regresion_check.toml"))


def test_a_directory_is_refused() -> None:
    with pytest.raises(InputError, match="is a directory: name a"):
        load_scenario(SEED.parent)


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes('name = "x"\ndescription = "für"\n'.encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.toml:2: not UTF-8 \(byte 0xfc\)"):
        load_scenario(file)


def test_a_file_far_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "large.toml"
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(InputError, match="larger than 1,000,000 bytes"):
        load_scenario(file)


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=3)
)
trees = st.recursive(values, lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=5)
paths = st.sampled_from(
    ["name", "seed", "duration", "arrival", "arrival.pattern", "arrival.rate", "operations.store_weight", "data",
     "data.num_nodes", "data.embedding_distribution", "data.embedding_distribution.type", "validation", "gate",
     "gate.looks", "connection.connections", "chaos.enabled", "chaos", "new"]
)  # fmt: skip


@given(paths, trees)
def test_whatever_stands_in_a_field_the_answer_is_a_scenario_or_one_line(path: str, value: Any) -> None:
    import tomli

    document: dict[str, Any] = tomli.loads(GOOD)
    *tables, key = path.split(".")
    here = document
    for table in tables:
        here = here.setdefault(table, {})
    here[key] = value
    try:
        scenario = parse_scenario(document)
    except InputError as error:
        message = str(error)
    else:
        message = "scenario: "
        assert scenario_from_json(scenario.source) == scenario
    assert message.startswith("scenario: ")
    assert len(message) < 600


def test_a_line_is_found_by_its_path_and_not_by_its_key_alone() -> None:
    text = '[a]\nx = 1\n[b]\nx = 2\n"y z".w = 3\ninline = { deep = 4 }\n[b.c]\nx = 5\n[[d]]\nx = 6'
    expected = {
        ("a", "x"): 2,
        ("b", "x"): 4,
        ("b", "y z", "w"): 5,
        ("b", "inline", "deep"): 6,
        ("b", "c", "x"): 8,
        ("b", "missing"): 3,
        ("nowhere",): None,
    }
    assert {path: find_line(text, path) for path in expected} == expected


def test_the_model_is_imported_without_pydantic() -> None:
    code = "import sys, perfgate.plan, perfgate.scenario.model; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_source_is_canonical_json() -> None:
    source = parse_scenario(GOOD).source
    assert json.dumps(json.loads(source), sort_keys=True, separators=(",", ":")) == source
