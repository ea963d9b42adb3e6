"""What the tables `[requests.…]` of a target file say, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from perfgate.outcome import Outcome

IdForm = Literal["text", "number", "uuid"]


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """One request and how its reply is read. Templates as in perfgate.targets.pieces, paths as in reply_path.

    success: statuses, the usual one first. ids, scores: of the results, best first. count: of numbers, which are added.
    errors: status or path -> what a reply with it comes to. missing: statuses that say that there is no such memory.
    columns, separator, batch: placeholder -> what of a memory is written there; the body holds up to `batch` memories,
    joined by the separator. take: placeholder -> path to its value.
    until: path -> what must stand there before the next step; it is asked again for up to timeout_ns.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    success: tuple[int, ...]
    ids: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    count: str = ""
    errors: Mapping[str, Outcome] = field(default_factory=dict)
    missing: tuple[int, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    separator: str = ","
    batch: int = 1
    take: Mapping[str, str] = field(default_factory=dict)
    until: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    timeout_ns: int = 0


@dataclass(frozen=True, slots=True)
class HttpRequests:
    """All requests of a target whose adapter is `http`: by name (an operation's, or load, get, count, health), the steps
    before loading, those that learn what the store made up itself, and those after loading. id_form: what ids look like
    on the wire."""

    named: Mapping[str, RequestSpec]
    prepare: tuple[RequestSpec, ...]
    id_form: IdForm
    learn: tuple[RequestSpec, ...] = ()
    finish: tuple[RequestSpec, ...] = ()


def content_type(spec: RequestSpec) -> str:
    """Of its body, without parameters; JSON where the headers do not say."""
    given = next((value for name, value in spec.headers.items() if name.lower() == "content-type"), "application/json")
    return given.partition(";")[0].strip().lower()
