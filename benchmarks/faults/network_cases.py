"""What may befall the network. A line that is cut drops what passes, and nobody is told."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

from benchmarks.faults.agent_cases import BOTH, LOST, in_hand
from benchmarks.faults.case import ANSWERED, Case, Outcome, hit, short, told
from benchmarks.faults.controller_cases import gone
from benchmarks.faults.lab import Lab


def cut(host: str, seconds: float, said: str, code: int, load_s: float = 6.0) -> Callable[[Lab], Outcome]:
    """The line of `host` for so long in the middle of a load."""

    def play(lab: Lab) -> Outcome:
        healing = threading.Timer(seconds, lab.network.heal, [host])

        def fault() -> None:
            lab.network.cut(host)
            healing.start()

        try:
            done = hit(lab.begin_run(short(load_s), BOTH), fault, deadline_s=seconds + 60)
        finally:
            healing.join()
        return told(lab, done, said, code=code, salvage=True)

    return play


def half_open_agent(lab: Lab) -> Outcome:
    """An agent's host is gone without a word: no end of its connections reaches the controller."""
    agent = lab.agents["perf-2"]

    def fault() -> None:
        lab.network.cut("perf-2")
        agent.send(signal.SIGKILL)

    done = hit(lab.begin_run(short(), BOTH), fault)
    return told(lab, done, LOST, code=3, lost=in_hand(lab))


def half_open_controller(lab: Lab) -> Outcome:
    """The controller's host is gone without a word; agents must find out by themselves."""
    running = lab.begin_run(short(30), BOTH)

    def fault() -> None:
        lab.network.cut("controller")
        running.send(signal.SIGKILL)

    done = hit(running, fault)
    free_s = gone(lab)
    lab.network.heal("controller")
    return told(lab, done, "", code=-9, salvage=True, note=f"agents idle {free_s:.1f} s later")


ANY_LOST = LOST.replace("perf-2", r"perf-\d")
CASES = (
    Case("cut-1", "network cut for 1 s", "the controller's line, then healed", cut("controller", 1, ANSWERED, 0)),
    Case("cut-5", "network cut for 5 s", "the controller's line, then healed", cut("controller", 5, ANY_LOST, 3)),
    Case("cut-60", "network cut for 60 s", "the controller's line, then healed", cut("controller", 60, ANY_LOST, 3)),
    Case("agent-cut-1", "an agent's line cut for 1 s", "from store and controller", cut("perf-2", 1, ANSWERED, 0)),
    Case("agent-cut-5", "an agent's line cut for 5 s", "from store and controller", cut("perf-2", 5, LOST, 3)),
    Case("agent-cut-60", "an agent's line cut for 60 s", "from store and controller", cut("perf-2", 60, LOST, 3)),
    Case("half-open-agent", "half-open connection to an agent", "its line cut, then SIGKILL", half_open_agent),
    Case(
        "half-open-controller", "half-open connections to the controller", "its line cut, then SIGKILL",
        half_open_controller,
    ),
)  # fmt: skip
