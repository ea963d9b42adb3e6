"""Turns windows of the plan into requests that the engine can send, ahead of their time and within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.operation import OPERATIONS
from perfgate.plan import Plan
from perfgate.requests import Requests
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.adapter import Adapter, encode_block
from perfgate.units import NS_PER_MS, NS_PER_S
from perfgate_agent.recorder import Bucket
from perfgate_agent.slots import Slots, address_of

AHEAD_NS = 120 * NS_PER_MS
"""Requests are ready so long before their time: several turns of the feeder, even where another process delays one."""
PIECE_NS = 100 * NS_PER_MS
PIECE_REQUESTS = 256
"""A piece is encoded at once: at most so long a time and so many requests (some 2.5 MB with 768 floats each)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Requests of one bucket, sorted by time. `shift_ns` leads from the plan's time to the monotonic clock."""

    bucket: int
    segment: Segment
    block: Requests
    shift_ns: int


class Feeder:
    """Feeds one run. `submit` hands slots to the engine; `buckets` are appended to as the run gets to them."""

    def __init__(
        self, slots: Slots, adapters: Mapping[Arm, Adapter], submit: Callable[[NDArray[np.uint32]], None],
        pieces: Iterator[Piece], buckets: Mapping[int, Bucket],
    ) -> None:  # fmt: skip
        self._slots = slots
        self._adapters = adapters
        self._submit = submit
        self._pieces = pieces
        self._buckets = buckets
        self._shapes = {arm: _Shapes(adapter) for arm, adapter in adapters.items()}
        self._held: Piece | None = None  # made, but there was no room for it
        self._newest_ns = 0
        self.exhausted = False

    def fill(self, now_ns: int, least: int = 0) -> None:
        """Submit until enough is ready: all that is due within AHEAD_NS, or `least` requests, whatever their times."""
        submitted = 0
        while not self.exhausted and (self._newest_ns < now_ns + AHEAD_NS or submitted < least):
            piece = self._held or next(self._pieces, None)
            self._held = None
            if piece is None:
                self.exhausted = True
            elif len(piece.block) > self._slots.free:
                self._held = piece
                return
            else:
                self._feed(piece)
                submitted += len(piece.block)

    def _feed(self, piece: Piece) -> None:
        block, arm = piece.block, piece.segment.arm
        count = len(block)
        if not count:
            return
        payload, offsets, sizes = encode_block(self._adapters[arm], block)
        slots = self._slots.take(payload, count)
        table, shapes = self._slots.requests, self._shapes[arm]
        table["at_ns"][slots] = block.time_ns + piece.shift_ns
        table["bytes"][slots] = offsets + np.uint64(address_of(payload))
        table["size"][slots] = sizes
        table["segment"][slots] = piece.segment.number
        table["want_status"][slots] = shapes.status[block.operation]
        table["want_first"][slots] = shapes.first[block.operation]
        table["arm"][slots] = arm
        table["keep"][slots] = block.checked
        table["measured"][slots] = piece.segment.kind is SegmentKind.MEASURED
        known = self._slots
        known.code[slots], known.index[slots], known.key[slots] = block.operation, block.index, block.key
        known.checked[slots], known.bucket[slots] = block.checked, piece.bucket
        self._buckets[piece.bucket].due += count
        self._newest_ns = int(block.time_ns[-1]) + piece.shift_ns
        self._submit(slots)


class _Shapes:
    """What good replies look like, by position in OPERATIONS."""

    def __init__(self, adapter: Adapter) -> None:
        self.status = np.zeros(len(OPERATIONS), dtype=np.uint16)
        self.first = np.full(len(OPERATIONS), -1, dtype=np.int16)
        for code, operation in enumerate(OPERATIONS):
            if operation in adapter.operations:
                shape = adapter.shape(operation)
                self.status[code] = shape.status
                self.first[code] = shape.first[0] if shape.first else -1


def pieces(
    plan: Plan, lanes: tuple[int, ...], segments: tuple[Segment, ...], start_ns: int, buckets: dict[int, Bucket],
    listed: list[Bucket],
) -> Iterator[Piece]:  # fmt: skip
    """All requests of a run that starts at `start_ns`, piece by piece. A new bucket (a segment's second) is put into
    `buckets` and `listed` before its first piece, and closed after its last."""
    number = 0
    for segment in segments:
        shift = segment.offset_ns - segment.plan_start_ns
        for start in range(segment.plan_start_ns, segment.plan_end_ns, NS_PER_S):
            end = min(start + NS_PER_S, segment.plan_end_ns)
            bucket = Bucket(segment, start + shift, end + shift, start_ns)
            buckets[number] = bucket
            listed.append(bucket)
            for begin in range(start, end, PIECE_NS):
                block = plan.window(lanes, begin, min(begin + PIECE_NS, end))
                for first in range(0, len(block), PIECE_REQUESTS):
                    yield Piece(number, segment, block.take(slice(first, first + PIECE_REQUESTS)), start_ns + shift)
            bucket.closed = True
            number += 1
