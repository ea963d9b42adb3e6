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
from perfgate.targets.adapter import Adapter, BlockEncoder, encode_each
from perfgate.units import NS_PER_MS, NS_PER_S
from perfgate_agent.pages import PAGE_BYTES, Pages
from perfgate_agent.recorder import Bucket
from perfgate_agent.seconds import Second, seconds_of
from perfgate_agent.share import FOREVER, Share
from perfgate_agent.slots import Slots
from perfgate_agent.twins import candidate_first, interleaved

AHEAD_NS = 250 * NS_PER_MS
"""Requests are ready so long before their time: several turns of the feeder, even where another process delays one."""
AHEAD_LEAST_NS = 90 * NS_PER_MS
AHEAD_REQUESTS = 1_500
"""Or so many, where that is less time: some 15 MB with 768 floats each."""
TURNS = 3
"""Turns of the feeder in the time that requests are ahead. Each costs a wake-up, so few are better."""
PIECE_NS = 100 * NS_PER_MS
PIECE_BYTES = 5 << 19
PIECE_LEAST, PIECE_MOST = 256, 1_024
"""A piece is encoded at once: at most so long a time and so many requests (256 with 768 floats each, more where they are
small: each piece costs as much as some 50 requests)."""
HEAD_BYTES, FLOAT_BYTES = 400, 12
"""About what a request has beside its vector, and what a float takes as text."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Requests of one bucket, sorted by time; of two in a duet, where both arms get them at the same times. `shift_ns`
    leads from the plan's time to the monotonic clock. seed: of the order of twins."""

    buckets: tuple[int, ...]
    segments: tuple[Segment, ...]
    block: Requests
    shift_ns: int
    seed: int = 0

    def __len__(self) -> int:
        """How many requests are sent."""
        return len(self.block) * len(self.segments)

    @property
    def last_ns(self) -> int:
        """When the last of them is due, on the monotonic clock; before all times where there are none."""
        return int(self.block.time_ns[-1]) + self.shift_ns if len(self.block) else -FOREVER


class Feeder:
    """Feeds one run. `submit` hands slots to the engine; `buckets` are appended to as the run gets to them."""

    def __init__(
        self, slots: Slots, adapters: Mapping[Arm, Adapter], submit: Callable[[NDArray[np.uint32]], None],
        pieces: Iterator[Piece], buckets: Mapping[int, Bucket], ahead_ns: int,
    ) -> None:  # fmt: skip
        self._slots = slots
        self._encoders = {arm: _Encoder(adapter, slots.pages) for arm, adapter in adapters.items()}
        self._submit = submit
        self._pieces = pieces
        self._buckets = buckets
        self._shapes = {arm: _Shapes(adapter) for arm, adapter in adapters.items()}
        self._ahead_ns = ahead_ns
        self._held: Piece | None = None  # made, but there was no room for it
        self._newest_ns = 0
        self.permit_ns = FOREVER
        """On the monotonic clock: what is due from then on must not be sent (yet)."""
        self.exhausted = False

    def fill_until(self, now_ns: int) -> None:
        """Submit all that is due within the time that requests are to be ahead."""
        while self._newest_ns < now_ns + self._ahead_ns and self._next() is not None:
            pass

    def fill_up(self, count: int) -> None:
        """Submit `count` requests or a few more, whatever their times: for a closed loop."""
        while count > 0 and (submitted := self._next()) is not None:
            count -= submitted

    def _next(self) -> int | None:
        """Submit a piece: how many requests it had; None when there are no more, no room, or no permit."""
        if self.exhausted:
            return None
        piece = self._held or next(self._pieces, None)
        self._held = None
        if piece is None:
            self.exhausted = True
            return None
        if len(piece) > self._slots.free or piece.last_ns >= self.permit_ns:
            self._held = piece
            return None
        self._feed(piece)
        return len(piece)

    def _feed(self, piece: Piece) -> None:
        block = piece.block
        if not len(block):
            return
        slots = [self._fill(piece, *part) for part in zip(piece.buckets, piece.segments, strict=True)]
        self._newest_ns = int(block.time_ns[-1]) + piece.shift_ns
        if len(slots) == 1:
            self._submit(slots[0])
        else:
            base, candidate = slots
            self._submit(interleaved(base, candidate, candidate_first(piece.seed, block.index)))

    def _fill(self, piece: Piece, bucket: int, segment: Segment) -> NDArray[np.uint32]:
        """The slots of the piece's requests to one arm, with all that the engine must know of them."""
        block, arm = piece.block, segment.arm
        count = len(block)
        addresses, sizes, pages = self._encoders[arm].written(block)
        slots = self._slots.take(pages)
        table, shapes = self._slots.requests, self._shapes[arm]
        table["at_ns"][slots] = block.time_ns + piece.shift_ns
        table["bytes"][slots] = addresses
        table["size"][slots] = sizes
        table["segment"][slots] = segment.number
        table["want_status"][slots] = shapes.status[block.operation]
        table["want_first"][slots] = shapes.first[block.operation]
        table["arm"][slots] = arm
        table["keep"][slots] = block.checked
        table["measured"][slots] = segment.kind is SegmentKind.MEASURED
        known = self._slots
        known.code[slots], known.index[slots], known.key[slots] = block.operation, block.index, block.key
        known.checked[slots], known.bucket[slots] = block.checked, bucket
        self._buckets[bucket].due += count
        return slots


