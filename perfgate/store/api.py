"""Engram's HTTP API as functions of bytes: decides what to answer, touches no socket."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import unquote, unquote_plus

import numpy as np
import orjson
from numpy.typing import NDArray

from perfgate.operation import Operation
from perfgate.store.memory_space import Hits, Memory, MemorySpace

MAX_URL = 65_534
MAX_BODY = 3 * 1024 * 1024
_MEMORIES = "/api/v1/memories/"
_VIVID = 0.7
_MOST_RESULTS = 100
_MOST_EFFORT = 100_000
_SPACE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

Distort = Callable[[MemorySpace, Hits], Hits]
Drops = Callable[[MemorySpace, NDArray[np.float32]], bool]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status and JSON body."""

    status: int
    body: bytes


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.reply = Reply(status, orjson.dumps({"error": {"code": code, "message": message}}))


class Request:
    """What of an HTTP request matters here. `operation` is None for what a scenario doesn't do (get, count, alive)."""

    __slots__ = ("body", "headers", "method", "operation", "parameters", "route")

    def __init__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.headers = headers
        self.body = body
        self.route, _, query = path.partition("?")
        self.parameters = dict(part.partition("=")[::2] for part in query.split("&")) if query else {}
        self.operation = self._operation()

    def _operation(self) -> Operation | None:
        if self.route == _MEMORIES + "remember" and self.method == "POST":
            return Operation.STORE
        if self.route == _MEMORIES + "recall" and self.method == "GET":
            asks_text = "query" in self.parameters or "embedding" not in self.parameters
            return Operation.RECALL if asks_text else Operation.EMBEDDING_SEARCH
        return None


class Api:
    """The memory spaces and the answers about them. `distort` may spoil the hits of a search; what `drops` says is
    acknowledged without being stored."""

    def __init__(
        self, dim: int, spaces: dict[str, MemorySpace], about: Mapping[str, Any], distort: Distort | None = None,
        drops: Drops = lambda space, vector: False,
    ) -> None:  # fmt: skip
        self.spaces = spaces
        self._dim = dim
        self._about = about
        self._distort = distort
        self._drops = drops
        self._unnamed = 0

    def answer(self, request: Request) -> Reply:
        """The reply to a request; never raises for a bad one."""
        try:
            return self._dispatch(request)
        except Refusal as refusal:
            return refusal.reply

    def empty(self, operation: Operation) -> Reply:
        """Success that says nothing, for --wrong-empty."""
        if operation is Operation.STORE:
            return _stored("")
        return _recalled([])

    def _dispatch(self, request: Request) -> Reply:
        match request.operation:
            case Operation.STORE:
                return self._remember(request)
            case Operation.RECALL:
                return self._recall_text(request)
            case Operation.EMBEDDING_SEARCH:
                return self._recall_embedding(request)
        match request.method, request.route:
            case "GET", "/health":
                return Reply(200, b'{"status":"healthy"}')
            case "GET", "/health/alive":
                return Reply(200, b"")
            case "GET", "/api/v1/system/health":
                return self._health(request)
            case "POST", "/api/v1/memories/remember_batch":
                return self._remember_batch(request)
            case "GET", route if route.startswith(_MEMORIES) and len(route) > len(_MEMORIES):
                return self._get(request, unquote(route[len(_MEMORIES) :]))
        raise Refusal(404, "NOT_FOUND", f"{request.method} {request.route[:200]} is not served here")

    def _space(self, request: Request, name: str | None = None) -> MemorySpace:
        name = name or request.headers.get("X-Memory-Space") or "default"
        space = self.spaces.get(name)
        if space is None:
            if not _SPACE_NAME.fullmatch(name):
                raise Refusal(400, "INVALID_SPACE", f"space {name[:80]!r}: use 1 to 64 letters, digits, '_' and '-'")
            space = self.spaces[name] = MemorySpace(self._dim)
        return space

    def _remember(self, request: Request) -> Reply:
        space = self._space(request)
        memory, vector = self._memory(_json_body(request))
        if not self._drops(space, vector):
            space.remember(memory, vector)
        return _stored(memory[0], memory[2])

    def _remember_batch(self, request: Request) -> Reply:
        """All or nothing: a wrong memory refuses the batch."""
        space = self._space(request)
        body = _json_body(request)
        listed = body.get("memories")
        if not isinstance(listed, list):
            raise Refusal(422, "MISSING_FIELD", "memories is missing: send a list of memories")
        checked = [self._memory(item) for item in listed]
        for memory, vector in checked:
            space.remember(memory, vector)
        return Reply(201, orjson.dumps({"stored": len(checked)}))

    def _memory(self, body: Any) -> tuple[Memory, NDArray[np.float32]]:
        if not isinstance(body, dict):
            raise Refusal(400, "INVALID_JSON", "a memory is a JSON object")
        content, memory_id, confidence = body.get("content"), body.get("id"), body.get("confidence", 0.7)
        if content is None:
            raise Refusal(422, "MISSING_FIELD", "content is missing")
        if not isinstance(content, str) or not content.strip():
            raise Refusal(400, "INVALID_CONTENT", "content must be text that is not blank")
        if memory_id is None:
            self._unnamed += 1
            memory_id = f"mem_{self._unnamed}"
        if not isinstance(memory_id, str) or not memory_id:
            raise Refusal(400, "INVALID_ID", "id must be text that is not empty")
        if not isinstance(confidence, int | float):
            raise Refusal(400, "INVALID_CONFIDENCE", "confidence must be a number")
        return (memory_id, content, float(confidence)), self._vector(body.get("embedding"))

    def _vector(self, numbers: Any) -> NDArray[np.float32]:
        try:
            vector = np.array(numbers, np.float32)
        except (TypeError, ValueError, OverflowError):
            raise Refusal(400, "INVALID_EMBEDDING", "embedding must be a list of numbers") from None
        if vector.shape != (self._dim,):
            raise Refusal(400, "INVALID_EMBEDDING", f"embedding has shape {vector.shape}, not ({self._dim},)")
        if not np.isfinite(vector).all():
            raise Refusal(400, "INVALID_EMBEDDING", "embedding holds NaN or infinite numbers")
        return vector

    def _recall_text(self, request: Request) -> Reply:
        query = unquote_plus(request.parameters.get("query", ""))
        if not query.strip():
            raise Refusal(400, "INVALID_QUERY", "query or embedding is missing or blank")
        space = self._space(request)
        return self._results(request, space, space.search_text(query, _limit(request)))

    def _recall_embedding(self, request: Request) -> Reply:
        text = request.parameters["embedding"]
        if "%" in text:
            text = unquote(text)
        try:
            numbers = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Refusal(400, "INVALID_EMBEDDING", "embedding must be a JSON list of numbers") from None
        space, vector = self._space(request), self._vector(numbers)
        effort = _number(request, "ef", 0)
        if not 0 <= effort <= _MOST_EFFORT:
            _refuse_number("ef", str(effort))
        return self._results(request, space, space.search_embedding(vector, _limit(request), int(effort)))

    def _results(self, request: Request, space: MemorySpace, hits: Hits) -> Reply:
        threshold = _number(request, "threshold", -1.0)
        if self._distort is not None:
            hits = self._distort(space, hits)
        found = ((space.at(slot), score) for slot, score in hits if score >= threshold)
        return _recalled([_item(memory, score) for memory, score in found if memory is not None])

    def _get(self, request: Request, memory_id: str) -> Reply:
        memory = self._space(request).get(memory_id)
        if memory is None:
            raise Refusal(404, "MEMORY_NOT_FOUND", f"no memory {memory_id[:80]!r} in this space")
        return Reply(200, orjson.dumps({"id": memory[0], "content": memory[1], "confidence": memory[2]}))

    def _health(self, request: Request) -> Reply:
        """Counts of the space that is asked for, or of all."""
        asked = unquote(request.parameters.get("space", "")) or request.headers.get("X-Memory-Space")
        names = [asked] if asked else list(self.spaces) or ["default"]
        spaces = [{"space": name, "memories": len(self._space(request, name))} for name in names]
        return Reply(200, orjson.dumps({"status": "healthy", "spaces": spaces, **self._about}))


