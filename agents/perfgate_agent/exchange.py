"""One request on its way, from the plan to its outcome."""

from __future__ import annotations

from perfgate.outcome import Outcome


class Exchange:
    """Mutable on purpose, one small object a request, made ahead of its time.

    at_ns, sent_ns, done_ns: monotonic clock of this machine; 0: not yet. code: position in OPERATIONS. bucket: the
    recorder's part it counts in. wait_ns: time spent waiting for a free connection.
    """

    __slots__ = (
        "at_ns", "bucket", "checked", "code", "done_ns", "expected", "found", "index", "key", "outcome", "payload",
        "sent_ns", "wait_ns",
    )  # fmt: skip

    def __init__(self, at_ns: int, code: int, index: int, key: int, checked: bool, bucket: object) -> None:
        self.at_ns = at_ns
        self.code = code
        self.index = index
        self.key = key
        self.checked = checked
        self.bucket = bucket
        self.payload = b""
        self.sent_ns = 0
        self.done_ns = 0
        self.wait_ns = 0
        self.outcome: Outcome | None = None
        self.found = 0
        self.expected = 0
