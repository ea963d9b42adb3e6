"""The requests of a run in the order of their times, made a little ahead of them: memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from perfgate.operation import OPERATIONS
from perfgate.plan import Plan
from perfgate.requests import Requests
from perfgate.segment import Arm, Segment
from perfgate.targets.adapter import Adapter
from perfgate.units import NS_PER_S
from perfgate_agent.exchange import Exchange
from perfgate_agent.recorder import Bucket
from perfgate_agent.seconds import seconds_of
from perfgate_agent.share import Share
from perfgate_agent.twins import candidate_first

CHUNK_NS = NS_PER_S // 4


def exchanges(
    plan: Plan, lanes: Sequence[int] | Share, segments: Sequence[Segment], adapters: Mapping[Arm, Adapter], start_ns: int,
    buckets: list[Bucket],
) -> Iterator[Exchange | None]:  # fmt: skip
    """Yields each request with its bytes ready, and None after a step that took a while and made no request.
    start_ns: the run's start on the monotonic clock.

    Appends each new bucket (a segment's second) to `buckets` before its first request, and closes it after its last.
    """
    share = Share.of(lanes)
    for second in seconds_of(segments, start_ns, plan.grouping):
        shift = second.shift_ns - start_ns
        buckets.extend(second.buckets)
        for chunk in range(second.start_ns, second.end_ns, CHUNK_NS):
            plan.window((), chunk, chunk + 1)  # the block of the plan, which is made once and then kept
            yield None
            end = min(chunk + CHUNK_NS, second.end_ns)
            for since, until, own in share.windows(chunk + shift, end + shift):
                block = plan.window(own, since - shift, until - shift, second.since_ns, second.loud)
                yield None
                yield from _encoded(block, adapters, second.shift_ns, second.buckets, plan.seed)
        second.close()


def _encoded(
    block: Requests, adapters: Mapping[Arm, Adapter], shift_ns: int, buckets: Sequence[Bucket], seed: int
) -> Iterator[Exchange]:
    """Each request for each bucket's arm: in a duet for both, in an order that is drawn anew each time."""
    orders = (tuple(buckets), tuple(reversed(buckets)))
    twins = len(buckets) > 1
    swapped = candidate_first(seed, block.index) if twins else np.zeros(len(block), dtype=np.bool_)
    rows = zip(
        (block.time_ns + shift_ns).tolist(), block.operation.tolist(), block.index.tolist(), block.key.tolist(),
        block.checked.tolist(), swapped.tolist(), strict=True,
    )  # fmt: skip
    for at_ns, code, index, key, checked, swap in rows:
        for bucket in orders[swap]:
            payload = adapters[bucket.segment.arm].encode(OPERATIONS[code], key, index)
            bucket.due += 1
            yield Exchange(at_ns, code, index, key, checked, bucket, payload)