def _json_body(request: Request) -> Any:
    kind = request.headers.get("Content-Type", "")
    if not kind.startswith("application/json"):
        raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", f"Content-Type {kind[:80]!r}: send application/json")
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "INVALID_JSON", f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refusal(400, "INVALID_JSON", "the body must be a JSON object")
    return body


def _number(request: Request, name: str, default: float) -> float:
    text = request.parameters.get(name)
    if text is None:
        return default
    try:
        return float(text)
    except ValueError:
        _refuse_number(name, text)


def _limit(request: Request) -> int:
    number = _number(request, "max_results", 10)
    if not number >= 1:
        _refuse_number("max_results", str(number))
    return int(min(number, _MOST_RESULTS))


def _refuse_number(name: str, text: str) -> NoReturn:
    raise Refusal(400, "INVALID_PARAMETER", f"{name} {text[:80]!r} is not a number that can be used")


def _stored(memory_id: str, confidence: float = 0.0) -> Reply:
    body = {"memory_id": memory_id, "storage_confidence": {"value": confidence, "category": "stored"}}
    return Reply(201, orjson.dumps(body))


def _item(memory: Memory, score: float) -> dict[str, Any]:
    score = round(score, 6)
    return {"id": memory[0], "content": memory[1], "similarity_score": score, "activation_level": score}


def _recalled(items: list[dict[str, Any]]) -> Reply:
    vivid = [item for item in items if item["similarity_score"] > _VIVID]
    associated = [item for item in items if item["similarity_score"] <= _VIVID]
    return Reply(200, orjson.dumps({"memories": {"vivid": vivid, "associated": associated, "reconstructed": []}}))
