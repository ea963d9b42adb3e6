"""`python -m benchmarks.scale.merge`: CPU time that the controller takes for one interval, step by step, without a network."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from perfgate_controller.collect import Collector

from benchmarks.scale.agents import make_interval
from perfgate.interval import Interval
from perfgate.interval_log import IntervalWriter
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.units import NS_PER_S
from perfgate.wire.convert import interval_from_wire, interval_to_wire
from perfgate.wire.v1 import wire_pb2 as pb


def messages(agents: int, seconds: int, requests: int) -> list[bytes]:
    """As they come in: second by second."""
    random, found = np.random.default_rng(1), []
    for second in range(seconds):
        for agent in range(agents):
            message = interval_to_wire(make_interval(random, requests))
            message.start_ns, message.end_ns = second * NS_PER_S, (second + 1) * NS_PER_S
            message.worker = f"agent-{agent}/0"
            found.append(message.SerializeToString())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("agents", 100), ("seconds", 10), ("requests", 300)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    wire = messages(given.agents, given.seconds, given.requests)
    segment = Segment(0, Arm.BASE, SegmentKind.MEASURED, 0, 0, given.seconds * NS_PER_S, 0)
    collector = Collector([segment], lambda interval: None)
    taken: list[pb.Interval] = []
    intervals: list[Interval] = []

    def timed(what: str, work: Callable[[], object]) -> None:
        before = time.process_time_ns()
        work()
        print(f"{what:<32}{(time.process_time_ns() - before) / len(wire) / 1e3:8.0f} us")

    print(f"{len(wire):,} intervals of {sum(map(len, wire)) / len(wire):,.0f} bytes")
    with tempfile.TemporaryDirectory() as name, IntervalWriter(Path(name) / "intervals.jsonl") as log:
        timed("protobuf", lambda: taken.extend(map(pb.Interval.FromString, wire)))
        timed("interval_from_wire", lambda: intervals.extend(map(interval_from_wire, taken)))
        timed("Collector.take (without the log)", lambda: list(map(collector.take, intervals)))
        timed("IntervalWriter.append", lambda: [log.append(0, interval) for interval in intervals])
    print(f"{collector.segment(0).total:,} requests merged")


if __name__ == "__main__":
    main()
