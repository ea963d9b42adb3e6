"""The requests of a run in the order of their times, made a little ahead of them: memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from perfgate.operation import OPERATIONS
from perfgate.plan import Plan
from perfgate.segment import Arm, Segment
from perfgate.targets.adapter import Adapter
from perfgate.units import NS_PER_S
from perfgate_agent.exchange import Exchange
from perfgate_agent.recorder import Bucket

CHUNK_NS = NS_PER_S // 4


def exchanges(
    plan: Plan, lanes: Sequence[int], segments: Sequence[Segment], adapters: Mapping[Arm, Adapter], start_ns: int,
    buckets: list[tuple[Segment, Bucket]],
) -> Iterator[tuple[Segment, Exchange]]:  # fmt: skip
    """Yields each request with its segment, its bytes ready. start_ns: the run's start on the monotonic clock.

    Appends each new bucket (a segment's second) to `buckets` before its first request, and closes it after its last.
    """
    for segment in segments:
        for start in range(segment.plan_start_ns, segment.plan_end_ns, NS_PER_S):
            end = min(start + NS_PER_S, segment.plan_end_ns)
            shift = segment.offset_ns - segment.plan_start_ns
            bucket = Bucket(segment.number, start + shift, end + shift, start_ns)
            buckets.append((segment, bucket))
            for chunk in range(start, end, CHUNK_NS):
                yield from _chunk(
                    plan,
                    lanes,
                    segment,
                    adapters[segment.arm],
                    start_ns + shift,
                    chunk,
                    min(chunk + CHUNK_NS, end),
                    bucket,
                )
            bucket.closed = True


def _chunk(
    plan: Plan, lanes: Sequence[int], segment: Segment, adapter: Adapter, shift_ns: int, start: int, end: int,
    bucket: Bucket,
) -> Iterator[tuple[Segment, Exchange]]:  # fmt: skip
    block = plan.window(lanes, start, end)
    rows = zip(
        (block.time_ns + shift_ns).tolist(), block.operation.tolist(), block.index.tolist(), block.key.tolist(),
        block.checked.tolist(), strict=True,
    )  # fmt: skip
    for at_ns, code, index, key, checked in rows:
        exchange = Exchange(at_ns, code, index, key, checked, bucket)
        exchange.payload = adapter.encode(OPERATIONS[code], key, index)
        bucket.due += 1
        yield segment, exchange
