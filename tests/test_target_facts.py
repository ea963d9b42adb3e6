"""What a target file says of a store beside how it is spoken to."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfgate.errors import InputError
from perfgate.targets.facts import about_of, search_of, with_option
from perfgate.targets.load import load_target, target_from_json

EMBEDDED = Path("targets/embedded.toml")


def test_the_option_that_trades_recall_for_time_is_read_with_its_values() -> None:
    spec = search_of(load_target(EMBEDDED))
    assert spec is not None
    assert (spec.parameter, spec.applies) == ("ef", "request")
    assert spec.values == tuple(sorted(spec.values))


def test_a_target_with_another_value_differs_in_that_option_alone_and_travels_as_json() -> None:
    target = load_target(EMBEDDED)
    changed = with_option(target, "ef", 32)
    assert {**changed.options, "ef": 0} == target.options
    assert target_from_json(changed.source).options["ef"] == 32
    assert (changed.host, changed.variants) == (target.host, target.variants)


def test_a_parameter_that_is_no_option_and_a_value_that_cannot_be_are_refused_by_name(tmp_path: Path) -> None:
    text = EMBEDDED.read_text()
    for wrong, words in (("effort", "search.parameter = 'effort' is none of its options"), ("ef", "options.ef")):
        path = tmp_path / "store.toml"
        path.write_text(text.replace('parameter = "ef"', f'parameter = "{wrong}"').replace("[10, 16,", "[-1, 16,"))
        with pytest.raises(InputError, match=words):
            search_of(load_target(path))


def test_a_file_without_the_tables_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.toml"
    path.write_text('name = "x"\nadapter = "http_get"\n')
    target = load_target(path)
    assert search_of(target) is None
    assert (about_of(target).version, about_of(target).durability) == ("", "")
