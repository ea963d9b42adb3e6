"""What may befall the controller."""

from __future__ import annotations

import dataclasses
import signal
import time

from benchmarks.faults.agent_cases import BOTH
from benchmarks.faults.case import ANSWERED, Case, Hit, Outcome, generator_alone, hit, named, short, told
from benchmarks.faults.lab import Lab
from benchmarks.faults.line import Line


def killed(lab: Lab) -> Outcome:
    """And started again at once: it gets the agents when they have ended the first one's load."""
    running = lab.begin_run(short(20), BOTH)
    done = hit(running, lambda: running.send(signal.SIGKILL))
    free_s = gone(lab)
    outcome = told(lab, done, "", code=-9, salvage=True, note=f"agents idle {free_s:.1f} s later")
    lab.fresh_store()
    again = lab.begin_run(short(1), BOTH).end(60)
    assert again.code == 0 or generator_alone(again), again.text
    return dataclasses.replace(outcome, note=f"{outcome.note}; the same command again: {again.code}")


def gone(lab: Lab) -> float:
    """Seconds from the controller's end until its agents loaded no more."""
    ended = time.monotonic()
    left = lab.idle(BOTH, 20)
    assert not left, f"load goes on without its controller: {left}"
    return time.monotonic() - ended


def slow(lab: Lab) -> Outcome:
    """20 kB/s each way, from before it dials."""
    lab.network.set_line("controller", Line(delay_ms=20, rate=20_000))
    began = time.monotonic()
    ended = lab.begin_run(short(), BOTH).end(90)
    return told(lab, Hit(ended, time.monotonic() - began), ANSWERED, code=0)


def disk_full(lab: Lab) -> Outcome:
    """The run's directory on a file system that is full after some intervals; the agents keep what cannot be written."""
    out = lab.directory / "small-out"
    lab.host("controller").mount_small(out, 32)
    began = time.monotonic()
    ended = lab.begin_run(short(20), BOTH, out=out / "run").end(60)
    ended.out = lab.host("controller").path(ended.out)
    assert ended.kept > 0
    done = Hit(ended, time.monotonic() - began)
    return told(lab, done, r"\S+: No space left on device; make room[^.]*?(?=\. | →|$)", code=3, salvage=True)


def two(lab: Lab) -> Outcome:
    """The second one hears who has the agents; the first one measures on."""
    running = lab.begin_run(short(8), BOTH)
    running.await_load(1)
    began = time.monotonic()
    second = lab.begin_run(short(1), BOTH).end(30)
    took_s = time.monotonic() - began
    said = named(second.text, r"agent perf-\d is taken: [^(]*\(\S+ pid \d+\) \(lab\) holds it since [\d:]+")
    assert second.code == 3
    first = told(lab, Hit(running.end(60), took_s), ANSWERED, code=0)
    return Outcome("none", 3, took_s, said, first.recorded, first.kept, "the first run: complete, 0")


CASES = (
    Case("controller-kill", "controller killed and restarted", "SIGKILL to the controller under load", killed),
    Case("controller-slow", "slow controller", "its line at 20 kB/s each way, 20 ms", slow),
    Case("controller-disk", "disk full on the controller", "--out on a file system of 32 kB", disk_full),
    Case("two-controllers", "two controllers", "a second `perfgate run` with the same agents under load", two),
)
