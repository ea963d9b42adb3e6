"""What losing one of three agents costs: `python -m benchmarks.fleet.handover [--times N]`.

Real agents and a real store on loopback. In turn an agent is killed (SIGKILL) and stands still (SIGSTOP), in the middle of a
load of constant arrivals; a line each says how long after it was heard last its lanes were sent by others, of how many
requests nobody knows, and how far apart the agents had started.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from perfgate_controller.fleet import dial

from perfgate.address import Address
from perfgate.interval import Interval
from perfgate.plan import LANES, Plan
from perfgate.scenario import parse_scenario
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.load import load_target
from perfgate.units import NS_PER_MS, NS_PER_S

RATE, SECONDS = 300.0, 8
TARGET = Path(__file__).parent.parent.parent / "targets" / "embedded.toml"
AGENT_READY, STORE_READY = "perfgate agent ready on ", "ready on "


def scenario() -> Scenario:
    return parse_scenario(
        {
            "name": "handover",
            "duration": {"total_seconds": SECONDS},
            "arrival": {"pattern": "constant", "rate": RATE},
            "operations": {"store_weight": 1},
            "data": {"num_nodes": 100, "embedding_dim": 8},
        }
    )


@contextlib.contextmanager
def started(arguments: list[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process and its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.wait()


async def lose(how: signal.Signals, directory: Path) -> str:
    """One load, one loss; a line about it."""
    with contextlib.ExitStack() as stack:
        agents = []
        for name in "abc":
            places = ["--cache-dir", str(directory / "cache"), "--work-dir", str(directory / name)]
            agents.append(stack.enter_context(started(["perfgate_agent", "--name", name, "--port", "0", *places])))
        _, line = stack.enter_context(started(["perfgate.store", "--port", "0", "--dim", "8"]))
        port = int(line.split(" pid")[0].rpartition(":")[2])
        addresses = [said.removeprefix(AGENT_READY).split()[0] for _, said in agents]
        async with dial(addresses, "handover") as fleet:
            heard: list[Interval] = []
            fleet.on_interval(heard.append)
            await fleet.prepare_data(scenario(), 1)
            stretch = (Segment(0, Arm.BASE, SegmentKind.MEASURED, -1, 0, SECONDS * NS_PER_S, 0),)
            where = {Arm.BASE: Address("127.0.0.1", port)}
            load = asyncio.ensure_future(fleet.load(scenario(), 1, load_target(TARGET), where, stretch))
            await asyncio.sleep(SECONDS / 3)
            agents[2][0].send_signal(how)
            await load
            (loss,) = fleet.story.losses
            start = fleet.story.worst_start
    planned = len(Plan(scenario(), 1).window(range(LANES), 0, SECONDS * NS_PER_S))
    counted = sum(one.due for one in heard)
    assert loss.resumed_ns is not None
    apart = (
        f"{start.spread_ns / NS_PER_MS:.2f} ms apart (known to {start.bound_ns / NS_PER_MS:.2f} ms)" if start else "?"
    )
    return (
        f"{how.name:8} sent again {(loss.resumed_ns - loss.heard_ns) / NS_PER_S:.2f} s after it was heard last; {counted} of "
        f"{planned} counted, {loss.unknown} unknown, {planned - counted - loss.unknown} amiss; started {apart}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3, help="of each kind (default: 3)")
    times = parser.parse_args().times
    for how in (signal.SIGKILL, signal.SIGSTOP):
        for _ in range(times):
            with tempfile.TemporaryDirectory(prefix="perfgate-handover-") as directory:
                print(asyncio.run(lose(how, Path(directory))), flush=True)


if __name__ == "__main__":
    main()
