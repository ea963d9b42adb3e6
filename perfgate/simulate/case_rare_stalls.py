"""A candidate that stands still now and then: too seldom to reach the p99, or often enough."""

from __future__ import annotations

import dataclasses

import numpy as np

from perfgate.simulate.case import Ask, Case, Row
from perfgate.simulate.profile import PROFILES
from perfgate.simulate.requests import WORKERS, Stalls, arrivals, draw_pauses, responses, service_times
from perfgate.simulate.scene import batches, decide_all, scene
from perfgate.simulate.truth import Truth

SLICES = 12_000
SLICE_S = 0.25
STALLS = (Stalls(0.005, 0.05), Stalls(0.02, 0.05), Stalls(0.05, 0.05), Stalls(0.5, 0.05))
EVERYWHERE = Truth("stalls", "all operations stall", 0.0, everywhere=True)


def rows(ask: Ask) -> list[Row]:
    of = scene(ask, "rare-stalls", others=STALLS)
    found = [decide_all("none", ask.policy, batches(of, PROFILES["quiet"]))]
    for stalls in STALLS:
        gates = batches(of, PROFILES["quiet"], EVERYWHERE, candidate=stalls)
        label = f"{1000 * stalls.length_s:g} ms every {1 / stalls.rate:g} s"
        row = decide_all(label, ask.policy, gates)
        more = {f"all requests' {name} change %": change for name, change in _pooled(stalls, ask.rate).items()}
        found.append(dataclasses.replace(row, figures={**row.figures, **more}))
    return found


def _pooled(stalls: Stalls, rate: float) -> dict[str, float]:
    """What the stalls do to quantiles of all requests together, in percent."""
    random = np.random.default_rng(20_241)
    load = arrivals(SLICES, rate / WORKERS, SLICE_S, random)
    service, pauses = service_times(load, random), draw_pauses(SLICES, 1, SLICE_S, random)
    stalled = stalls.added_to(pauses, 1, SLICE_S, random)
    base, candidate = (
        np.quantile(responses(load, service, one)[load.counts], (0.99, 0.999)) for one in (pauses, stalled)
    )
    p99, p999 = (100 * (candidate / base - 1)).tolist()
    return {"p99": p99, "p99.9": p999}


CASE = Case(
    "rare-stalls",
    "a candidate that stands still for 50 ms now and then, on a quiet host",
    "a stall every 200 s leaves the p99 alone and does not block (the maximum shows it); the more it moves the p99, "
    "the likelier; one every two seconds blocks",
    rows,
)
