"""`python -m benchmarks.scale`: CPU, memory and delay of one controller on one processor, by number of agents.

  python -m benchmarks.scale --agents 1,10,100 --docs docs/scale.md
  python -m benchmarks.scale --agents 1000 --docs docs/scale.md       # adds its lines to the same table

The controller is pinned to the lowest processor and the logical agents to the highest one. Results are kept in
.perfgate/scale.json; --docs writes all of them between the marks of that file.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.scale.controller import ROOT

BEGIN, END = "<!-- scale: begin -->", "<!-- scale: end -->"
RESULTS = Path(".perfgate/scale.json")
FILES = 16_384


def measure(agents: int, seconds: int, requests: int) -> dict[str, Any]:
    """One line of the table."""
    cpus = sorted(os.sched_getaffinity(0))
    port = _free_port()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "agents", ROOT / "controller")))}
    serve = [
        sys.executable, "-m", "benchmarks.scale.agents", "--first", "0", "--count", str(agents), "--port", str(port),
        "--seconds", str(seconds), "--requests", str(requests), "--cpu", str(cpus[-1]),
    ]  # fmt: skip
    follow = [
        sys.executable, "-m", "benchmarks.scale.controller", "--agents", str(agents), "--port", str(port), "--seconds",
        str(seconds), "--cpu", str(cpus[0]),
    ]  # fmt: skip
    with subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as serving:
        assert serving.stdin is not None
        assert serving.stdout is not None
        try:
            assert serving.stdout.readline() == "ready\n"
            done = subprocess.run(follow, stdout=subprocess.PIPE, text=True, env=environment, check=True)
            serving.stdin.write("\n")
            serving.stdin.flush()
            p50, p99, cpu = map(int, serving.stdout.readline().split())
        finally:
            serving.kill()
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {
        **found,
        "requests": requests,
        "agents_late_p50_ms": p50 / 1e6,
        "agents_late_p99_ms": p99 / 1e6,
        "agents_cpu_s": cpu / 1e9,
    }


def table(results: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| agents | intervals in, of | lost | controller's CPU | its memory | delay p50 | p99 | max | agents' own p99 | log |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in sorted(results, key=lambda one: one["agents"]):
        lines.append(
            f"| {one['agents']:,} | {one['taken']:,} of {one['expected']:,} | {one['lost']:,} | {one['cpu']:.0%} | "
            f"{one['rss_mb']:,.0f} MB | {one['delay_p50_ms']:,.0f} ms | {one['delay_p99_ms']:,.0f} ms | "
            f"{one['delay_max_ms']:,.0f} ms | {one['agents_late_p99_ms']:,.0f} ms | {one['log_mb'] / one['seconds']:,.1f} MB/s |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", default="1,10,100", metavar="N,…", help="numbers of agents (default: 1,10,100)")
    parser.add_argument("--seconds", type=int, default=10, help="of load, for each (default: 10)")
    parser.add_argument("--requests", type=int, default=300, help="of each operation, agent and second (default: 300)")
    parser.add_argument("--docs", type=Path, default=None, metavar="FILE", help="write the table into this page")
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))
    known = {one["agents"]: one for one in (json.loads(RESULTS.read_text()) if RESULTS.exists() else [])}
    for agents in map(int, given.agents.split(",")):
        known[agents] = measure(agents, given.seconds, given.requests)
        print(json.dumps(known[agents]), flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(list(known.values()), indent=1))
    print(table(list(known.values())))
    if given.docs is not None:
        page = given.docs.read_text()
        before, _, rest = page.partition(BEGIN)
        given.docs.write_text(f"{before}{BEGIN}\n{table(list(known.values()))}\n{END}{rest.partition(END)[2]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
