"""The form of a target file whose adapter is `http`, and what pydantic cannot know of it: whether templates and paths fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from perfgate.outcome import Outcome
from perfgate.scenario.messages import show, suggest
from perfgate.scenario.tables import Table
from perfgate.targets import pieces
from perfgate.targets.reply_path import compile_path
from perfgate.targets.requests_model import HttpRequests, IdForm, RequestSpec, content_type
from perfgate.targets.schema import Seconds, TargetFile, header_text
from perfgate.units import seconds_to_ns

OUTCOMES = {
    "bad_status": Outcome.BAD_STATUS, "wrong_answer": Outcome.WRONG_ANSWER, "timeout": Outcome.TIMEOUT,
    "refused": Outcome.REFUSED,
}  # fmt: skip
ALWAYS = ("space", "k", "dim")
OF_A_REQUEST: Mapping[str, tuple[str, ...]] = {
    "store": ("id", "text", "vector"), "recall": ("text", "id"), "embedding_search": ("vector",),
    "pattern_completion": ("vector",), "load": ("id", "text", "vector"), "get": ("id",), "count": (), "health": (),
    "prepare": (), "learn": (), "finish": ("nodes",),
}  # fmt: skip
"""Placeholders beside ALWAYS and the file's own options."""
OF_A_BATCH = ("items",)
STEPS = ("prepare", "learn", "finish")
UNLEARNED = ("health", "prepare", "learn")
"""Requests that are sent before anything has been learned."""
SAMPLES: Mapping[str, str] = {"id": "1", "text": "some words", "vector": "[0.5]", "nodes": "1"}
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OPTION = re.compile(r"[a-z][a-z0-9_]*")
Fault = tuple[tuple[str, ...], str]
"""The field, and what is wrong with it."""


def _url(path: str) -> str:
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path or "#" in path:
        wish = "a path that begins with '/', in printable ASCII without blanks (percent-encode the rest)"
        raise PydanticCustomError("form", "bad path", {"wish": wish})
    return path


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not value.isascii() or not value.isprintable():
            raise PydanticCustomError("form", "bad header", {"wish": "names and values of headers in printable ASCII"})
        if name.lower() in ("host", "content-length", "connection", "transfer-encoding", "accept-encoding"):
            raise PydanticCustomError("form", "bad header", {"wish": f"without {name}, which perfgate sets itself"})
    return headers


def _options(options: dict[str, Any]) -> dict[str, Any]:
    taken = {*SAMPLES, *OF_A_BATCH, "dim"}
    for name, value in options.items():
        if name in taken or not _OPTION.fullmatch(name) or not isinstance(value, str | int | float):
            wish = f"names of small letters, digits and '_' (not {', '.join(sorted(taken))}) with a text, number or boolean"
            raise PydanticCustomError("form", "bad option", {"wish": wish})
    k = options.get("k", 10)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= 1000:
        raise PydanticCustomError("form", "bad k", {"wish": "a table whose k is a whole number from 1 to 1000"})
    header_text(str(options.get("space", "default")))
    return {"k": k, "space": "default", **options}


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Status = Annotated[int, Field(ge=100, le=599)]
Success = Annotated[list[Status], Field(min_length=1, examples=[[200]])]
Paths = Annotated[list[str], BeforeValidator(_listed), Field(examples=[["result[*].id"]])]
Headers = Annotated[dict[str, str], AfterValidator(_headers), Field(examples=[{"X-Space": "{space}"}])]
Errors = dict[str, Literal["bad_status", "wrong_answer", "timeout", "refused"]]


