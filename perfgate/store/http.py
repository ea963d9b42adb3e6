"""aiohttp's low-level server, stripped to what a store needs: about 60 µs of CPU a request besides the work itself."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from perfgate.store.api import MAX_BODY, MAX_URL, Refusal, Reply

Answer = Callable[[str, str, Any, bytes, int], Awaitable[Reply]]
"""(method, path with query, headers, body, when the request's first bytes arrived, monotonic ns) -> the reply."""

_LINE_LIMIT = 1 << 20  # the parser's own limit cuts the connection at once; up to here a too long URL is read first
_LINGER_S = 2.0  # how long the rest of a refused body is read, so that the client sees the answer and no reset
_HEADS = {
    status: f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n".encode()
    for status in HTTPStatus
}


class StoreProtocol(RequestHandler):
    """Notes when the first bytes of a request arrived, before anything is parsed."""

    __slots__ = ("arrived_ns",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.arrived_ns = 0

    def data_received(self, data: bytes) -> None:
        if not self.arrived_ns:
            self.arrived_ns = time.monotonic_ns()
        super().data_received(data)

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if isinstance(exc, LineTooLong):
            return RawResponse(Refusal(414, "URI_TOO_LONG", f"a URL has at most {MAX_URL} bytes").reply, close=True)
        return super().handle_error(request, status, exc, message)


class RawResponse(web.StreamResponse):
    """Status line, headers and body in one write, without aiohttp's header machinery."""

    def __init__(self, reply: Reply, *, close: bool = False) -> None:
        self._reply = reply
        self._close = close

    @property
    def keep_alive(self) -> bool:
        return not self._close

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        body = self._reply.body
        connection = b"Connection: close\r\n" if self._close else b""
        head = b"%bContent-Length: %d\r\n%b\r\n" % (_HEADS[HTTPStatus(self._reply.status)], len(body), connection)
        transport.write(head + body)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """All has been written."""


class StoreServer(web.Server):
    """The protocol factory for loop.create_server()."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(self._handle, request_factory=self._make, handler_cancellation=False)
        self._answer = answer

    def __call__(self) -> RequestHandler:
        return StoreProtocol(
            self,
            loop=self._loop,
            max_line_size=_LINE_LIMIT,
            access_log=None,
            lingering_time=_LINGER_S,
            keepalive_timeout=3_600,
        )

    def _make(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
        return BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=MAX_BODY)

    async def _handle(self, request: BaseRequest) -> web.StreamResponse:
        protocol = request.protocol
        assert isinstance(protocol, StoreProtocol)
        message = request._message
        close = message.should_close
        if (refusal := _refused(message.path, request)) is not None:
            protocol.arrived_ns = 0
            return RawResponse(refusal, close=True)
        body = await request.read() if message.method == "POST" else b""
        reply = await self._answer(message.method, message.path, message.headers, body, protocol.arrived_ns)
        protocol.arrived_ns = 0
        return RawResponse(reply, close=close)


def _refused(path: str, request: BaseRequest) -> Reply | None:
    """Too long a URL or too large a body, before the body is read."""
    if len(path) > MAX_URL:
        return Refusal(414, "URI_TOO_LONG", f"a URL has at most {MAX_URL} bytes").reply
    if (request.content_length or 0) >= MAX_BODY:
        return Refusal(413, "PAYLOAD_TOO_LARGE", f"a body has less than {MAX_BODY} bytes").reply
    return None
