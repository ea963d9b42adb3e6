"""Clocks, and what ends at a time."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

from benchmarks.faults.agent_cases import BOTH
from benchmarks.faults.case import ANSWERED, Case, Outcome, hit, named, short, told
from benchmarks.faults.lab import Lab
from benchmarks.faults.wall_clock import WallClock
from perfgate.certs.authority import Authority, Party
from perfgate.trust.role import Role

HOUR_S = 3600
VALID_S = 30


def stepped(seconds: int) -> Callable[[Lab], Outcome]:
    """The wall clocks of the controller and of one agent, at once, under load."""

    def play(lab: Lab) -> Outcome:
        clock = WallClock(lab.directory)
        lab.stop_agent("perf-2")
        lab.start_agent("perf-2", environment=clock.environment)
        running = lab.begin_run(short(), BOTH, environment=clock.environment)
        outcome = told(lab, done := hit(running, lambda: clock.step(seconds)), ANSWERED, code=0)
        assert done.ended.result["record"]["duration_ns"] < 60e9
        return outcome

    return play


def expired(lab: Lab) -> Outcome:
    """An agent's certificate that ends under load: the open connection goes on, the next one is refused."""
    until = time.time() + VALID_S
    past = dt.datetime.fromtimestamp(until, dt.UTC) - dt.timedelta(days=1)
    brief = Authority(lab.authority.directory, now=lambda: past)
    party = Party("perf-2", Role.AGENT, (lab.host("perf-2").address,))
    brief.issue(party, days=1, force=True)
    running = lab.begin_run(short(VALID_S + 2), BOTH)
    done = hit(running, lambda: time.sleep(max(0.0, until - time.time())))
    assert done.took_s > 1, "the certificate had expired before there was load: this machine is too slow"
    again = lab.begin_run(short(1), BOTH).end(60)
    lab.authority.issue(party, force=True)
    assert again.code == 3, again.text
    refused = named(again.text, r"agent \S+ is not trusted: certificate has expired; [^?]*")
    return told(lab, done, ANSWERED, code=0, note=f"the next run: 3, “{refused}”")


CASES = (
    Case("clock-on", "clock stepped on by an hour", "the wall clocks of controller and an agent", stepped(HOUR_S)),
    Case("clock-back", "clock stepped back by an hour", "the wall clocks of controller and an agent", stepped(-HOUR_S)),
    Case("expired", "certificate expired in the middle", "an agent's, valid until the load runs", expired),
)
