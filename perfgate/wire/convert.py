"""Nouns to protobuf and back. Nothing else knows how they look on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from perfgate.address import Address
from perfgate.histogram import Histogram
from perfgate.interval import RECALL_STEPS, Interval, OperationInterval
from perfgate.load_report import LoadReport
from perfgate.operation import OPERATIONS, Operation
from perfgate.outcome import by_code
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.usage import ThreadUsage, Usage
from perfgate.wire.v1 import wire_pb2 as pb

GEOMETRY = 1


def histogram_to_wire(histogram: Histogram) -> pb.Histogram:
    """Buckets as steps from the one before, which are small numbers and so few bytes."""
    steps = np.diff(histogram.buckets, prepend=0)
    return pb.Histogram(
        bucket_steps=steps.tolist(),
        counts=histogram.counts.tolist(),
        overflow=histogram.overflow,
        min_ns=histogram.min_ns,
        max_ns=histogram.max_ns,
        geometry=GEOMETRY,
    )


def histogram_from_wire(message: pb.Histogram) -> Histogram:
    """Raises ValueError for a geometry this version does not know, or parts that do not fit together."""
    if message.geometry not in (0, GEOMETRY):
        raise ValueError(f"histogram geometry {message.geometry} is unknown here: install the same perfgate everywhere")
    if len(message.bucket_steps) != len(message.counts):
        raise ValueError(f"histogram with {len(message.bucket_steps)} buckets and {len(message.counts)} counts")
    return Histogram(
        buckets=np.cumsum(np.array(message.bucket_steps, dtype=np.int64)).astype(np.int32),
        counts=np.array(message.counts, dtype=np.int64),
        overflow=message.overflow,
        min_ns=message.min_ns,
        max_ns=message.max_ns,
    )


def interval_to_wire(interval: Interval) -> pb.Interval:
    return pb.Interval(
        segment=interval.segment,
        start_ns=interval.start_ns,
        end_ns=interval.end_ns,
        due=interval.due,
        sent=interval.sent,
        last_done_ns=interval.last_done_ns,
        operations=_operations_to_wire(interval.operations),
        lag=histogram_to_wire(interval.lag),
        wait=histogram_to_wire(interval.wait),
        worker=interval.worker,
        examples=interval.examples,
        spaces=[
            pb.SpaceInterval(name=name, operations=_operations_to_wire(parts))
            for name, parts in interval.spaces.items()
        ],
    )


def _operations_to_wire(parts: Mapping[Operation, OperationInterval]) -> list[pb.OperationInterval]:
    return [
        pb.OperationInterval(
            operation=OPERATIONS.index(name),
            response=histogram_to_wire(part.response),
            service=histogram_to_wire(part.service),
            outcomes=part.outcomes,
            checked=part.checked,
            found=part.found,
            expected=part.expected,
            failed=part.failed,
            recalls=part.recalls,
        )
        for name, part in parts.items()
    ]


def interval_from_wire(message: pb.Interval) -> Interval:
    """Raises ValueError for kinds of outcome this version does not know."""
    return Interval(
        segment=message.segment,
        start_ns=message.start_ns,
        end_ns=message.end_ns,
        due=message.due,
        sent=message.sent,
        last_done_ns=message.last_done_ns,
        operations=_operations_from_wire(message.operations),
        lag=histogram_from_wire(message.lag),
        wait=histogram_from_wire(message.wait),
        worker=message.worker,
        examples=tuple(message.examples),
        spaces={part.name: _operations_from_wire(part.operations) for part in message.spaces},
    )


def _operations_from_wire(messages: Iterable[pb.OperationInterval]) -> dict[Operation, OperationInterval]:
    return {
        OPERATIONS[part.operation]: OperationInterval(
            response=histogram_from_wire(part.response),
            service=histogram_from_wire(part.service),
            outcomes=by_code(tuple(part.outcomes)),
            checked=part.checked,
            found=part.found,
            expected=part.expected,
            failed=tuple(part.failed),
            recalls=_recalls(part),
        )
        for part in messages
    }


def _recalls(message: pb.OperationInterval) -> tuple[int, ...]:
    if len(message.recalls) not in (0, RECALL_STEPS + 1):
        raise ValueError(f"recall counted in {len(message.recalls)} steps: install the same perfgate everywhere")
    return tuple(message.recalls)


ADDRESS_FIELDS = tuple(Address.__dataclass_fields__)


def address_to_wire(address: Address, arm: Arm = Arm.BASE) -> pb.Address:
    return pb.Address(arm=int(arm), **{name: getattr(address, name) for name in ADDRESS_FIELDS})


def address_from_wire(message: pb.Address) -> Address:
    return Address(**{name: getattr(message, name) for name in ADDRESS_FIELDS})


def segment_to_wire(segment: Segment) -> pb.Segment:
    return pb.Segment(
        number=segment.number,
        arm=int(segment.arm),
        kind=segment.kind.value,
        couple=segment.couple,
        plan_start_ns=segment.plan_start_ns,
        plan_end_ns=segment.plan_end_ns,
        offset_ns=segment.offset_ns,
    )


def segment_from_wire(message: pb.Segment) -> Segment:
    """Raises ValueError for an arm or a kind that this version does not know."""
    return Segment(
        number=message.number,
        arm=Arm(message.arm),
        kind=SegmentKind(message.kind),
        couple=message.couple,
        plan_start_ns=message.plan_start_ns,
        plan_end_ns=message.plan_end_ns,
        offset_ns=message.offset_ns,
    )


REPORT_FIELDS = tuple(name for name in LoadReport.__dataclass_fields__ if name != "usage")


def report_to_wire(report: LoadReport) -> pb.WorkerReport:
    """What older controllers read of a worker's usage stands beside the whole of it."""
    usage = report.usage
    return pb.WorkerReport(
        **{name: getattr(report, name) for name in REPORT_FIELDS},
        cpu_ns=usage.cpu_ns,
        wall_ns=usage.wall_ns,
        involuntary_switches=usage.involuntary_switches,
        usage=usage_to_wire(usage),
    )


def report_from_wire(message: pb.WorkerReport) -> LoadReport:
    return LoadReport(**{name: getattr(message, name) for name in REPORT_FIELDS}, usage=usage_from_wire(message.usage))


THREAD_FIELDS = tuple(ThreadUsage.__dataclass_fields__)
USAGE_FIELDS = tuple(name for name in Usage.__dataclass_fields__ if name not in ("cpus", "threads"))


def usage_to_wire(usage: Usage) -> pb.Usage:
    return pb.Usage(
        **{name: getattr(usage, name) for name in USAGE_FIELDS},
        cpus=usage.cpus,
        threads=[pb.ThreadUsage(**{name: getattr(one, name) for name in THREAD_FIELDS}) for one in usage.threads],
    )


def usage_from_wire(message: pb.Usage) -> Usage:
    """What the other side did not know is None, as it was."""
    return Usage(
        **{name: _maybe(message, name) for name in USAGE_FIELDS},
        cpus=tuple(message.cpus),
        threads=tuple(ThreadUsage(**{name: _maybe(one, name) for name in THREAD_FIELDS}) for one in message.threads),
    )


def _maybe(message: pb.Usage | pb.ThreadUsage, name: str) -> Any:
    if message.DESCRIPTOR.fields_by_name[name].has_presence and not message.HasField(name):
        return None
    return getattr(message, name)
