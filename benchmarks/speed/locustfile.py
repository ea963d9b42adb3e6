"""Locust's FastHttpUser against one path, run in the peers' own environment by its command line, headless.

Prints one line of JSON at the end. Its CPU time counts from when all users run: the start of Python is left out.
"""

from __future__ import annotations

import json
import resource
import time
from typing import Any

from locust import FastHttpUser, constant, events, task

_began: dict[str, float] = {}


class Getter(FastHttpUser):
    """No thinking time: the next request follows the reply."""

    wait_time = constant(0)

    @task
    def get(self) -> None:
        self.client.get("/")


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@events.spawning_complete.add_listener
def begin(user_count: int, **_: Any) -> None:
    if not _began:
        total = Getter.environment.stats.total
        _began.update(time=time.perf_counter(), cpu=cpu_s(), requests=total.num_requests, failed=total.num_failures)


@events.init.add_listener
def keep(environment: Any, **_: Any) -> None:
    Getter.environment = environment


@events.test_stopping.add_listener
def end(environment: Any, **_: Any) -> None:
    total = environment.stats.total
    failed = total.num_failures - _began["failed"]
    print(
        json.dumps(
            {
                "completed": total.num_requests - _began["requests"] - failed,
                "failed": failed,
                "seconds": time.perf_counter() - _began["time"],
                "cpu_s": cpu_s() - _began["cpu"],
                "p50_ms": total.get_response_time_percentile(0.5),
                "p99_ms": total.get_response_time_percentile(0.99),
            }
        ),
        flush=True,
    )
