"""Workers' loads as JSON, exact both ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from perfgate.histogram.stored import histogram_of
from perfgate.stored_form import fields, needed, value_of
from perfgate.usage import Usage
from perfgate.worker_load import WorkerLoad


def worker_load_to_json(load: WorkerLoad) -> dict[str, Any]:
    """JSON-ready; what is unknown is null."""
    usage = dataclasses.asdict(load.usage)
    usage["cpus"], usage["threads"] = list(usage["cpus"]), list(usage["threads"])
    return {"worker": load.worker, "lag": load.lag.to_json(), "wait": load.wait.to_json(), "usage": usage}


def worker_load_from_json(data: Mapping[str, Any]) -> WorkerLoad:
    """Raises WrongField for what `worker_load_to_json` did not write."""
    return WorkerLoad(
        **fields(WorkerLoad, data, ["worker"]),
        lag=histogram_of(data, "lag"),
        wait=histogram_of(data, "wait"),
        usage=value_of(Usage, needed(data, "usage"), "usage"),
    )
