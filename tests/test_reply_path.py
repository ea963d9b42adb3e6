"""The path language: what a path finds, and what is no path."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.targets.reply_path import compile_path

REPLY = {
    "hits": [{"doc": {"my id": "a"}, "s": 0.5}, {"doc": {"my id": "b"}, "s": 0.25}],
    "ids": [["x", "y"]],
    "none": None,
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ('hits[*].doc["my id"]', ["a", "b"]), ("hits[*].s", [0.5, 0.25]), ("$.hits[-1].s", [0.25]), ("ids[0][*]", ["x", "y"]),
        ("ids[*][*]", ["x", "y"]), ("ids[7][*]", []), ("absent.deeper[*].id", []), ("none[*].id", []), ("$", [REPLY]),
    ],
)  # fmt: skip
def test_a_path_finds_what_stands_there_in_order(path: str, found: list[Any]) -> None:
    assert compile_path(path).find(REPLY) == found


@pytest.mark.parametrize("path", ["hits.s", "ids[*].id", "hits[*].nothing", "hits[*].s[0]", "ids[0].x", "$[*]"])
def test_a_reply_of_another_form_is_an_error_that_names_the_path(path: str) -> None:
    with pytest.raises(ValueError, match=r"^" + path[:3].replace("$", r"\$").replace("[", r"\[")):
        compile_path(path).find(REPLY)


@pytest.mark.parametrize(("path", "found"), [
    ("[*].result.errors", ["full"]), ("[*].id", [1, 3]), ("errors", []), ("[1].result.errors[*]", []), ("[*].id.deep", []),
])  # fmt: skip
def test_a_lenient_path_passes_over_what_has_another_form(path: str, found: list[Any]) -> None:
    """As the reply to a bulk load, of which some items went wrong."""
    reply = [{"id": 1}, {"result": {"errors": "full"}}, None, [], {"id": 3, "result": {}}]
    assert compile_path(path).find(reply, lenient=True) == found
    assert compile_path("hits[*].id").find({"hits": [{}, {"id": 2}]}, lenient=True) == [2]


@pytest.mark.parametrize("path", ["", ".", ".a", "a.", "a..b", "a[", "a[x]", "a[*", "a b", 'a["x]', "a[1.5]", "$a"])
def test_what_is_no_path_is_refused_with_an_example(path: str) -> None:
    with pytest.raises(ValueError, match="a path like result"):
        compile_path(path)


KEYS = st.text(max_size=4)


@given(st.lists(KEYS | st.integers(-3, 3), min_size=1, max_size=5), st.integers())
def test_a_path_of_keys_and_places_finds_just_what_indexing_finds(steps: list[str | int], value: int) -> None:
    text = "".join(f"[{json.dumps(step)}]" for step in steps)
    reply: Any = value
    for step in reversed(steps):
        reply = {step: reply} if isinstance(step, str) else [reply]
    here = reply
    for step in steps:
        if isinstance(step, int) and step not in (0, -1):
            assert compile_path(text).find(reply) == []
            return
        here = here[step]
    assert compile_path(text).find(reply) == [here] == [value]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner),
    max_leaves=10,
)


@given(JSON, st.sampled_from(["a", "a[*].b", "[0][*]", "a.b.a", "a[*][*].b"]))
def test_any_reply_gives_a_list_or_a_ValueError(reply: Any, path: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(compile_path(path).find(reply), list)
