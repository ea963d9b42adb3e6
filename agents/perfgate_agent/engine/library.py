"""Loads the compiled engine, if it is there: `compile.py` makes it when perfgate is installed."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from perfgate_agent.engine.records import ENDING, HTTP1, REQUEST, Settings, State

LIBRARY = Path(__file__).with_name("_engine.so")


class Library:
    """The functions of engine.h. Those that may wait let go of the interpreter's lock; the others are too short."""

    def __init__(self, path: Path) -> None:
        waits, quick = ctypes.CDLL(str(path)), ctypes.PyDLL(str(path))
        pointer, u32, i64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64
        self.new = _function(quick, "engine_new", pointer, ctypes.POINTER(Settings))
        self.address = _function(quick, "engine_address", ctypes.c_int, pointer, u32, ctypes.c_char_p, u32)
        self.requests = _function(quick, "engine_requests", pointer, pointer)
        self.status = _function(quick, "engine_status", ctypes.POINTER(State), pointer)
        self.submit = _function(quick, "engine_submit", None, pointer, pointer, u32)
        self.window = _function(quick, "engine_window", None, pointer, i64, i64)
        self.no_more = _function(quick, "engine_no_more", None, pointer)
        self.stop = _function(quick, "engine_stop", None, pointer, i64)
        self.drain = _function(quick, "engine_drain", u32, pointer, pointer, u32)
        self.take_bodies = _function(quick, "engine_take_bodies", None, pointer, u32, pointer)
        self.free_body = _function(quick, "engine_free_body", None, pointer)
        self.open = _function(waits, "engine_open", None, pointer)
        self.run = _function(waits, "engine_run", ctypes.c_int, pointer)
        self.delete = _function(waits, "engine_delete", None, pointer)
        _function(quick, "resp_feed", None, pointer, pointer, ctypes.c_size_t)  # an older library has none
        self.parse = _function(
            quick, "reply_parse", None, ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_size_t), ctypes.c_size_t,
            ctypes.c_int, ctypes.c_int, ctypes.POINTER(Parsed),
        )  # fmt: skip
        sizes = (u32 * 4)()
        _function(quick, "engine_sizes", None, pointer)(ctypes.addressof(sizes))
        ours = [REQUEST.itemsize, ENDING.itemsize, ctypes.sizeof(Settings), ctypes.sizeof(State)]
        if list(sizes) != ours:
            raise OSError(
                f"{path.name} was built from other sources (its records have {list(sizes)} bytes, not {ours})"
            )


class Parsed(ctypes.Structure):
    """`parsed` of reply.h: what one reply came to."""

    _fields_ = (
        ("state", ctypes.c_uint8),
        ("error", ctypes.c_uint8),
        ("keep_alive", ctypes.c_uint8),
        ("coding", ctypes.c_uint8),
        ("status", ctypes.c_uint16),
        ("body_size", ctypes.c_uint64),
        ("body", ctypes.c_void_p),
    )


@lru_cache(maxsize=1)
def library() -> Library | None:
    """None where the engine was not compiled or does not fit."""
    try:
        return Library(LIBRARY)
    except (OSError, AttributeError):
        return None


def parse_reply(
    chunks: Sequence[bytes], closed: bool = False, protocol: int = HTTP1
) -> tuple[int, bytes, bool] | str | None:
    """What the engine makes of a reply that comes in these pieces: (status, body, keep alive); the reason in words when it
    is none; None when more must come. closed: the connection ends after them. protocol: as in `records`. Raises OSError
    without an engine."""
    from perfgate_agent.engine.records import REASONS

    loaded = library()
    if loaded is None:
        raise OSError("the engine is not compiled")
    out = Parsed()
    texts = (ctypes.c_char_p * len(chunks))(*chunks)
    sizes = (ctypes.c_size_t * len(chunks))(*map(len, chunks))
    loaded.parse(texts, sizes, len(chunks), closed, protocol, ctypes.byref(out))
    try:
        if out.state == _FAILED:
            return REASONS[out.error]
        if out.state != _DONE:
            return None
        return out.status, ctypes.string_at(out.body, out.body_size) if out.body_size else b"", bool(out.keep_alive)
    finally:
        loaded.free_body(out.body)


_DONE, _FAILED = 8, 9  # of reply_state


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> ctypes._NamedFuncPointer:
    function: ctypes._NamedFuncPointer = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function
