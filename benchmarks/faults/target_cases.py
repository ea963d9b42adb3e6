"""What may befall the store."""

from __future__ import annotations

import os
import signal

from benchmarks.faults.agent_cases import BOTH
from benchmarks.faults.case import Case, Outcome, hit, short, told
from benchmarks.faults.lab import Lab

ONE = ("perf-1",)


def killed(lab: Lab) -> Outcome:
    assert lab.store is not None
    return told(lab, hit(lab.begin_run(short(), BOTH), lab.store.kill), "the store stopped taking connections", code=3)


def killed_in_gate(lab: Lab) -> Outcome:
    def kill() -> None:
        os.kill(lab.agents["perf-1"].stores()["default"], signal.SIGKILL)

    return told(
        lab,
        hit(lab.begin_gate(short(), ONE), kill, at_s=-1),
        r"the \w+ store \(default\) ended by signal 9[^;]*",
        agents=ONE,
        code=3,
    )


def hung(lab: Lab) -> Outcome:
    """Under a run: its requests end by their timeout."""
    store = lab.store
    assert store is not None
    done = hit(lab.begin_run(short(), BOTH), lambda: os.kill(store.pid, signal.SIGSTOP))
    return told(lab, done, (r"the store fell [^.]*", r"[\d,]+ requests answered.*?% failed"), code=3)


def hung_in_gate(lab: Lab) -> Outcome:
    def stop() -> None:
        os.kill(lab.agents["perf-1"].stores()["other"], signal.SIGSTOP)

    return told(
        lab,
        hit(lab.begin_gate(short(), ONE), stop, at_s=-1),
        r"\d+ % of the candidate's requests fail[^.]*",
        agents=ONE,
        code=1,
    )


CASES = (
    Case("target-kill", "target killed (run)", "SIGKILL to the store under load", killed),
    Case("target-kill-gate", "target killed (gate)", "SIGKILL to the base of the first pair", killed_in_gate),
    Case("target-hang", "target hung (run)", "SIGSTOP to the store under load", hung),
    Case("target-hang-gate", "target hung (gate)", "SIGSTOP to the candidate of the first pair", hung_in_gate),
)
