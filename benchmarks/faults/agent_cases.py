"""What may befall an agent."""

from __future__ import annotations

import os
import signal
import time

from benchmarks.faults.case import ANSWERED, Case, Outcome, hit, named, short, told
from benchmarks.faults.lab import AGENT_PORT, Lab

BOTH = ("perf-1", "perf-2")
LOST_WORKER = r"worker perf-2/1 was lost: .*?(?=\. |; of| →)"
LOST = r"agent perf-2 was lost: .*?(?=\. |; of| →)"


def term(lab: Lab) -> Outcome:
    """It drains: the session goes on to its end, then the agent ends."""
    agent = lab.agents["perf-2"]
    done = hit(lab.begin_run(short(), BOTH), lambda: agent.send(signal.SIGTERM))
    assert agent.process.wait(20) == 0
    return told(lab, done, ANSWERED, code=0, note="the agent ended by itself after the run")


def killed(lab: Lab) -> Outcome:
    agent = lab.agents["perf-2"]
    done = hit(lab.begin_run(short(), BOTH), lambda: agent.send(signal.SIGKILL))
    agent.process.wait(5)
    _gone(lab)
    return told(lab, done, LOST, code=3, lost=in_hand(lab))


def stopped(lab: Lab) -> Outcome:
    agent = lab.agents["perf-2"]

    def stop() -> None:
        agent.send(signal.SIGSTOP)
        time.sleep(1)
        agent.send(signal.SIGCONT)

    return told(lab, hit(lab.begin_run(short(), BOTH), stop), ANSWERED, code=0)


def stopped_long(lab: Lab) -> Outcome:
    agent = lab.agents["perf-2"]
    done = hit(lab.begin_run(short(), BOTH), lambda: agent.send(signal.SIGSTOP))
    agent.send(signal.SIGCONT)
    note = "continued after the run's end, it cleaned up and was free"
    return told(lab, done, LOST, code=3, salvage=True, note=note)


def worker_killed(lab: Lab) -> Outcome:
    """Of one of two agents."""
    done = hit(lab.begin_run(short(), BOTH), lambda: _kill_worker(lab))
    return told(lab, done, LOST_WORKER, code=3, lost=in_hand(lab))


def lone_worker_killed(lab: Lab) -> Outcome:
    """Of the only agent: nobody can take over."""
    done = hit(lab.begin_run(short(), ["perf-2"]), lambda: _kill_worker(lab))
    return told(lab, done, LOST_WORKER, code=3, lost=in_hand(lab))


def _kill_worker(lab: Lab) -> None:
    (pid,) = lab.agents["perf-2"].workers()
    os.kill(pid, signal.SIGKILL)


def port_taken(lab: Lab) -> Outcome:
    """A second agent where one serves already."""
    agent, began = lab.agents["perf-2"], time.monotonic()
    second = lab.begin_agent("perf-2")
    code = second.process.wait(30)
    lab.agents["perf-2"] = agent
    said = named(second.log.read_text(), rf"cannot listen on \S+:{AGENT_PORT}[^(]*")
    assert code == 3
    return Outcome("none", code, time.monotonic() - began, said, note="the first agent served on")


def disk_full(lab: Lab) -> Outcome:
    """Of a gate whose store's data find no room in the agent's work directory."""
    host, work = lab.host("perf-1"), lab.directory / "perf-1" / "small"
    host.mount_small(work, 32)
    lab.stop_agent("perf-1")
    lab.start_agent("perf-1", work=work)
    began = time.monotonic()
    ended = lab.begin_gate(short(), ["perf-1"], "--candidate", "default").end(60)
    said = named(ended.text, r"\S+: No space left on device; make room[^.]*?file system")
    assert ended.code == 3, ended.text
    left = lab.idle(["perf-1"])
    assert not left, left
    return Outcome("none", ended.code, time.monotonic() - began, said)


def in_hand(lab: Lab) -> int:
    """What the agent perf-2 and its workers may have had with themselves: the intervals of its last two seconds."""
    rows = lab.recorded(["perf-2"])
    newest = rows["at_ns"].max(initial=0)
    return int((rows["at_ns"] > newest - 2_000_000_000).sum())


def _gone(lab: Lab) -> None:
    """What a killed agent had started has died with it."""
    end = time.monotonic() + 5
    while left := lab.agents["perf-2"].leftovers():
        assert time.monotonic() < end, f"orphans: {left}"
        time.sleep(0.1)


CASES = (
    Case("agent-term", "agent killed (TERM)", "SIGTERM to the agent under load", term),
    Case("agent-kill", "agent killed (KILL)", "SIGKILL to the agent under load", killed),
    Case("agent-stop", "agent stopped and continued", "SIGSTOP, a second later SIGCONT", stopped),
    Case("agent-stop-long", "agent stopped for long", "SIGSTOP; SIGCONT when the run has ended", stopped_long),
    Case("worker-kill", "worker killed", "SIGKILL to one of two agents' load worker", worker_killed, quick=True),
    Case("worker-kill-alone", "the only worker killed", "SIGKILL to the only load worker", lone_worker_killed),
    Case("port-taken", "port taken (agent)", "a second agent with the same address and port", port_taken, quick=True),
    Case("agent-disk", "disk full on the agent", "work_dir on a file system of 32 kB", disk_full),
)