def ahead_ns(rate: float) -> int:
    """How long before their time requests are made ready, at `rate` a second."""
    return max(AHEAD_LEAST_NS, min(AHEAD_NS, round(AHEAD_REQUESTS / rate * NS_PER_S) if rate else AHEAD_NS))


def piece_requests(embedding_dim: int) -> int:
    """How many requests a piece has at most."""
    return max(PIECE_LEAST, min(PIECE_MOST, PIECE_BYTES // (HEAD_BYTES + FLOAT_BYTES * embedding_dim)))


class _Encoder:
    """Writes the bytes of one arm's requests into pages, in whatever way its adapter is quickest."""

    def __init__(self, adapter: Adapter, pages: Pages) -> None:
        self._adapter = adapter
        self._block = adapter.encode_block if isinstance(adapter, BlockEncoder) else None
        self._pages = pages

    def written(self, block: Requests) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.int64]]:
        """Addresses, sizes and pages of a block's requests. Each is written as soon as it is encoded, so that there is never
        more than one beside the pages."""
        if self._block is None:
            return self._pages.write(encode_each(self._adapter, block))
        payload, offsets, sizes = self._block(block)
        if len(payload) > PAGE_BYTES // 2:
            ends = (offsets + sizes).tolist()
            return self._pages.write(payload[start:end] for start, end in zip(offsets.tolist(), ends, strict=True))
        address, page = self._pages.write_shared(payload, len(block))
        return offsets + np.uint64(address), sizes, np.full(len(block), page, np.int64)


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
    plan: Plan, lanes: tuple[int, ...] | Share, segments: tuple[Segment, ...], start_ns: int,
    buckets: dict[int, Bucket], listed: list[Bucket],
) -> Iterator[Piece]:  # fmt: skip
    """All requests of a run that starts at `start_ns`, piece by piece. A new bucket (a segment's second) is put into
    `buckets` and `listed` before its first piece, and closed after its last."""
    number, share, most = 0, Share.of(lanes), piece_requests(plan.scenario.data.embedding_dim)
    for second in seconds_of(segments, start_ns, plan.grouping):
        numbers = tuple(range(number, number + len(second.buckets)))
        buckets.update(zip(numbers, second.buckets, strict=True))
        listed.extend(second.buckets)
        for begin in range(second.start_ns, second.end_ns, PIECE_NS):
            for block in _blocks(plan, share, begin, min(begin + PIECE_NS, second.end_ns), second, start_ns):
                for first in range(0, len(block), most):
                    part = block.take(slice(first, first + most))
                    yield Piece(numbers, second.segments, part, second.shift_ns, plan.seed)
        second.close()
        number += len(numbers)


def _blocks(plan: Plan, share: Share, begin: int, end: int, second: Second, start_ns: int) -> Iterator[Requests]:
    """The requests of a window of the plan: more than one block where lanes are taken over inside it."""
    shift = second.shift_ns - start_ns
    for since, until, lanes in share.windows(begin + shift, end + shift):
        yield plan.window(lanes, since - shift, until - shift, second.since_ns, second.loud)
