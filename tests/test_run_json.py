from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interval_values import COUNT, INTERVALS, NS

from perfgate.errors import InputError
from perfgate.run import SCHEMA_VERSION, RunRecord, Second
from perfgate.run_json import record_from_json, record_to_json
from perfgate.segment import Arm

ARMS = st.sampled_from(Arm)
LATENCIES = st.dictionaries(st.sampled_from(["store", "recall"]), st.floats(0, 1e12), max_size=2)
JSON_READY = st.dictionaries(
    st.text(max_size=4),
    st.none() | st.booleans() | st.integers() | st.floats(-1, 1) | st.lists(st.text(max_size=3)),
    max_size=3,
)
LIMITS = st.fixed_dictionaries({"name": st.text(max_size=4), "limit": st.floats(-1, 1)})
SECONDS = st.builds(Second, NS, ARMS, COUNT, COUNT, LATENCIES, LATENCIES)
RECORDS = st.builds(
    RunRecord,
    kind=st.sampled_from(["run", "gate"]),
    name=st.text(max_size=5),
    started_wall_ns=NS,
    duration_ns=NS,
    scenario=st.just('{"name":"a"}'),
    scenario_digest=st.just("0123456789abcdef"),
    target=st.just("embedded"),
    builds=st.dictionaries(ARMS, st.text(max_size=5)),
    seed=NS,
    complete=st.booleans(),
    arms=st.dictionaries(ARMS, INTERVALS, max_size=1),
    measured_ns=st.dictionaries(ARMS, NS),
    timeline=st.lists(SECONDS, max_size=2).map(tuple),
    pairs=st.lists(JSON_READY, max_size=2).map(tuple),
    phases=st.lists(st.tuples(st.text(max_size=5), NS), max_size=2).map(tuple),
    environment=JSON_READY,
    limits=st.lists(LIMITS, max_size=2).map(tuple),
    warnings=st.lists(st.text(max_size=5), max_size=2).map(tuple),
)


def example(**fields: Any) -> dict[str, Any]:
    record = RunRecord("run", "a", 1, 2, "{}", "0", "t", {}, 1, True, {}, {}, (), (), (), {})
    return {**record_to_json(record), **fields}


@given(RECORDS)
def test_a_record_survives_json_exactly(record: RunRecord) -> None:
    assert record_from_json(json.loads(json.dumps(record_to_json(record), allow_nan=False))) == record


def test_every_field_of_a_record_is_in_its_json() -> None:
    assert set(example()) == {*RunRecord.__dataclass_fields__, "schema_version"}


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 0, None, "1"])
def test_another_schema_version_is_refused_with_both_and_the_remedy(version: object) -> None:
    with pytest.raises(
        InputError, match=rf"schema_version {version} .* reads {SCHEMA_VERSION}\); use the perfgate that"
    ):
        record_from_json(example(schema_version=version))


@pytest.mark.parametrize("data", [{}, [], None, {"verdict": "PASS"}])
def test_what_has_no_schema_version_is_no_record(data: Any) -> None:
    with pytest.raises(InputError, match="not a record of perfgate"):
        record_from_json(data)


@pytest.mark.parametrize(
    "fields", [{"arms": []}, {"arms": {"third": {}}}, {"timeline": [{}]}, {"phases": [1]}, {"builds": 3}]
)
def test_a_damaged_record_is_refused_with_the_remedy(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"not a record of perfgate .*restore it, or run again"):
        record_from_json(example(**fields))


def test_a_record_without_a_field_is_refused_by_its_name() -> None:
    data = example()
    del data["measured_ns"]
    with pytest.raises(InputError, match="measured_ns"):
        record_from_json(data)
