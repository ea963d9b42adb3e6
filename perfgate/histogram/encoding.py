"""The HdrHistogram V2 encoding: a header and zigzag LEB128 counts, compressed by zlib.

Source: `encodeIntoByteBuffer` and `ZigZagEncoding` of HdrHistogram's AbstractHistogram.java. Only bucket counts are in
it: no overflow, no exact extremes.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from perfgate.histogram.geometry import Geometry

_COOKIE = 0x1C849303 | 0x10  # the low nibble of the third byte is a relic of V1, which all implementations write
_COMPRESSED_COOKIE = 0x1C849304 | 0x10
_RELIC = 0xF0
_ENVELOPE = struct.Struct(">II")  # cookie, length of what follows
_HEADER = struct.Struct(">IIiiqqd")  # cookie, length, normalizing offset, digits, lowest, highest, conversion ratio
_MAX_TOKEN_BYTES = 8  # 55 bits and a sign: more requests than any run has
_SHIFTS = 7 * np.arange(_MAX_TOKEN_BYTES, dtype=np.uint64)


def encode_counts(buckets: NDArray[np.int32], counts: NDArray[np.int64], geometry: Geometry) -> bytes:
    """Sorted bucket indices and their positive counts (same length) as V2 bytes.

    Raises ValueError for a count of 2**55 or more.
    """
    payload = _to_leb128(_to_tokens(buckets.astype(np.int64), counts))
    header = _HEADER.pack(_COOKIE, len(payload), 0, geometry.digits, geometry.lowest_ns, geometry.highest_ns, 1.0)
    compressed = zlib.compress(header + payload)
    return _ENVELOPE.pack(_COMPRESSED_COOKIE, len(compressed)) + compressed


def decode_counts(data: bytes, geometry: Geometry) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sorted bucket indices and their positive counts. Raises ValueError for anything but V2 of `geometry`."""
    content = _decompress(data, _HEADER.size + geometry.counts_length * (_MAX_TOKEN_BYTES + 1))
    if len(content) < _HEADER.size:
        raise ValueError(f"a histogram's header has {_HEADER.size} bytes, this one has {len(content)}")
    cookie, length, offset, digits, lowest, highest, _ = _HEADER.unpack_from(content)
    _check_cookie(cookie, _COOKIE)
    if (lowest, highest, digits) != (geometry.lowest_ns, geometry.highest_ns, geometry.digits):
        raise ValueError(
            f"the histogram spans {lowest} to {highest} ns with {digits} digits; only {geometry.lowest_ns} to "
            f"{geometry.highest_ns} ns with {geometry.digits} digits can be read here"
        )
    if offset:
        raise ValueError(f"the histogram's normalizing offset is {offset}; only 0 can be read")
    payload = content[_HEADER.size : _HEADER.size + length]
    if len(payload) != length:
        raise ValueError(f"the histogram ends after {len(payload)} of {length} bytes of counts")
    return _from_tokens(_from_leb128(payload), geometry.counts_length)


def _decompress(data: bytes, limit: int) -> bytes:
    """The bytes inside the envelope; never more than `limit`, whatever the stream claims to hold."""
    if len(data) < _ENVELOPE.size:
        raise ValueError(f"a histogram has at least {_ENVELOPE.size} bytes, this one has {len(data)}")
    cookie, length = _ENVELOPE.unpack_from(data)
    _check_cookie(cookie, _COMPRESSED_COOKIE)
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data[_ENVELOPE.size : _ENVELOPE.size + length], limit)
    except zlib.error as error:
        raise ValueError(f"the histogram's bytes are damaged: {error}") from error
    if not stream.eof:
        raise ValueError("the histogram's bytes are cut short, or hold more counts than its geometry has")
    return content


def _check_cookie(cookie: int, expected: int) -> None:
    if cookie & ~_RELIC != expected & ~_RELIC:
        raise ValueError(f"{cookie:#010x} does not begin an HdrHistogram V2 encoding ({expected:#010x} does)")


def _to_tokens(indices: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts in order of the buckets, with a run of n > 1 empty buckets as -n and a single one as 0."""
    gaps = indices.copy()
    gaps[1:] -= indices[:-1] + 1
    pairs = np.empty((len(gaps), 2), dtype=np.int64)
    pairs[:, 0], pairs[:, 1] = np.where(gaps > 1, -gaps, 0), counts
    wanted = np.ones((len(gaps), 2), dtype=np.bool_)
    wanted[:, 0] = gaps > 0
    tokens: NDArray[np.int64] = pairs[wanted]
    return tokens


def _from_tokens(tokens: NDArray[np.int64], limit: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if np.any(tokens < -limit):
        raise ValueError(f"the histogram has more than the {limit} counters of its geometry")
    ends = np.cumsum(np.where(tokens < 0, -tokens, 1))
    if len(ends) and ends[-1] > limit:
        raise ValueError(f"the histogram has {ends[-1]} counters, its geometry only {limit}")
    filled = tokens > 0
    return ends[filled] - 1, tokens[filled]


def _to_leb128(tokens: NDArray[np.int64]) -> bytes:
    zigzag = ((tokens << 1) ^ (tokens >> 63)).view(np.uint64)
    if np.any(tokens >= 1 << 55):
        raise ValueError("a histogram with a count of 2**55 or more cannot be encoded")
    longest = max(1, -(-int(zigzag.max(initial=0)).bit_length() // 7))  # of a second's counts, two bytes of the eight
    groups = zigzag[:, None] >> _SHIFTS[:longest]  # [token, byte]: what is left from this byte on
    written = groups > 0
    written[:, 0] = True
    continued = np.zeros_like(written)
    continued[:, :-1] = written[:, 1:]
    return ((groups & np.uint64(0x7F)) | (continued * np.uint64(0x80)))[written].astype(np.uint8).tobytes()


def _from_leb128(payload: bytes) -> NDArray[np.int64]:
    raw = np.frombuffer(payload, dtype=np.uint8)
    if not len(raw):
        return np.zeros(0, dtype=np.int64)
    if raw[-1] & 0x80:
        raise ValueError("the histogram's counts end in the middle of a number")
    ends = np.flatnonzero(raw < 0x80)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _MAX_TOKEN_BYTES:
        raise ValueError("the histogram has a count of 2**55 or more")
    shifts = 7 * (np.arange(len(raw)) - np.repeat(starts, lengths))
    zigzag = np.add.reduceat((raw & 0x7F).astype(np.int64) << shifts, starts)
    return (zigzag >> 1) ^ -(zigzag & 1)
