"""How a store ends, and whether what it leaves serves the next process."""

from __future__ import annotations

import signal
from pathlib import Path

from perfgate_agent.host import Build, Host, directory_bytes
from perfgate_agent.prepare import learn
from perfgate_agent.process import StoreProcess
from perfgate_agent.samples import find_samples

from perfgate.errors import TargetError
from perfgate.target_check.order import Order
from perfgate.target_check.probe import Prober
from perfgate.target_check.step import State, Step, shown_reply, shown_request


async def stopped(process: StoreProcess, data: Path) -> Step:
    """Whether it ends in time after the signal of the target file, and what it leaves in its directory."""
    status, killed = await process.stop()
    spec = process.start.spec
    if killed:
        text = (
            f"still ran {spec.stop_grace_ns / 1e9:g} s after SIG{spec.stop_signal} and was killed; set stop_signal or "
            "stop_grace_seconds, if its data must survive"
        )
        return Step("stop", State.WARNING, text)
    size = directory_bytes(data) / 1e6
    left = f"; its directory holds {size:.1f} MB" if size else ""
    ended = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    return Step("stop", State.OK, f"{ended} after SIG{spec.stop_signal}{left}")


async def copied(host: Host, build: Build, data: Path, order: Order) -> Step:
    """Whether a copy of the stopped directory serves a fresh process, where the file says so."""
    if not build.spec.copyable:
        return Step("copy", State.OK, "copyable = false: each process is loaded anew")
    remedy = "set copyable = false in the target file if it cannot serve a copy"
    try:
        _, process = await host.start(build, copy_of=data)
        adapter = build.adapter(process.start.address)
        await learn(adapter, process.start.address)
        prober = Prober(adapter, process.start.address, order.timeout_s)
        request = adapter.encode_count()
        status, body = await prober.raw(request)
        count, least = adapter.read_count(status, body), build.dataset.num_nodes
        if count < least:
            text = f"a fresh process on a copy of the directory holds {count} memories, not {least}; {remedy}"
            return Step("copy", State.FAILED, text, shown_request(request), shown_reply(status, body))
        problem = await find_samples(adapter, process.start.address, least)
    except (TargetError, OSError, ValueError) as error:
        problem = str(error)
    if problem:
        return Step("copy", State.FAILED, f"on a copy of the stopped directory: {problem}; {remedy}")
    return Step("copy", State.OK, "a fresh process on a copy of the stopped directory holds and finds the memories")
