"""The parts of the benchmark, each a function from the setting to figures and tables."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.speed import tables
from benchmarks.speed.calls import per_request
from benchmarks.speed.inside import encoding_and_sending, merging_ms, recording_ns
from benchmarks.speed.launch import ToolError, run
from benchmarks.speed.ours import Order, plan_of, target_of
from benchmarks.speed.pacing import climb, draw, write_csv
from benchmarks.speed.rounds import GRACE_S, Setting, compare, run_once
from benchmarks.speed.summary import highest
from benchmarks.speed.tools import FLOOR, OURS, ROOT, TOOLS, Job
from perfgate.dataset import build_dataset
from perfgate.operation import OPERATIONS
from perfgate.targets.adapter import make_adapter
from perfgate.targets.load import target_from_json

RATES = (1_000, 5_000)
PACED = (OURS, "oha", "vegeta", "hey")
MIX_RATE = 1_000
LOWEST, HIGHEST, TOLERANCE = 4_000.0, 64_000.0, 0.03
LAG_P99_US = 1_000.0
CAPACITY_S = 3.0
VEGETA_REQUESTS = 500
"""Different requests of the mix that vegeta gets; it reads and decodes all of them before it sends."""
TRACED_S = 2.0
PICTURE = "![Pacing error against rate](img/pacing.svg)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """data: for JSON. blocks: Markdown by the name of its place in the page. files: for docs/img, by name."""

    data: Any
    blocks: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)


def closed(setting: Setting) -> Outcome:
    """Small GET, every connection always busy: what a request costs."""
    runs = compare(setting, tuple(TOOLS), _job(setting, "get", None))
    return Outcome([run.to_json() for run in runs], {"closed": tables.closed_table(runs)})


def paced(setting: Setting) -> Outcome:
    """Small GET in an open loop; h2load, which tells no percentiles, for its cost at the lower rate."""
    data, blocks = {}, {}
    for rate in RATES:
        names = (*PACED, FLOOR, "h2load") if rate == RATES[0] else (*PACED, FLOOR)
        runs = compare(setting, names, _job(setting, "get", rate))
        data[str(rate)] = [run.to_json() for run in runs]
        blocks[f"open-{rate}"] = tables.open_table(runs)
    return Outcome(data, blocks)


def mix(setting: Setting) -> Outcome:
    """The seed's mix at its rate; of the peers only vegeta sends requests that differ in path, method and body."""
    job = dataclasses.replace(_job(setting, "mix", MIX_RATE), requests=_vegeta_requests(setting))
    runs = compare(setting, (OURS, "vegeta"), job)
    return Outcome([run.to_json() for run in runs], {"mix": tables.open_table(runs)})


def capacity(setting: Setting) -> Outcome:
    """The seed's mix, one worker on one core: how high it goes before it lags."""
    tried: list[dict[str, float]] = []

    def holds(rate: float) -> bool:
        job = dataclasses.replace(_job(setting, "mix", rate), seconds=min(CAPACITY_S, setting.seconds))
        done = run_once(setting, TOOLS[OURS], job, 0)
        assert done is not None
        details = done.details
        good = (
            details["sent"] == details["due"] and not details["failed"] and not details["saturated"]
            and details["lag_us"]["0.99"] <= LAG_P99_US
        )  # fmt: skip
        tried.append({"rate": rate, "lag_p99_us": details["lag_us"]["0.99"], "held": good})
        print(f"  {rate:,.0f}/s: lag p99 {details['lag_us']['0.99']:,.0f} us {'holds' if good else 'does not hold'}",
              file=sys.stderr, flush=True)  # fmt: skip
        return bool(good)

    rates = [highest(holds, LOWEST, HIGHEST, TOLERANCE) for _ in range(1 if setting.rounds < 3 else 3)]
    inside = encoding_and_sending(Order("mix", setting.nginx.mix_port, MIX_RATE, setting.seconds))
    data = {"rates": rates, "median": statistics.median(rates), "tried": tried} | inside
    return Outcome(data, {"capacity": tables.capacity_table(rates, inside)})


def inside(setting: Setting) -> Outcome:
    """Recording and merging."""
    recording = {
        "350 samples (a second of one operation at the seed's rate)": recording_ns(350),
        "350 samples, one of them a stall of 1 s": recording_ns(350, outlier=True),
        "1,000 samples": recording_ns(1_000),
        "5,000 samples": recording_ns(5_000),
    }
    merged = merging_ms()
    return Outcome(
        {"recording_ns": recording, "merging_ms": merged}, {"inside": tables.inside_table(recording, merged)}
    )


