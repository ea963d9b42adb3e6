"""What a complete reply comes to, once there is time to look at it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from perfgate.operation import OPERATIONS
from perfgate.outcome import Outcome
from perfgate.targets.adapter import Adapter, Judgement
from perfgate_agent.content import BadContent, decode
from perfgate_agent.exchange import Exchange

EXAMPLE_BYTES = 160


@dataclass(frozen=True, slots=True)
class MarkedBody:
    """The body of the rare reply whose head says something about it. encoding: Content-Encoding, in lower case;
    location: where a redirect points. Either may be empty."""

    body: bytes
    encoding: str = ""
    location: str = ""


Body = bytes | MarkedBody


def judge(adapter: Adapter, exchange: Exchange, status: int, body: Body) -> Judgement:
    """The adapter's judgement of the decoded reply. A failure whose status redirects is a redirect."""
    location = ""
    if not isinstance(body, bytes):
        location = body.location
        try:
            body = plain(body)
        except BadContent as error:
            return Judgement(error.outcome, example=f"status {status}: {error}")
    operation = OPERATIONS[exchange.code]
    judged = adapter.judge(operation, exchange.key, exchange.index, status, body, exchange.checked)
    if judged.outcome is Outcome.BAD_STATUS and is_redirect(status):
        where = f", to {location[:EXAMPLE_BYTES]!r}" if location else ""
        return replace(judged, outcome=Outcome.REDIRECT, example=f"{operation.value}: status {status}{where}")
    return judged


def plain(body: Body) -> bytes:
    """The content itself. Raises BadContent, see `decode`."""
    return body if isinstance(body, bytes) else decode(body.body, body.encoding)


def is_redirect(status: int) -> bool:
    """304 answers a condition, which no request of ours has."""
    return 300 <= status < 400 and status != 304
