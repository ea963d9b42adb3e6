"""Workers' loads as JSON, exact both ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from perfgate.histogram import Histogram
from perfgate.usage import ThreadUsage, Usage
from perfgate.worker_load import WorkerLoad


def worker_load_to_json(load: WorkerLoad) -> dict[str, Any]:
    """JSON-ready; what is unknown is null."""
    usage = dataclasses.asdict(load.usage)
    usage["cpus"], usage["threads"] = list(usage["cpus"]), list(usage["threads"])
    return {"worker": load.worker, "lag": load.lag.to_json(), "wait": load.wait.to_json(), "usage": usage}


def worker_load_from_json(data: Mapping[str, Any]) -> WorkerLoad:
    """Raises KeyError, TypeError or ValueError for what `worker_load_to_json` did not write."""
    usage = dict(data["usage"])
    usage["cpus"] = tuple(usage["cpus"])
    usage["threads"] = tuple(ThreadUsage(**thread) for thread in usage["threads"])
    return WorkerLoad(
        worker=data["worker"],
        lag=Histogram.from_json(data["lag"]),
        wait=Histogram.from_json(data["wait"]),
        usage=Usage(**usage),
    )
