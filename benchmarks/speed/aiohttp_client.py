"""A closed loop with aiohttp's client, run in the peers' own environment: what one would write oneself.

Prints one line of JSON. Its CPU time counts from the first request: the start of Python is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time

import aiohttp


async def main(url: str, seconds: float, connections: int) -> dict[str, object]:
    latencies: list[float] = []
    failed = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def one() -> None:
            nonlocal failed
            while (began := time.perf_counter()) < end:
                try:
                    async with session.get(url) as response:
                        await response.read()
                        good = response.status == 200
                except (aiohttp.ClientError, OSError):
                    good = False
                if good:
                    latencies.append(time.perf_counter() - began)
                else:
                    failed += 1

        began, before = time.perf_counter(), cpu_s()
        end = began + seconds
        await asyncio.gather(*(one() for _ in range(connections)))
        passed, used = time.perf_counter() - began, cpu_s() - before
    latencies.sort()
    return {
        "completed": len(latencies), "failed": failed, "seconds": passed, "cpu_s": used,
        "p50_ms": 1e3 * latencies[len(latencies) // 2], "p99_ms": 1e3 * latencies[len(latencies) * 99 // 100],
    }  # fmt: skip


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=32)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(main(given.url, given.seconds, given.connections))))
