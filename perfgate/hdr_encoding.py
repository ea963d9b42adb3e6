"""HdrHistogram's V2 encoding: a 40-byte header, then the counts as ZigZag LEB128, runs of zeros as one negative number."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from perfgate.histogram import Geometry

COOKIE = 0x1C849303 | 0x10  # 0x10: ZigZag LEB128 words
COMPRESSED_COOKIE = 0x1C849304 | 0x10
HEADER = struct.Struct(">iiiiqqd")  # cookie, payload length, normalising offset, digits, lowest, highest, ratio
OUTER = struct.Struct(">ii")  # cookie, compressed length
LARGEST = 64 * 1024 * 1024


def encode_v2(buckets: NDArray[np.int32], counts: NDArray[np.int64], geometry: Geometry) -> bytes:
    """Sparse counts to the compressed form."""
    payload, position = bytearray(), 0
    for bucket, count in zip(buckets.tolist(), counts.tolist(), strict=True):
        if bucket > position:
            _put(payload, position - bucket)
        _put(payload, count)
        position = bucket + 1
    head = HEADER.pack(COOKIE, len(payload), 0, geometry.digits, geometry.lowest_ns, geometry.highest_ns, 1.0)
    packed = zlib.compress(head + bytes(payload), 6)
    return OUTER.pack(COMPRESSED_COOKIE, len(packed)) + packed


def decode_v2(data: bytes, geometry: Geometry) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Compressed or plain form to sparse counts. Raises ValueError naming what does not fit."""
    try:
        (cookie,) = struct.unpack_from(">i", data)
        if cookie & ~0xF0 == COMPRESSED_COOKIE & ~0xF0:
            _, length = OUTER.unpack_from(data)
            data = zlib.decompressobj().decompress(data[OUTER.size : OUTER.size + length], LARGEST)
        cookie, length, _, digits, lowest, highest, _ = HEADER.unpack_from(data)
    except (struct.error, zlib.error) as error:
        raise ValueError(f"not an HdrHistogram: {error}") from error
    if cookie & ~0xF0 != COOKIE & ~0xF0:
        raise ValueError(f"not an HdrHistogram V2: cookie {cookie & 0xFFFFFFFF:#x}")
    theirs = (lowest, highest, digits)
    ours = (geometry.lowest_ns, geometry.highest_ns, geometry.digits)
    if theirs != ours:
        raise ValueError(f"histogram geometry (lowest ns, highest ns, digits) is {theirs} where {ours} is needed")
    return _read_counts(data[HEADER.size : HEADER.size + length], geometry.length)


def _read_counts(payload: bytes, length: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    buckets, counts, bucket, position = [], [], 0, 0
    while position < len(payload):
        value, position = _get(payload, position)
        if value < 0:
            bucket -= value
            continue
        if value:
            buckets.append(bucket)
            counts.append(value)
        bucket += 1
        if bucket > length:
            raise ValueError(f"histogram with more than its geometry's {length} buckets")
    return np.array(buckets, np.int32), np.array(counts, np.int64)


def _put(payload: bytearray, value: int) -> None:
    """ZigZag LEB128 with at most 9 bytes, the ninth whole."""
    rest = (value << 1) ^ (value >> 63)
    for _ in range(8):
        if rest < 0x80:
            payload.append(rest)
            return
        payload.append(rest & 0x7F | 0x80)
        rest >>= 7
    payload.append(rest & 0xFF)


def _get(payload: bytes, position: int) -> tuple[int, int]:
    rest, shift = 0, 0
    for number in range(9):
        if position >= len(payload):
            raise ValueError("histogram cut off inside a number")
        byte = payload[position]
        position += 1
        if number == 8:
            rest |= byte << shift
            break
        rest |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return (rest >> 1) ^ -(rest & 1), position
