"""What pydantic cannot know of a target file whose adapter is `http`: whether templates and paths fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from perfgate.scenario.messages import show, suggest
from perfgate.targets import pieces
from perfgate.targets.http_schema import (
    ALWAYS,
    ITEMS,
    OF_A_REQUEST,
    OPTION,
    SAMPLES,
    UNLEARNED,
    HttpFile,
    Load,
    Request,
    http_spec,
)
from perfgate.targets.reply_path import compile_path
from perfgate.targets.requests_model import content_type

Fault = tuple[tuple[str, ...], str]
"""The field, and what is wrong with it."""


def find_faults(checked: HttpFile) -> Iterator[Fault]:
    """What is wrong with templates and paths, one by one."""
    yield from _faults_of_names(checked)
    for where, name, request in checked.listed():
        yield from _faults_of_templates(where, name, request, checked)
        yield from _faults_of_paths(where, request)
        yield from _faults_of_errors(where, request)
    yield from _faults_of_the_whole(checked)


def _faults_of_names(checked: HttpFile) -> Iterator[Fault]:
    """Of the names that the file itself gives to placeholders."""
    columns = list(checked.requests.load.columns) if checked.requests.load else []
    given = [*SAMPLES, ITEMS, *ALWAYS, *(set(checked.options) - set(ALWAYS)), *checked.learned, *columns]
    for where, names in ((("learn",), checked.learned), (("requests", "load", "columns"), columns)):
        for name in names:
            if not OPTION.fullmatch(name) or given.count(name) > 1:
                yield where, f"names {show(name)}: give a name of small letters, digits and '_' that nothing else has"


def _faults_of_templates(where: tuple[str, ...], name: str, request: Request, checked: HttpFile) -> Iterator[Fault]:
    constants = [*ALWAYS, *(option for option in checked.options if option not in ALWAYS)]
    constants += [] if name in UNLEARNED else checked.learned
    own = OF_A_REQUEST[name]
    each = request.each if isinstance(request, Load) else {}
    known = [*(each or own), *constants]
    texts = [("path", request.path, known), ("body", request.body, known)]
    texts += [(_column(name), text, [*own, *constants]) for name, text in each.items()]
    texts += [(f"headers.{header}", value, constants) for header, value in request.headers.items()]
    for field, text, allowed in texts:
        for placeholder in pieces.names(text):
            if placeholder not in allowed:
                remedy = suggest(placeholder, allowed) if not field.startswith("headers") else _known(allowed)
                yield (*where, *field.split(".", 1)), f"names {{{placeholder}}}, which is not known there: {remedy}"
                return
    if content_type(http_spec(request)) == pieces.JSON:
        for field, text in (("body", request.body), *((_column(name), text) for name, text in each.items())):
            if text and (problem := _not_json(text, each, checked)):
                yield (*where, *field.split(".", 1)), problem


def _known(allowed: list[str]) -> str:
    return "known are " + ", ".join(f"{{{name}}}" for name in allowed) + " (and a new [options] key)"


def _column(name: str) -> str:
    """Where a column stands in the table."""
    return "item" if name == ITEMS else f"columns.{name}"


def _not_json(text: str, each: Mapping[str, str], checked: HttpFile) -> str:
    constants = {**dict.fromkeys(checked.learned, "1"), **checked.options, "dim": 1}
    samples = {name: sample.encode() for name, sample in SAMPLES.items()}
    for name, column in each.items():
        samples[name] = _filled(column, constants, samples)
    filled = _filled(text, constants, samples)
    try:
        orjson.loads(filled)
    except ValueError as error:
        return (
            f'is not JSON once placeholders are filled in ({error}): write texts in quotes ("{{text}}"), numbers and '
            "{vector} without, or name another Content-Type in headers"
        )
    return ""


def _filled(text: str, constants: Mapping[str, pieces.Scalar], samples: Mapping[str, bytes]) -> bytes:
    parts = pieces.fill(text, constants, "json")
    return b"".join(part if isinstance(part, bytes) else samples[part.text] for part in parts)


def _faults_of_paths(where: tuple[str, ...], request: Request) -> Iterator[Fault]:
    for field in ("ids", "scores", "count", "take", "until"):
        given = getattr(request, field, ())
        paths = given.values() if field == "take" and given else given
        for text in [paths] if isinstance(paths, str) else paths:
            try:
                compile_path(text)
            except ValueError as error:
                yield (*where, field), f"= {show(text)} must be {error}"


def _faults_of_errors(where: tuple[str, ...], request: Request) -> Iterator[Fault]:
    for key in request.errors:
        if key.isdigit():
            if int(key) in request.success:
                yield (*where, "errors"), f"names status {key}, which is one of success: leave it out of one of them"
            continue
        try:
            compile_path(key)
        except ValueError as error:
            yield (*where, "errors"), f"has the key {show(key)}, which must be a status like 404 or {error}"


def _faults_of_the_whole(checked: HttpFile) -> Iterator[Fault]:
    requests = checked.requests
    if requests.store is None and requests.load is None:
        yield ("requests",), "has neither store nor load: perfgate must load the data; add [requests.load]"
    for name, needed in (
        ("store", "id"), ("load", "id"), ("get", "id"), ("recall", "text"), ("embedding_search", "vector"),
        ("pattern_completion", "vector"),
    ):  # fmt: skip
        request = getattr(requests, name)
        if request is None:
            continue
        texts = (request.path, request.body, *(request.each.values() if isinstance(request, Load) else ()))
        if not any(needed in pieces.names(text) for text in texts):
            yield (
                ("requests", name),
                f"does not name {{{needed}}}: answers could not be checked; put it into path or body",
            )
    load = requests.load
    for name in load.each if load is not None else ():
        if name not in pieces.names(load.body if load is not None else ""):
            yield (
                ("requests", "load", "body"),
                f"does not name {{{name}}}, where what `{_column(name)}` says goes: add it",
            )
