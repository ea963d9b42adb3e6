"""One request on its way, from the plan to its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate.targets.protocol import Payload
    from perfgate_agent.recorder import Bucket


class Exchange:
    """Mutable on purpose, one small object a request, made ahead of its time.

    at_ns, sent_ns, done_ns: monotonic clock of this machine; 0: not yet. code: position in OPERATIONS. bucket: where
    it is recorded (None when a store is loaded, which is not). wait_ns: time spent waiting for a free connection.
    """

    __slots__ = ("at_ns", "bucket", "checked", "code", "done_ns", "index", "key", "payload", "sent_ns", "wait_ns")

    def __init__(
        self, at_ns: int, code: int, index: int, key: int, checked: bool, bucket: Bucket | None, payload: Payload
    ) -> None:
        self.at_ns = at_ns
        self.code = code
        self.index = index
        self.key = key
        self.checked = checked
        self.bucket = bucket
        self.payload = payload
        self.sent_ns = 0
        self.done_ns = 0
        self.wait_ns = 0
