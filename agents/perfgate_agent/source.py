"""The requests of a run in the order of their times, made a little ahead of them: memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from perfgate.operation import OPERATIONS
from perfgate.plan import Plan
from perfgate.requests import Requests
from perfgate.segment import Arm, Segment, stretches
from perfgate.targets.adapter import Adapter
from perfgate.units import NS_PER_S
from perfgate_agent.exchange import Exchange
from perfgate_agent.recorder import Bucket

CHUNK_NS = NS_PER_S // 4


def exchanges(
    plan: Plan, lanes: Sequence[int], segments: Sequence[Segment], adapters: Mapping[Arm, Adapter], start_ns: int,
    buckets: list[Bucket],
) -> Iterator[Exchange | None]:  # fmt: skip
    """Yields each request with its bytes ready, and None after a step that took a while and made no request.
    start_ns: the run's start on the monotonic clock.

    Appends each new bucket (a segment's second) to `buckets` before its first request, and closes it after its last.
    """
    since = stretches(segments)
    for segment in segments:
        shift = segment.offset_ns - segment.plan_start_ns
        for start in range(segment.plan_start_ns, segment.plan_end_ns, NS_PER_S):
            end = min(start + NS_PER_S, segment.plan_end_ns)
            bucket = Bucket(segment, start + shift, end + shift, start_ns)
            buckets.append(bucket)
            for chunk in range(start, end, CHUNK_NS):
                plan.window((), chunk, chunk + 1)  # the block of the plan, which is made once and then kept
                yield None
                block = plan.window(lanes, chunk, min(chunk + CHUNK_NS, end), since[segment.arm, segment.number])
                yield None
                yield from _encoded(block, adapters[segment.arm], start_ns + shift, bucket)
            bucket.closed = True


def _encoded(block: Requests, adapter: Adapter, shift_ns: int, bucket: Bucket) -> Iterator[Exchange]:
    rows = zip(
        (block.time_ns + shift_ns).tolist(), block.operation.tolist(), block.index.tolist(), block.key.tolist(),
        block.checked.tolist(), strict=True,
    )  # fmt: skip
    for at_ns, code, index, key, checked in rows:
        exchange = Exchange(at_ns, code, index, key, checked, bucket, adapter.encode(OPERATIONS[code], key, index))
        bucket.due += 1
        yield exchange
