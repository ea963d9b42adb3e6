#!/usr/bin/env python3
"""Records the built-in store against itself, request by request, at several lengths of slice: data for studies of noise.

    .venv/bin/python -m benchmarks.recordings record --slice 0.25 --pairs 5 --seed 1     (--ask: the idle store, too)
    .venv/bin/python -m benchmarks.recordings pack

`record` runs one gate of so many pairs (some 22 s each; the machine should do nothing else) with PERFGATE_RAW and leaves
the raw requests below .perfgate/recordings; `pack` joins all that is there into tests/data/recordings/slice-*.npz (those with
--ask into asked-*.npz), which `benchmarks/recorded.py` reads.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from perfgate_agent.raw import VARIABLE, read_raw
from perfgate_controller.fleet import Fleet
from perfgate_controller.gate_loop import Gate, GateRequest

from benchmarks.idle_probe import IdleProbe
from benchmarks.recorded import OPERATIONS_RECORDED, Recording, quantised
from perfgate.cli.common import open_order, run_with_fleet
from perfgate.cli.main import build_parser
from perfgate.gate.comparison import Comparison
from perfgate.gate.policy_load import STANDARD
from perfgate.progress import Progress
from perfgate.segment import Arm
from perfgate.units import NS_PER_S

RAW = Path(".perfgate/recordings")
PACKED = Path("tests/data/recordings")
SLICES_S = (0.1, 0.25, 0.5, 1.0, 3.0)
STEAL_EVERY_S = 0.05
POLICY = dataclasses.replace(
    STANDARD, slice_min_requests=1, slice_min_p99s=0, warmup_ns=NS_PER_S // 2, min_pairs=2,
    # Nothing is dropped: what the generator did is recorded beside the rest.
    max_lag_p99_ns=NS_PER_S, max_worker_cpu=1.0, max_core_wait=1.0, max_steal=1.0, max_gc_pause_ns=NS_PER_S,
)  # fmt: skip
"""Standard but for the slices, and half a second less of warm-up, so that seven pairs take two minutes and a half."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    recorder = verbs.add_parser("record")
    recorder.add_argument("--slice", type=float, required=True, choices=SLICES_S, metavar="SECONDS")
    recorder.add_argument("--pairs", type=int, default=5)
    recorder.add_argument("--seed", type=int, default=1)
    recorder.add_argument("--scenario", type=Path, default=Path("scenarios/ci/quick.toml"))
    recorder.add_argument("--ask", action="store_true", help="ask both stores for their health all the time")
    verbs.add_parser("pack")
    arguments = parser.parse_args()
    return record(arguments) if arguments.verb == "record" else pack()


def record(arguments: argparse.Namespace) -> int:
    """One gate of the build against itself; its verdict is of no interest, its requests are."""
    directory = RAW / f"{'asked' if arguments.ask else 'slice'}-{arguments.slice:g}" / f"seed-{arguments.seed}"
    directory.mkdir(parents=True)
    os.environ[VARIABLE] = str(directory.resolve())
    words = [
        "gate", str(arguments.scenario), "--target", "targets/embedded.toml", "--base", "default", "--candidate", "default",
        "--seed", str(arguments.seed), "--out", str(directory / "gate"), "--history", "off",
    ]  # fmt: skip
    order = open_order(build_parser("gate").parse_args(words), "gate")
    policy = dataclasses.replace(
        POLICY, slice_ns=round(arguments.slice * NS_PER_S), looks=(arguments.pairs,), pass_from=arguments.pairs
    )
    builds = {Arm.BASE: "default", Arm.CANDIDATE: "default"}
    request = GateRequest(order.scenario, order.seed, order.target, builds, policy, order.directory)

    ports: list[tuple[int, int]] = []

    async def gate(fleet: Fleet, progress: Progress) -> Comparison:
        one = Gate(request, fleet, progress)
        comparison = (await one.run())[1]
        ports.extend((pair.ports[Arm.BASE], pair.ports[Arm.CANDIDATE]) for pair in one.pairs)
        return comparison

    probe = IdleProbe()
    with StealMeter() as meter, probe if arguments.ask else contextlib.nullcontext():
        comparison = run_with_fleet(order, gate)
    if arguments.ask:
        np.savez(directory / "probe.npz", samples=np.array(probe.samples), ports=np.array(ports))
    np.save(directory / "steal.npy", np.array(meter.samples))
    pairs = len(np.unique(read_raw(directory)["run_ns"]))
    print(f"slice {arguments.slice:g} s, seed {arguments.seed}: {pairs} pairs, {comparison.verdict.word}", flush=True)
    return 0


def pack() -> int:
    """Everything recorded of a length of slice into one small file."""
    PACKED.mkdir(parents=True, exist_ok=True)
    for kind in ("slice", "asked"):
        for slice_s in SLICES_S:
            found = sorted(
                (RAW / f"{kind}-{slice_s:g}").glob("seed-*"), key=lambda path: int(path.name.removeprefix("seed-"))
            )
            parts = [part for directory in found if (directory / "steal.npy").exists() for part in pairs_of(directory)]
            if parts:
                path = PACKED / f"{kind}-{slice_s:g}.npz"
                Recording.join(slice_s, parts).save(path)
                print(f"{path}: {len(parts)} pairs, {path.stat().st_size / 1e6:.2f} MB")
    return 0


