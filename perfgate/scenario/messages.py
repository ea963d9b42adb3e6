"""Turns what pydantic found into the one message a user reads: file, line, field, value, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from perfgate.scenario.locate import Path, find_line

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

_WISHES = {
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "form": "{wish}",
    "list_type": "a list",
    "table_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "finite_number": "a finite number",
    "greater_than": "greater than {gt:,}",
    "greater_than_equal": "at least {ge:,}",
    "less_than": "less than {lt:,}",
    "less_than_equal": "at most {le:,}",
    "literal_error": "{expected}",
    "union_tag_invalid": "{expected_tags}",
    "string_too_short": "at least {min_length} characters long",
    "string_too_long": "at most {max_length} characters long",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "field_value": "{wish}",
}


def explain(
    errors: Sequence[ErrorDetails], model: type[BaseModel], document: Mapping[str, Any], origin: str, text: str = ""
) -> str:
    """The first error in full, the others as a number: `file.toml:7: arrival.rate = -5 must be greater than 0: …`."""
    examples: dict[Path, Any] = {}
    for field, example in _examples(model):
        examples.setdefault(field, example)
    path, message = _describe(errors[0], document, examples)
    line = find_line(text, path)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{origin}{f':{line}' if line else ''}: {message}{more}"


def suggest(word: str, known: Sequence[str]) -> str:
    """What to write instead of `word`: the most similar known word, or all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"


def show(value: Any) -> str:
    """A value as TOML writes it, shortened to what fits a line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + _shorten(value.replace("\n", "\\n")) + '"'
    if isinstance(value, dict):
        return _shorten("{" + ", ".join(f"{key} = {show(item)}" for key, item in value.items()) + "}")
    if isinstance(value, list):
        return _shorten("[" + ", ".join(show(item) for item in value) + "]")
    return _shorten(str(value))


def _describe(error: ErrorDetails, document: Mapping[str, Any], examples: Mapping[Path, Any]) -> tuple[Path, str]:
    kind, context = error["type"], {key: _whole(item) for key, item in error.get("ctx", {}).items()}
    path = _path(error["loc"], document)
    if kind in ("unknown_key", "field_value"):
        path = (*path, str(context["key"]))
    if kind == "unknown_key":
        return path, f"{'.'.join(path)} is an unknown key: {suggest(path[-1], context['known'])}"
    if kind == "all_zero":
        where = ".".join(path)
        return path, f"{where}: all weights are zero, so nothing would be sent: write e.g. recall_weight = 1.0"
    if kind == "no_operations":
        return path, "operations is missing: add a table, for example [operations] with recall_weight = 1.0"
    if kind == "missing":
        return path, f"{'.'.join(path)} is missing: {_remedy(path, examples, 'add')}"
    if kind == "union_tag_not_found":
        path = (*path, str(context["discriminator"]).strip("'"))
        return path, f"{'.'.join(path)} is missing: {_remedy(path, examples, 'add')}"
    if kind == "union_tag_invalid":
        return _unknown_tag(path, context)
    if not path:
        return path, "the whole must be a table: write keys and [tables]"
    wish = _WISHES[kind].format_map(context) if kind in _WISHES else error["msg"]
    value = _value(document, path)
    if kind == "field_value" and value is None:
        return path, f"{'.'.join(path)} is missing: it must be {wish}"
    given = show(value)
    remedy = "" if kind == "field_value" else f": {_remedy(path, examples, 'write')}"
    return path, f"{'.'.join(path)} = {given} must be {wish}{remedy}"


def _unknown_tag(path: Path, context: Mapping[str, Any]) -> tuple[Path, str]:
    path = (*path, str(context["discriminator"]).strip("'"))
    known = [word.strip(" '") for word in str(context["expected_tags"]).split(",")]
    tag = str(context["tag"])
    return path, f"{'.'.join(path)} = {show(tag)} is unknown: {suggest(tag, known)}"


def _remedy(path: Path, examples: Mapping[Path, Any], verb: str) -> str:
    names = tuple(part for part in path if not part.isdigit())
    if names in examples:
        return f"{verb} for example {names[-1]} = {show(examples[names])}"
    inside = next(((key, value) for key, value in examples.items() if key[: len(names)] == names), None)
    if inside is None:
        return f"{verb} another value"
    return f"{verb} a table, for example [{'.'.join(inside[0][:-1])}] with {inside[0][-1]} = {show(inside[1])}"


def _path(location: Sequence[int | str], document: Mapping[str, Any]) -> Path:
    """pydantic's location without the tags of its unions, which the file does not have."""
    path: list[str] = []
    here: Any = document
    for position, step in enumerate(location):
        last = position == len(location) - 1
        if isinstance(here, dict) and step not in here and not (last and step not in here.values()):
            continue
        path.append(str(step))
        here = _step(here, step)
    return tuple(path)


def _step(here: Any, step: int | str) -> Any:
    if isinstance(here, dict):
        return here.get(step)
    return here[step] if isinstance(here, list) and isinstance(step, int) and step < len(here) else here


def _value(document: Mapping[str, Any], path: Path) -> Any:
    here: Any = document
    for step in path:
        here = _step(here, int(step) if isinstance(here, list) else step)
    return here


def _examples(model: type[BaseModel], prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """(path, example) of every field of a model and of the models inside it."""
    for name, field in model.model_fields.items():
        path = (*prefix, name)
        if field.examples:
            yield path, field.examples[0]
        for inner in _models(field.annotation):
            yield from _examples(inner, path)
        choices = [str(word) for word in get_args(field.annotation) if isinstance(word, str)]
        if choices and not field.examples:
            yield path, choices[0]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _whole(item: Any) -> Any:
    """Bounds as people write them: 1,000 rather than 1,000.0."""
    return int(item) if isinstance(item, float) and item.is_integer() else item


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
