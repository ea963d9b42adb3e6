"""What engine.c and the feeder both see: numpy's view of the structs of engine.h, and the words for its codes."""

from __future__ import annotations

import ctypes
import errno
import os

import numpy as np

from perfgate.outcome import Outcome
from perfgate_agent.local_limit import LOCAL_ERRORS

REQUEST = np.dtype(
    {
        "names": ["at_ns", "bytes", "size", "segment", "want_status", "want_first", "arm", "keep", "measured"],
        "formats": ["<i8", "<u8", "<u4", "<u4", "<u2", "<i2", "u1", "u1", "u1"],
        "offsets": [0, 8, 16, 20, 24, 26, 28, 29, 30],
        "itemsize": 56,
    }
)
"""`request`, as far as the feeder writes it."""

ENDING = np.dtype(
    {
        "names": [
            "at_ns", "sent_ns", "wait_ns", "done_ns", "body", "body_size", "slot", "system_error", "status", "kind",
            "reason", "judge", "coding",
        ],
        "formats": ["<i8", "<i8", "<i8", "<i8", "<u8", "<u4", "<u4", "<i4", "<u2", "u1", "u1", "u1", "u1"],
        "offsets": [0, 8, 16, 24, 32, 40, 44, 48, 52, 54, 55, 56, 57],
        "itemsize": 64,
    }
)  # fmt: skip
"""`ending`."""


class Settings(ctypes.Structure):
    """`engine_settings`."""

    _fields_ = (
        ("slots", ctypes.c_uint32),
        ("connections", ctypes.c_uint32),
        ("open_ahead", ctypes.c_uint32),
        ("backlog", ctypes.c_uint32),
        ("timeout_ns", ctypes.c_int64),
        ("connect_ns", ctypes.c_int64),
        ("lost_ns", ctypes.c_int64),
        ("drain_ns", ctypes.c_int64),
        ("catch_up_after_ns", ctypes.c_int64),
        ("catch_up", ctypes.c_double),
        ("grain_ns", ctypes.c_int64),
        ("closed_loop", ctypes.c_uint32),
        ("protocol", ctypes.c_uint32),
    )


class State(ctypes.Structure):
    """`engine_state`."""

    _fields_ = (
        ("ending", ctypes.c_uint32),
        ("saturated", ctypes.c_uint32),
        ("lost", ctypes.c_uint32),
        ("finished", ctypes.c_uint32),
        ("connections", ctypes.c_uint32),
        ("connections_most", ctypes.c_uint32),
        ("opened", ctypes.c_uint64),
        ("wakes", ctypes.c_uint64),
        ("deaf", ctypes.c_uint64),
        ("longest_wait_ns", ctypes.c_int64),
    )


REPLY = 0
OUTCOMES = (
    Outcome.OK,  # a complete reply: the adapter has the last word
    Outcome.TIMEOUT,
    Outcome.REFUSED,
    Outcome.RESET,
    Outcome.TRUNCATED,
    Outcome.STALE_CONNECTION,
    Outcome.BAD_REPLY,
    Outcome.TOO_LARGE,
    Outcome.ABANDONED,
)
"""By `end_kind`."""

REASONS = (
    "",
    "a line does not end with CR LF",
    "no HTTP/1 status line",
    "a broken header line",
    "a broken or repeated Content-Length",
    "Content-Length and chunks together",
    "a Transfer-Encoding other than chunked",
    "a broken chunk",
    "a change of protocol that nobody asked for",
    "a head of more than 64 KiB",
    "a body of more than 8 MiB",
    "more replies than requests",
    "no reply of the Redis protocol",
)
"""By `reply_error`."""

HTTP1, RESP = 0, 1
"""`wire_protocol`."""

CODINGS = ("", "gzip", "deflate", "br", "zstd", "another, or several")
"""By `content_coding`."""


def outcome_of(kind: int, system_error: int) -> Outcome:
    """The outcome to an `end_kind` and the errno that came with it."""
    outcome = OUTCOMES[kind]
    return Outcome.LOCAL_LIMIT if outcome is Outcome.REFUSED and system_error in LOCAL_ERRORS else outcome


def example_of(
    outcome: Outcome, system_error: int, reason: int, bytes_at_hand: bytes, timeout_ns: int, sent: bool
) -> str:
    """What a person should read of one such request."""
    if outcome is Outcome.TIMEOUT:
        return f"no complete reply within {timeout_ns / 1e9:g} s" if sent else "timed out waiting for a connection"
    if outcome is Outcome.ABANDONED:
        return ""
    if outcome in (Outcome.BAD_REPLY, Outcome.TOO_LARGE):
        return f"{REASONS[reason]}: {bytes_at_hand!r}" if bytes_at_hand else REASONS[reason]
    if system_error:
        return f"{errno.errorcode.get(system_error, system_error)}: {os.strerror(system_error)}"
    return "connection closed before the reply was complete"
