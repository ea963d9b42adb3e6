"""Logical agents, many to a process: what an agent says on the wire, of intervals that were made beforehand.

Each has an address of its own on loopback, and so a connection of its own. All end their intervals at the same moment, which is
the worst that a controller can meet.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np

from perfgate import __version__
from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.operation import OPERATIONS
from perfgate.outcome import OUTCOMES
from perfgate.units import NS_PER_S
from perfgate.wire.convert import interval_to_wire
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.v1 import wire_pb2_grpc as rpc
from perfgate.wire.version import PROTOCOL

TEMPLATES = 64
"""Different intervals, which agents and seconds take in turn."""
MEDIANS_US = (800, 1_600, 2_400)
SIGMA = 0.5


def address_of(agent: int, port: int) -> str:
    """127.0.0.0/8 is loopback as a whole."""
    return f"127.{1 + agent // 62_500}.{agent // 250 % 250}.{1 + agent % 250}:{port}"


def make_interval(random: np.random.Generator, requests: int) -> Interval:
    """A second of three operations with `requests` replies each, log-normal, as one worker records it."""

    def durations(count: int, median_us: float, sigma: float) -> Histogram:
        return Histogram.of((random.lognormal(np.log(median_us), sigma, count) * 1e3).astype(np.int64))

    operations = {
        operation: OperationInterval(
            response=durations(requests, median, SIGMA),
            service=durations(requests, 0.95 * median, SIGMA),
            outcomes=(requests,) + (0,) * (len(OUTCOMES) - 1),
        )
        for operation, median in zip(OPERATIONS, MEDIANS_US, strict=False)
    }
    total = requests * len(operations)
    lag, wait = durations(total, 20, 0.6), durations(total, 2, 0.6)
    return Interval(0, 0, NS_PER_S, total, total, NS_PER_S, operations, lag, wait)


class LogicalAgents(rpc.AgentServicer):
    """lateness_ns: how long after the end of an interval it had been handed to gRPC: the generator's own share of the delay."""

    def __init__(self, seconds: int, requests: int) -> None:
        random = np.random.default_rng(1)
        self._seconds = seconds
        self._intervals = [interval_to_wire(make_interval(random, requests)) for _ in range(TEMPLATES)]
        self.lateness_ns: list[int] = []

    async def Describe(self, request: pb.DescribeRequest, context: Any) -> pb.Description:
        return pb.Description(protocol=PROTOCOL, perfgate_version=__version__, name="logical", workers=1)

    async def Session(self, commands: AsyncIterator[pb.Command], context: Any) -> None:
        number, playing, writing = 0, None, asyncio.Lock()
        async for command in commands:
            name = command.WhichOneof("command")
            if name == "hello":
                number = int(command.hello.run)
            elif name == "start_at":
                playing = asyncio.create_task(self._play(number, command.start_at.monotonic_ns, context, writing))
            answer = _answer(command, name)
            if answer is not None:
                async with writing:  # one at a time, as gRPC wants it
                    await context.write(answer)
        if playing is not None:
            playing.cancel()

    async def _play(self, number: int, start_ns: int, context: Any, writing: asyncio.Lock) -> None:
        for second in range(self._seconds):
            message = self._intervals[(number * 7 + second) % TEMPLATES]
            interval = pb.Interval()
            interval.CopyFrom(message)
            interval.start_ns, interval.end_ns = second * NS_PER_S, (second + 1) * NS_PER_S
            interval.worker = f"agent-{number}/0"
            due_ns = start_ns + interval.end_ns
            await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / NS_PER_S)
            async with writing:
                await context.write(pb.Event(intervals=pb.IntervalBatch(intervals=[interval], epoch=1)))
            self.lateness_ns.append(time.monotonic_ns() - due_ns)
        report = pb.WorkerReport(worker=f"agent-{number}/0")
        async with writing:
            await context.write(pb.Event(load_finished=pb.LoadFinished(workers=[report], epoch=1)))


def _answer(command: pb.Command, name: str | None) -> pb.Event | None:
    if name == "hello":
        welcome = pb.Welcome(protocol=PROTOCOL, perfgate_version=__version__, agent="logical", lease="x")
        return pb.Event(reply_to=command.id, welcome=welcome)
    if name == "heartbeat":
        return pb.Event(alive=pb.Alive())
    if name == "clock_probe":
        reading = pb.ClockReading(monotonic_ns=time.monotonic_ns(), wall_ns=time.time_ns())
        return pb.Event(reply_to=command.id, clock_reading=reading)
    if name == "prepare_load":
        return pb.Event(reply_to=command.id, load_ready=pb.LoadReady(workers=1))
    if name == "start_at":
        return pb.Event(reply_to=command.id, load_started=pb.LoadStarted(monotonic_ns=command.start_at.monotonic_ns))
    return None


async def serve(first: int, count: int, port: int, seconds: int, requests: int) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    agents = LogicalAgents(seconds, requests)
    rpc.add_AgentServicer_to_server(agents, server)  # type: ignore[no-untyped-call]
    for agent in range(first, first + count):
        server.add_insecure_port(address_of(agent, port))
    await server.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)  # whoever started this says when it is over
    late = sorted(agents.lateness_ns) or [0]
    print(f"{late[len(late) // 2]} {late[int(len(late) * 0.99)]} {time.process_time_ns()}", flush=True)
    await server.stop(None)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("first", "count", "port", "seconds", "requests", "cpu"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {given.cpu})
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    asyncio.run(serve(given.first, given.count, given.port, given.seconds, given.requests))


if __name__ == "__main__":
    main()