def pairs_of(directory: Path) -> list[Recording]:
    """What one gate recorded, a Recording of one pair each."""
    rows, steal, asked = read_raw(directory), np.load(directory / "steal.npy"), directory / "probe.npz"
    rows = rows[(rows["measured"] == 1) & (rows["couple"] >= 0)]
    codes = np.full(256, 255, dtype=np.uint8)
    codes[list(OPERATIONS_RECORDED)] = np.arange(len(OPERATIONS_RECORDED))
    seed = int(directory.name.removeprefix("seed-"))
    found = []
    for number, run_ns in enumerate(np.unique(rows["run_ns"])):
        pair = rows[rows["run_ns"] == run_ns]
        arms = [pair[pair["arm"] == arm] for arm in (0, 1)]
        base, candidate = (arm[np.lexsort((arm["index"], arm["couple"]))] for arm in arms)
        if not np.array_equal(base["index"], candidate["index"]):
            raise SystemExit(f"{directory}: the arms of pair {number} were not sent the same requests")
        order = np.lexsort((base["at_ns"], base["couple"]))
        base, candidate = base[order], candidate[order]
        found.append(
            Recording(
                slice_s=0.0,
                counts=np.bincount(base["couple"])[None].astype(np.int32),
                first=(_starts(candidate) < _starts(base))[None],
                operation=codes[base["operation"]],
                response=np.stack([quantised(_response_ns(arm)) for arm in (base, candidate)]),
                lag_us=np.stack([_lags_us(arm) for arm in (base, candidate)], axis=-2)[None],
                steal=np.stack([_steal(arm, int(run_ns), steal) for arm in (base, candidate)], axis=-1)[None],
                origin=np.array([[seed, number]], dtype=np.int32),
                probe=_probes((base, candidate), int(run_ns), asked, number)[None],
            )
        )
    return found


def _response_ns(arm: NDArray[np.void]) -> NDArray[np.int64]:
    """Response times; 0 where the request failed."""
    times: NDArray[np.int64] = np.where(arm["outcome"] == 0, arm["done_ns"] - arm["at_ns"], 0)
    return times


def _starts(arm: NDArray[np.void]) -> NDArray[np.int64]:
    """When the first request of each couple was due."""
    return arm["at_ns"][np.searchsorted(arm["couple"], np.arange(arm["couple"].max() + 1))]


def _lags_us(arm: NDArray[np.void]) -> NDArray[np.float32]:
    """Mean and p99 of the generator's own lag in each couple, float32 (couples, 2)."""
    lag = (arm["sent_ns"] - arm["at_ns"] - arm["wait_ns"]) / 1e3
    return np.array(
        [
            (float(own.mean()), float(np.quantile(own, 0.99)))
            for own in np.split(lag, np.flatnonzero(np.diff(arm["couple"])) + 1)
        ],
        dtype=np.float32,
    )


def _steal(arm: NDArray[np.void], run_ns: int, samples: NDArray[np.float64]) -> NDArray[np.float32]:
    """Processor time that the hypervisor took in each couple's slice, in s a s of all processors, float32 (couples,)."""
    edges = np.flatnonzero(np.diff(arm["couple"])) + 1
    start = arm["at_ns"][np.r_[0, edges]] + run_ns
    end = arm["at_ns"][np.r_[edges, len(arm)] - 1] + run_ns
    stolen = [np.interp(times, samples[:, 0], samples[:, 1]) for times in (start, end)]
    return np.asarray((stolen[1] - stolen[0]) / ((end - start) / 1e9), dtype=np.float32)


def _probes(
    arms: tuple[NDArray[np.void], NDArray[np.void]], run_ns: int, asked: Path, number: int
) -> NDArray[np.float32]:
    """While each arm was loaded: mean log of how long the other one took to say that it is healthy, and of how late a thread
    woke up, float32 (couples, 2 arms, 2); NaN where nobody was asked."""
    couples = int(arms[0]["couple"].max()) + 1
    found = np.full((couples, 2, 2), np.nan, dtype=np.float32)
    if not asked.exists():
        return found
    with np.load(asked) as kept:
        samples, ports = kept["samples"], kept["ports"][number]
    for place, arm in enumerate(arms):
        edges = np.flatnonzero(np.diff(arm["couple"])) + 1
        starts = arm["at_ns"][np.r_[0, edges]] + run_ns
        ends = arm["at_ns"][np.r_[edges, len(arm)] - 1] + run_ns
        for column, port in enumerate((ports[1 - place], 0)):
            own = samples[samples[:, 1] == port]
            logs = np.log(np.maximum(own[:, 2], 1_000))
            for couple, (start, end) in enumerate(zip(starts, ends, strict=True)):
                inside = (own[:, 0] >= start) & (own[:, 0] <= end)
                found[couple, place, column] = logs[inside].mean() if inside.any() else np.nan
    return found


class StealMeter:
    """Reads /proc/stat now and then, in a thread. samples: (monotonic ns, stolen s of all processors since boot)."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._ended.wait(STEAL_EVERY_S):
            fields = Path("/proc/stat").read_text().split(None, 9)
            self.samples.append((float(time.monotonic_ns()), int(fields[8]) / os.sysconf("SC_CLK_TCK")))

    def __enter__(self) -> StealMeter:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()


if __name__ == "__main__":
    sys.exit(main())
