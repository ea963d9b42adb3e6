"""Which sessions may be held against each other: whatever would change a ratio by itself begins a new series."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from perfgate.compete.model import Measurement
from perfgate.compete.policy import CompetePolicy
from perfgate.compete.theta import OURS, Theta


@dataclass(frozen=True, slots=True)
class Past:
    """A stored ratio. theirs: the competitor's label and version. counts: whether its session stands for how things were: one
    that ended INVALID or that blocked does not."""

    session: str
    wall_ns: int
    series: str
    competitor: str
    version: str
    ours_version: str
    metric: str
    mean: float
    se: float
    counts: bool


def series_of(
    measured: Measurement, theta: Theta, policy: CompetePolicy, scenario_digest: str, host: Mapping[str, str]
) -> str:
    """16 hex digits. Our own version is no part of it, since it is what is judged; a competitor's is. Nor is how sessions were
    measured before there were slices: those of turns keep the series that they have had."""
    ours, theirs = measured.stores[OURS], measured.stores[theta.competitor]
    parts = [
        scenario_digest, dict(sorted(host.items())), ours.target, theirs.label, theirs.target, theirs.variant, theirs.version,
        theta.metric, policy.recall, policy.measured_ns, policy.memory_bytes,
        policy.keep_loading,
        policy.p99_limit_ns if theta.operation is None else 0,
        *([measured.slice_ns, policy.slice_trim, policy.group_requests] if measured.slice_ns else []),
    ]  # fmt: skip
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
