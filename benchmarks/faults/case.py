"""One fault: how it is provoked, what came of it, and the claims that must hold whatever it is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.faults.lab import Ended, Lab, Load, Running

AGENTS = ("perf-1", "perf-2")
DEADLINE_S = 60.0
"""Of a command after the fault, where nothing says less: longer than every time limit on the way."""

ANSWERED = r"[\d,]+ requests answered[^;.]*"
"""Of a run with a result."""
GENERATOR = {"generator_lag", "generator_busy", "core_wait", "steal", "gc_pause", "offered_rate"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """verdict: the first word of verdict.txt. recorded: requests that the agents' workers had put into intervals; kept:
    how many of them the controller has written down; None where nothing was to be recorded. took_s: from the fault to the
    command's end. said: the line that names it. note: what else is to be known."""

    verdict: str
    code: int
    took_s: float
    said: str
    recorded: int | None = None
    kept: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """provoked: in words. quick: a matter of seconds. play: does it, checks its claims (AssertionError) and tells."""

    name: str
    fault: str
    provoked: str
    play: Callable[[Lab], Outcome]
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A command that a fault befell."""

    ended: Ended
    took_s: float


def hit(running: Running, fault: Callable[[], object], at_s: float = 1.0, deadline_s: float = DEADLINE_S) -> Hit:
    """Let the load run for a while, provoke the fault, wait for the end."""
    running.await_load(at_s)
    began = time.monotonic()
    fault()
    ended = running.end(deadline_s)
    return Hit(ended, time.monotonic() - began)


def told(
    lab: Lab, done: Hit, said: str | tuple[str, ...], code: int | None = None, agents: Sequence[str] = AGENTS,
    lost: int = 0, note: str = "", salvage: bool = False,
) -> Outcome:  # fmt: skip
    """The outcome of a run, once these claims hold: the message is there; nothing of the run is left on the hosts of its
    agents; of what was recorded at most `lost` requests are not kept (those that a killed process had with itself).
    code: what it must be. salvage: what agents kept for themselves counts, too."""
    ended = done.ended
    line = named(ended.text, *([said] if isinstance(said, str) else said))
    if code is not None and not (code == 0 and generator_alone(ended)):
        assert ended.code == code, f"exit code {ended.code}: {ended.text}"
    left = lab.idle([name for name in agents if lab.agents[name].process.poll() is None])
    assert not left, f"orphans: {left}"
    kept, note = _kept(lab, ended, agents, salvage, _with_reason(ended, line, note))
    recorded = len(lab.recorded(agents))
    assert recorded - lost <= kept <= recorded, f"{kept} of {recorded} recorded requests are kept: {ended.text}"
    return Outcome(verdict_of(ended), ended.code, done.took_s, line, recorded, kept, note)


def _with_reason(ended: Ended, line: str, note: str) -> str:
    """And why the run is INVALID, where the line does not say it."""
    reasons = [reason["text"] for reason in ended.result.get("record", {}).get("invalid", ())]
    if not reasons or any(line in text for text in reasons):
        return note
    return "; ".join(filter(None, (note, f"INVALID since {reasons[0]}")))


def _kept(lab: Lab, ended: Ended, agents: Sequence[str], salvage: bool, note: str) -> tuple[int, str]:
    """Requests that somebody still has. An agent keeps all of a load, with what had arrived."""
    if not salvage:
        return ended.kept, note
    fetched = lab.salvage([name for name in agents if lab.agents[name].process.poll() is None])
    assert fetched.code == 0 or "keep nothing" in fetched.text, fetched.text
    more = sum(max(0, fetched.kept_of(name) - ended.kept_of(name)) for name in agents)
    words = f"{more} of them fetched by `perfgate fleet salvage`" if more else ""
    return ended.kept + more, "; ".join(filter(None, (note, words)))


def generator_alone(ended: Ended) -> bool:
    """The run is INVALID since this host was too busy to generate its load on time, and for nothing else."""
    record = ended.result.get("record", {})
    reasons = {reason["code"] for reason in record.get("invalid", ())}
    return bool(record.get("complete")) and reasons <= GENERATOR and bool(reasons)


def verdict_of(ended: Ended) -> str:
    """The word in verdict.txt; of a run that has none, nothing."""
    path = ended.out / "verdict.txt"
    words = path.read_text().split() if path.exists() else []
    return words[0] if words else "none"


def named(text: str, *words: str) -> str:
    """The part of what was said that has the first of these words that are there (regular expressions), without the frames
    of tables."""
    flat = re.sub(r"[┃│┏┗━\s]+", " ", text)
    found = next((match for one in words if (match := re.search(one, flat))), None)
    assert found, f"nobody says {words}: {text}"
    return found[0].strip()


def short(seconds: float = 6.0, rate: float = 120.0, **more: float) -> Load:
    """A small load that most cases take."""
    return Load(seconds=seconds, rate=rate, nodes=100, **more)  # type: ignore[arg-type]