def pacing(setting: Setting) -> Outcome:
    """Pacing error against rate, up to saturation."""
    points = climb(setting, dataclasses.replace(_job(setting, "get", 1.0), seconds=min(3.0, setting.seconds)))
    text = io.StringIO(newline="")
    write_csv(text, points)
    files = {"pacing.csv": text.getvalue(), "pacing.svg": draw(points)}
    data = [dataclasses.asdict(point) for point in points]
    shown = f"{PICTURE}\n\n{tables.pacing_table(points)}\n\nThe same as [CSV](img/pacing.csv)."
    return Outcome(data, {"pacing": shown}, files)


def calls(setting: Setting) -> Outcome:
    """System calls a request, under strace: slower, so the counts matter and the rates do not."""
    counts: dict[str, Mapping[str, float]] = {}
    jobs = [(name, _job(setting, "get", None)) for name in TOOLS] + [(OURS, _job(setting, "get", RATES[0]))]
    for name, job in jobs:
        if name not in setting.found:
            continue
        label = f"{name}, {'closed loop' if job.rate is None else f'open loop at {job.rate:,.0f}/s'}"
        try:
            counts[label] = _traced(setting, name, dataclasses.replace(job, seconds=TRACED_S))
        except (ToolError, ValueError) as error:
            print(f"  {label}: {error}", file=sys.stderr)
    return Outcome(counts, {"calls": tables.calls_table(counts)})


SECTIONS: Mapping[str, Callable[[Setting], Outcome]] = {
    "inside": inside, "closed": closed, "open": paced, "mix": mix, "capacity": capacity, "pacing": pacing,
    "calls": calls,
}  # fmt: skip


def _job(setting: Setting, kind: str, rate: float | None) -> Job:
    port = setting.nginx.get_port if kind == "get" else setting.nginx.mix_port
    return Job(kind, port, setting.seconds, setting.connections, rate, setting.directory)


def _traced(setting: Setting, name: str, job: Job) -> Mapping[str, float]:
    """strace follows the whole tool, but of ours only the worker, once it is ready."""
    tool, path, counts = TOOLS[name], setting.found[name], setting.directory / "strace.txt"
    command = tool.command(path, job)
    assert command is not None
    tracer = ["strace", "-f", "-c", "-o", str(counts)]
    command = [*command, "--strace", str(counts)] if name == OURS else [*tracer, *command]
    ran = run(command, job.seconds + GRACE_S, cwd=ROOT)
    text = ran.stdout if tool.after is None else run(tool.after(path, job), GRACE_S).stdout
    requests = tool.read(text).completed
    if name == OURS:  # the warm-up was counted, too
        requests = round(json.loads(text.splitlines()[-1])["all_completed"])
    return per_request(counts, requests)


def _vegeta_requests(setting: Setting) -> Path:
    """Requests of the mix as vegeta reads them, made by the same adapter from the same plan."""
    order = Order("mix", setting.nginx.mix_port, MIX_RATE, setting.seconds)
    plan = plan_of(order)
    data = build_dataset(plan.scenario, plan.seed, _made(order.cache), plan.store_pool, plan.num_queries)
    adapter = make_adapter(target_from_json(target_of(order)), data, "127.0.0.1", order.port)
    block = plan.window(range(plan.lanes), 0, 10**9)
    rows = zip(block.operation.tolist(), block.key.tolist(), block.index.tolist(), strict=True)
    path = setting.directory / "vegeta.mix"
    with path.open("w") as file:
        for code, key, index in islice(rows, VEGETA_REQUESTS):
            file.write(json.dumps(vegeta_target(adapter.encode(OPERATIONS[code], key, index), order.port)) + "\n")
    return path


def vegeta_target(request: bytes, port: int) -> dict[str, Any]:
    """One HTTP/1.1 request as one of vegeta's JSON targets."""
    head, body = request.split(b"\r\n\r\n", 1)
    first, *lines = head.decode("ascii").split("\r\n")
    method, path, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    target: dict[str, Any] = {
        "method": method, "url": f"http://127.0.0.1:{port}{path}",
        "header": {name: [value] for name, value in headers.items() if name not in ("Host", "Content-Length")},
    }  # fmt: skip
    if body:
        target["body"] = base64.b64encode(body).decode("ascii")
    return target


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory
