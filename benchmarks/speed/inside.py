"""What happens inside perfgate, without a server: recording, merging, encoding; and what sending costs beside it."""

from __future__ import annotations

import socket
import time
from array import array
from collections.abc import Callable
from itertools import islice, repeat
from typing import Any

import numpy as np

from benchmarks.speed.ours import Order, plan_of, target_of
from perfgate.dataset import build_dataset
from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.operation import OPERATIONS, Operation
from perfgate.outcome import OUTCOMES
from perfgate.targets.adapter import Adapter, make_adapter
from perfgate.targets.load import target_from_json

AGENTS = 100
RATE = 1_000
OPERATIONS_OF_THE_MIX = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)
REQUESTS = 3_000


def recording_ns(samples: int, outlier: bool = False, repeats: int = 200) -> float:
    """ns of CPU a sample: a second's raw samples, as a worker holds them, become a histogram."""
    values = array("q", _latencies(samples, seed=1).tolist())
    if outlier:
        values[0] = 10**9  # one stall of a second spreads the buckets
    return _median_ns(lambda: Histogram.of(values), repeats) / samples


def merging_ms(repeats: int = 30) -> float:
    """ms to merge one second of 100 agents, 1,000 requests of three operations each."""
    parts = [_interval(number) for number in range(AGENTS)]
    return _median_ns(lambda: Interval.merge(parts), repeats) / 1e6


def encoding_and_sending(order: Order) -> dict[str, Any]:
    """µs to encode one request of each operation of the mix and of the mix as a whole; and to hand one of them to the
    kernel by one send() on a connection to nginx, replies read outside of the time taken."""
    plan = plan_of(order)
    data = build_dataset(plan.scenario, plan.seed, order.cache, plan.store_pool, plan.num_queries)
    adapter = make_adapter(target_from_json(target_of(order)), data, "127.0.0.1", order.port)
    encoded: dict[Operation, float] = {}
    for operation in OPERATIONS_OF_THE_MIX:
        keys = list(islice(_keys(plan, operation), REQUESTS))
        encoded[operation] = _encode_us(adapter, operation, keys)
    shares = plan.scenario.weights
    sent, sizes = _send_us(adapter, plan, order.port)
    return {
        "encode_us": {operation.value: value for operation, value in encoded.items()},
        "encode_mix_us": sum(shares[operation] * value for operation, value in encoded.items()),
        "send_mix_us": sent,
        "bytes": sizes,
    }


def _keys(plan: Any, operation: Operation) -> Any:
    block = plan.window(range(plan.lanes), 0, 10**9)
    wanted = block.operation == OPERATIONS.index(operation)
    pairs = list(zip(block.key[wanted].tolist(), block.index[wanted].tolist(), strict=True))
    for again in repeat(pairs):
        yield from again


def _encode_us(adapter: Adapter, operation: Operation, keys: list[tuple[int, int]]) -> float:
    def all_of_them() -> None:
        for key, index in keys:
            adapter.encode(operation, key, index)

    return _median_ns(all_of_them, 5) / len(keys) / 1e3


def _send_us(adapter: Adapter, plan: Any, port: int) -> tuple[float, float]:
    """(µs of a send, mean bytes of a request)."""
    block = plan.window(range(plan.lanes), 0, 10**9)
    rows = zip(block.operation.tolist(), block.key.tolist(), block.index.tolist(), strict=True)
    payloads = [adapter.encode(OPERATIONS[code], key, index) for code, key, index in islice(rows, REQUESTS)]
    passed = 0
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for payload in payloads:
            began = time.perf_counter_ns()
            count = connection.send(payload)
            passed += time.perf_counter_ns() - began
            connection.sendall(payload[count:])
            _read_reply(connection)
    return passed / len(payloads) / 1e3, sum(map(len, payloads)) / len(payloads)


def _read_reply(connection: socket.socket) -> None:
    """nginx sends its small replies whole, or nearly so: until the length it announced is there."""
    reply = b""
    while True:
        head, separator, body = reply.partition(b"\r\n\r\n")
        if separator:
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(body) >= length:
                return
        more = connection.recv(65_536)
        if not more:
            raise ConnectionError("nginx closed the connection")
        reply += more


def _latencies(count: int, seed: int) -> np.ndarray:
    """About 200 µs, as of a store nearby."""
    return np.exp(np.random.default_rng(seed).normal(12.2, 0.4, count)).astype(np.int64)


def _interval(number: int) -> Interval:
    share = RATE // len(OPERATIONS_OF_THE_MIX)
    outcomes = (share,) + (0,) * (len(OUTCOMES) - 1)
    operations = {
        operation: OperationInterval(
            Histogram.of(_latencies(share, 10 * number + place)),
            Histogram.of(_latencies(share, 10 * number + place + 5)),
            outcomes,
        )
        for place, operation in enumerate(OPERATIONS_OF_THE_MIX)
    }
    lag = Histogram.of(_latencies(RATE, number) // 10)
    return Interval(0, 0, 10**9, RATE, RATE, 10**9, operations, lag, Histogram.empty(), f"agent-{number}/1")


def _median_ns(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - began)
    return float(np.median(times))
