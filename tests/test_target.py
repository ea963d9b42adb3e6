"""Target files: what is accepted, and the one message for what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perfgate.errors import InputError
from perfgate.operation import Operation
from perfgate.targets.load import FORMS, load_target, target_from_json
from perfgate.targets.model import Target
from perfgate.targets.registry import ADAPTERS

EMBEDDED = Path(__file__).parent.parent / "targets" / "embedded.toml"
GOOD = """\
name = "mine"
adapter = "engram"

[options]
threshold = 0.25

[host]
command = ["serve", "--port", "{port}"]

[variants.new]
arguments = ["--data", "{data_dir}"]
"""


def load(tmp_path: Path, text: str) -> Target:
    path = tmp_path / "x.toml"
    path.write_text(text)
    return load_target(path)


def edited(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_what_is_left_out_has_its_documented_default(tmp_path: Path) -> None:
    target = load(tmp_path, GOOD)
    assert target.options == {"confidence": 0.95, "threshold": 0.25, "max_results": 10, "space": "default", "ef": 0}
    assert target.operations == {Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH}
    assert target.variants == {"new": ("--data", "{data_dir}")}
    assert target.host is not None
    assert (target.host.start_timeout_ns, target.host.stop_grace_ns) == (60_000_000_000, 5_000_000_000)
    assert (target.host.stop_signal, target.host.copyable, target.host.load_connections) == ("TERM", True, 8)


def test_a_target_without_a_host_can_be_loaded_but_not_started(tmp_path: Path) -> None:
    assert load(tmp_path, 'name = "mine"\nadapter = "engram"\n').host is None


@pytest.mark.parametrize("variant", ["default", "slow_search", "failing", "forgetful", "stalling", "weak"])
def test_the_embedded_target_has_the_variants_that_the_guides_name(variant: str) -> None:
    assert variant in load_target(EMBEDDED).variants


def test_a_target_survives_the_wire() -> None:
    target = load_target(EMBEDDED)
    assert target_from_json(target.source) == target


def test_the_source_does_not_depend_on_how_the_file_is_laid_out(tmp_path: Path) -> None:
    other = 'adapter = "engram"\nname = "mine"\noptions = {threshold = 0.25} # as before\n' + GOOD.split("0.25\n")[1]
    assert load(tmp_path, other).source == load(tmp_path, GOOD).source


def test_a_file_can_narrow_the_operations(tmp_path: Path) -> None:
    target = load(tmp_path, edited('"engram"', '"engram"\noperations = ["recall"]'))
    assert target.operations == {Operation.RECALL}


def test_every_adapter_has_a_form_and_every_form_an_adapter() -> None:
    assert set(FORMS) == set(ADAPTERS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[arrival]\nrate = 1.0\n", "x.toml: is a scenario, where a target file is asked for"),
        ('adapter = "engram"\n', 'x.toml: name is missing: add for example name = "mystore"'),
        ('name = "mine"\n', 'x.toml: adapter is missing: add for example adapter = "engram"'),
        (edited('"engram"', '"engrma"'), 'x.toml:2: adapter = "engrma" does not exist: did you mean engram?'),
        (edited('"mine"', '"../up"'), "x.toml:1: name = \"../up\" must be 1 to 100 letters, digits, '.', '-' and '_'"),
        (edited("threshold", "treshold"), "x.toml:5: options.treshold is an unknown key: did you mean threshold?"),
        (edited("0.25", "2"), "x.toml:5: options.threshold = 2 must be at most 1"),
        (edited("0.25", "nan"), "x.toml:5: options.threshold = nan must be a finite number"),
        (edited("threshold = 0.25", 'max_results = "ten"'), 'max_results = "ten" must be a whole number'),
        (edited("threshold = 0.25", r'space = "a\r\nX: y"'), "must be 1 to 60 letters, digits, '-' and '_'"),
        (edited("[variants.new]", "[variant.new]"), "variant is an unknown key: did you mean variants?"),
        (edited("arguments", "argument"), "variants.new.argument is an unknown key: did you mean arguments?"),
        (edited("{data_dir}", "{datadir}"), "no placeholder but {python}, {host}, {port}, {data_dir}, {embedding_dim}"),
        (edited("{port}", "{port"), 'x.toml:8: host.command.2 = "{port" must be text with no placeholder but {python}'),
        (edited('["serve", "--port", "{port}"]', '"serve --port 1"'), "host.command = \"serve --port 1\" must be a list"),
        (edited('["serve", "--port", "{port}"]', "[]"), "host.command = [] must be a list of at least 1"),
        (edited("[host]", "[host]\nstart_timeout_seconds = -1"), "host.start_timeout_seconds = -1 must be greater than 0"),
        (edited("[host]", '[host]\nstop_signal = "TERMN"'), "host.stop_signal"),
        (
            edited('["serve", "--port", "{port}"]', '["serve", "{socket}"]\ntls = true'),
            "host.tls = true, but the command names {socket}",
        ),
        (edited('"engram"', '"engram"\noperations = []'), "operations = [] must be a list of at least 1"),
        (
            edited('"engram"', '"engram"\noperations = ["recall", "pattern_completion"]'),
            "x.toml:3: operations names pattern_completion, which adapter engram does not have",
        ),
        ('name = "x"\nadapter = "http_get"\noptions.path = "a"\n', 'x.toml:3: options.path = "a" must be a path that begins'),
        ('name = "x"\nadapter = "http_get"\noptions.path = "/a b"\n', "in printable ASCII without blanks"),
        ('name = "x"\nadapter = "http_get"\noptions.path = "/a\\r\\nX: y"\n', "in printable ASCII without blanks"),
        ('name = "x"\nadapter = "http_get"\noperations = ["store"]\n', "store, which adapter http_get does not have"),
        ("name =", "x.toml"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_place_value_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml"):
        load_target(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("source", ["", "{", "[]", "null", json.dumps({"name": "x", "adapter": ["engram"]})])
def test_what_is_no_target_is_refused_over_the_wire(source: str) -> None:
    with pytest.raises(InputError):
        target_from_json(source)