class Request(Table):
    """method: GET, or POST where there is a body."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = Field(default=None, examples=["POST"])
    path: Annotated[str, AfterValidator(_url)] = Field(examples=["/items"])
    headers: Headers = {}
    body: str = Field(default="", examples=['{"id": "{id}", "vector": {vector}}'])
    success: Success = [200]
    errors: Errors = {}


class Store(Request):
    ids: Paths = []


class Search(Request):
    ids: Paths = Field(min_length=1)
    scores: Paths = []


class Load(Request):
    item: str = Field(default="", examples=['{"id": "{id}", "vector": {vector}}'])
    separator: str = ","
    batch: int = Field(default=100, ge=1, le=10_000, examples=[100])


class Get(Request):
    ids: Paths = []
    missing: Success = [404]


class Count(Request):
    count: str = Field(examples=["result.count"])


class Learn(Request):
    take: dict[str, str] = Field(min_length=1, examples=[{"collection": "id"}])


class Finish(Request):
    until: dict[str, str | int | float | bool] = Field(default={}, examples=[{"status.queue": 0}])
    timeout_seconds: Seconds = 600.0


class Requests(Table):
    store: Store | None = None
    recall: Search | None = None
    embedding_search: Search | None = None
    pattern_completion: Search | None = None
    load: Load | None = None
    get: Get | None = None
    count: Count
    health: Request


class HttpFile(TargetFile):
    options: Annotated[dict[str, Any], AfterValidator(_options), Field(examples=[{"k": 10}])] = {
        "k": 10,
        "space": "default",
    }
    ids: IdForm = "text"
    requests: Requests
    prepare: list[Request] = []
    learn: list[Learn] = []
    finish: list[Finish] = []

    @property
    def learned(self) -> list[str]:
        """Names of what is learned."""
        return [name for step in self.learn for name in step.take]

    def listed(self) -> Iterator[tuple[tuple[str, ...], str, Request]]:
        """(where it stands, its name, what it says) of every request."""
        for name in Requests.model_fields:
            request = getattr(self.requests, name)
            if request is not None:
                yield ("requests", name), name, request
        for name in STEPS:
            for number, step in enumerate(getattr(self, name)):
                yield (name, str(number)), name, step


def http_requests(checked: HttpFile) -> HttpRequests:
    """What the file says, frozen."""
    named = {name: _spec(request) for _, name, request in checked.listed() if name not in STEPS}
    prepare, learn, finish = (tuple(map(_spec, getattr(checked, name))) for name in STEPS)
    return HttpRequests(named, prepare, checked.ids, learn, finish)


def find_faults(checked: HttpFile) -> Iterator[Fault]:
    """What is wrong with templates and paths, one by one."""
    for where, name, request in checked.listed():
        yield from _faults_of_templates(where, name, request, checked)
        yield from _faults_of_paths(where, request)
        yield from _faults_of_errors(where, request)
    yield from _faults_of_the_whole(checked)


def _spec(request: Request) -> RequestSpec:
    other: dict[str, Any] = {
        name: getattr(request, name)
        for name in ("count", "item", "separator", "take", "until")
        if hasattr(request, name)
    }
    lists: dict[str, Any] = {
        name: tuple(getattr(request, name)) for name in ("ids", "scores", "missing") if hasattr(request, name)
    }
    batch = request.batch if isinstance(request, Load) and request.item else 1
    return RequestSpec(
        method=request.method or ("POST" if request.body else "GET"),
        path=request.path,
        headers=request.headers,
        body=request.body,
        success=tuple(request.success),
        errors={key: OUTCOMES[value] for key, value in request.errors.items()},
        batch=batch,
        timeout_ns=seconds_to_ns(request.timeout_seconds) if isinstance(request, Finish) else 0,
        **other,
        **lists,
    )


def _faults_of_templates(where: tuple[str, ...], name: str, request: Request, checked: HttpFile) -> Iterator[Fault]:
    constants = [*ALWAYS, *(option for option in checked.options if option not in ALWAYS)]
    constants += [] if name in UNLEARNED else checked.learned
    own = OF_A_REQUEST[name]
    item = request.item if isinstance(request, Load) else ""
    known = [*(OF_A_BATCH if item else own), *constants]
    texts = [("path", request.path, known), ("body", request.body, known), ("item", item, [*own, *constants])]
    texts += [(f"headers.{header}", value, constants) for header, value in request.headers.items()]
    for field, text, allowed in texts:
        for placeholder in pieces.names(text):
            if placeholder not in allowed:
                remedy = suggest(placeholder, allowed) if not field.startswith("headers") else _known(allowed)
                yield (*where, *field.split(".", 1)), f"names {{{placeholder}}}, which is not known there: {remedy}"
                return
    if content_type(_spec(request)) == pieces.JSON:
        for field, text in (("body", request.body), ("item", item)):
            if text and (problem := _not_json(text, item, checked)):
                yield (*where, field), problem


def _known(allowed: list[str]) -> str:
    return "known are " + ", ".join(f"{{{name}}}" for name in allowed) + " (and a new [options] key)"


def _not_json(text: str, item: str, checked: HttpFile) -> str:
    constants = {**dict.fromkeys(checked.learned, "1"), **checked.options, "dim": 1}
    samples = {name: sample.encode() for name, sample in SAMPLES.items()}
    samples["items"] = b"".join(
        part if isinstance(part, bytes) else samples[part.text] for part in pieces.fill(item, constants, "json")
    )
    filled = b"".join(
        part if isinstance(part, bytes) else samples[part.text] for part in pieces.fill(text, constants, "json")
    )
    try:
        orjson.loads(filled)
    except ValueError as error:
        return (
            f'is not JSON once placeholders are filled in ({error}): write texts in quotes ("{{text}}"), numbers and '
            "{vector} without, or name another Content-Type in headers"
        )
    return ""


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
    taken = {*SAMPLES, *OF_A_BATCH, *ALWAYS, *checked.options}
    for name in checked.learned:
        if name in taken or not _OPTION.fullmatch(name) or checked.learned.count(name) > 1:
            yield (
                ("learn",),
                f"takes {show(name)}: give it a name of small letters, digits and '_' that nothing else has",
            )
    if requests.store is None and requests.load is None:
        yield ("requests",), "has neither store nor load: perfgate must load the data; add [requests.load]"
    for name, needed in (
        ("store", "id"), ("load", "id"), ("get", "id"), ("recall", "text"), ("embedding_search", "vector"),
        ("pattern_completion", "vector"),
    ):  # fmt: skip
        request = getattr(requests, name)
        if request is None:
            continue
        texts = (request.path, request.body, getattr(request, "item", ""))
        if not any(needed in pieces.names(text) for text in texts):
            yield (
                ("requests", name),
                f"does not name {{{needed}}}: answers could not be checked; put it into path or body",
            )
    load = requests.load
    if load is not None and load.item and "items" not in pieces.names(load.body):
        yield ("requests", "load", "body"), "does not name {items}, where the items of `item` go: add it"
