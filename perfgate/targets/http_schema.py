"""The form of a target file whose adapter is `http`; `http_faults` checks whether its templates and paths fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from perfgate.outcome import Outcome
from perfgate.scenario.tables import Table
from perfgate.targets.requests_model import HttpRequests, IdForm, RequestSpec
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
    "prepare": (), "learn": (), "finish": ("nodes", "text", "vector"),
}  # fmt: skip
"""Placeholders beside ALWAYS and the file's own options."""
ITEMS = "items"
STEPS = ("prepare", "learn", "finish")
UNLEARNED = ("health", "prepare", "learn")
"""Requests that are sent before anything has been learned."""
SAMPLES: Mapping[str, str] = {"id": "1", "text": "some words", "vector": "[0.5]", "nodes": "1"}
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
OPTION = re.compile(r"[a-z][a-z0-9_]*")


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
    taken = {*SAMPLES, ITEMS, "dim"}
    for name, value in options.items():
        if name in taken or not OPTION.fullmatch(name) or not isinstance(value, str | int | float):
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
    """ids: paths to the results' ids, best first. scores: paths to as many scores."""

    ids: Paths = Field(min_length=1)
    scores: Paths = []


class Load(Request):
    """`{items}` in the body stands for up to `batch` items, joined by `separator`; `columns` for stores that want lists
    side by side: a placeholder, and what of each memory it holds."""

    item: str = Field(default="", examples=['{"id": "{id}", "vector": {vector}}'])
    columns: dict[str, str] = Field(default={}, examples=[{"ids": '"{id}"', "vectors": "{vector}"}])
    separator: str = ","
    batch: int = Field(default=100, ge=1, le=10_000, examples=[100])

    @property
    def each(self) -> dict[str, str]:
        """What of a memory is written where: `item` is the column {items}."""
        return {**({ITEMS: self.item} if self.item else {}), **self.columns}


class Get(Request):
    """missing: statuses that say that there is no such memory."""

    ids: Paths = []
    missing: Success = [404]


class Count(Request):
    """count: path to numbers, which are added."""

    count: str = Field(examples=["result.count"])


class Learn(Request):
    """take: a placeholder of later requests, and the path to its one value in the reply."""

    take: dict[str, str] = Field(min_length=1, examples=[{"collection": "id"}])


class Finish(Request):
    """until: path to value; the request is repeated until all of them hold. timeout_seconds: of all repetitions
    together."""

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
    """ids: what ids look like on the wire. prepare, finish: sent in order before and after loading. learn: asked by
    whoever speaks to the store, so it must change nothing."""

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
    named = {name: http_spec(request) for _, name, request in checked.listed() if name not in STEPS}
    prepare, learn, finish = (tuple(map(http_spec, getattr(checked, name))) for name in STEPS)
    return HttpRequests(named, prepare, checked.ids, learn, finish)


def http_spec(request: Request) -> RequestSpec:
    """One request, frozen."""
    other: dict[str, Any] = {
        name: getattr(request, name) for name in ("count", "separator", "take", "until") if hasattr(request, name)
    }
    lists: dict[str, Any] = {
        name: tuple(getattr(request, name)) for name in ("ids", "scores", "missing") if hasattr(request, name)
    }
    batch = request.batch if isinstance(request, Load) and request.each else 1
    other |= {"columns": request.each} if isinstance(request, Load) else {}
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
