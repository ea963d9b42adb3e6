"""Agents with mutual TLS on hosts of their own, a store on another, the controller on one more; and what is left of a run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from perfgate_agent.raw import ROW, VARIABLE, Rows

from benchmarks.faults.network import ROOT, Host, Network, network
from perfgate.certs.authority import Authority, Party
from perfgate.errors import InputError
from perfgate.interval import Interval
from perfgate.interval_log import read_intervals
from perfgate.trust.files import KEY
from perfgate.trust.role import Role
from perfgate.units import NS_PER_MS, NS_PER_S

AGENT_PORT, STORE_PORT = 7400, 7432
READY_S = 60.0
DIM = 16
WARMUP_NS = 500 * NS_PER_MS
SCENARIO = """
name = "{name}"
[duration]
total_seconds = {seconds}
[arrival]
pattern = "{pattern}"
rate = {rate}
[operations]
store_weight = 0.35
recall_weight = 0.35
embedding_search_weight = 0.3
[data]
num_nodes = {nodes}
embedding_dim = {dim}
[connection]
connections = {connections}
timeout_seconds = {timeout_s}
[gate]
policy = "quick"
looks = [2, 3]
margin = 0.9
measured_seconds = 1
warmup_seconds = 0.25
max_lag_p99_ms = 900
max_worker_cpu = 1
max_core_wait = 1
max_steal = 1
"""
AGENT = """
name = "{name}"
workers = 1
work_dir = "{work}"
cache_dir = "{cache}"
[listen]
host = "{address}"
port = {port}
drain_seconds = {drain}
[tls]
directory = "{certs}"
[host]
targets = ["{target}"]
[load]
addresses = ["10.77.0.0/24", "127.0.0.0/8"]
"""
TARGET = """
name = "lab"
adapter = "engram"
[options]
threshold = 0.0
[host]
command = ["{python}", "-m", "perfgate.store", "--port", "{port}", "--data-dir", "{data_dir}", "--dim", "{embedding_dim}"]
start_timeout_seconds = 30
stop_grace_seconds = 3
[variants.default]
[variants.other]
arguments = ["--start-delay", "0.01"] # the same, but for its command line
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a scenario file here says."""

    seconds: float = 6.0
    rate: float = 200.0
    nodes: int = 400
    connections: int = 200
    timeout_s: float = 2.0
    pattern: str = "constant"
    name: str = "lab"


@dataclass(slots=True)
class AgentProcess:
    """An agent that has said that it is ready. raw: where its workers keep each request as it was."""

    host: Host
    process: subprocess.Popen[str]
    raw: Path
    log: Path
    special: bool = False
    """Started with settings that only one case wants."""

    @property
    def where(self) -> str:
        return f"{self.host.address}:{AGENT_PORT}"

    def await_ready(self) -> None:
        assert self.process.stdout is not None
        if not self.process.stdout.readline().startswith("perfgate agent ready on "):
            raise AssertionError(f"agent {self.host.name} did not start: {self.log.read_text()}")

    def send(self, number: signal.Signals) -> None:
        """To the agent alone; its workers and stores are processes of their own."""
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        """Process numbers of its load workers."""
        return [pid for pid, words in self.host.processes().items() if "perfgate_agent.worker_process" in words]

    def stores(self) -> dict[str, int]:
        """Process numbers of a gate's two, by variant."""
        found = {pid: words for pid, words in self.host.processes().items() if "perfgate.store" in words}
        return {"other" if "--start-delay" in words else "default": pid for pid, words in found.items()}

    def leftovers(self) -> dict[int, str]:
        """What runs on its host but itself."""
        return {pid: words for pid, words in self.host.processes().items() if pid != self.process.pid}

    def recorded(self) -> Rows:
        """Every request that its workers have put into an interval."""
        parts = [part for path in self.raw.glob("*.npys") for part in _arrays(path)]
        return np.concatenate([np.zeros(0, dtype=ROW), *parts])


def _arrays(path: Path) -> Iterator[Rows]:
    """All but the last one of a worker that was killed while it wrote it."""
    with path.open("rb") as file, contextlib.suppress(ValueError, EOFError):
        while file.tell() < path.stat().st_size:
            yield np.load(file)


@dataclass(slots=True)
class Ended:
    """How a command line ended. out: its run's directory. seconds: how long it took."""

    code: int
    stdout: str
    stderr: str
    out: Path
    seconds: float

    @property
    def text(self) -> str:
        return self.stdout + self.stderr

    @property
    def result(self) -> dict[str, Any]:
        """result.json; empty where there is none."""
        path = self.out / "result.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def intervals(self) -> list[Interval]:
        """What the controller wrote down as it came."""
        try:
            return [interval for _, interval in read_intervals(self.out / "intervals.jsonl")]
        except InputError:
            return []

    @property
    def kept(self) -> int:
        """Requests in them."""
        return sum(interval.total for interval in self.intervals())

    def kept_of(self, agent: str) -> int:
        """Requests in those of one agent's workers."""
        return sum(one.total for one in self.intervals() if one.worker.startswith(f"{agent}/"))


@dataclass(slots=True)
class Running:
    """A command line under way."""

    process: subprocess.Popen[str]
    out: Path
    began: float
    host: Host

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def await_load(self, seconds: float = 0.0, deadline_s: float = READY_S) -> None:
        """Until intervals have come in from so many seconds of the measured load; with less than 0, any at all."""
        end = time.monotonic() + deadline_s
        while self.process.poll() is None and time.monotonic() < end:
            for interval in Ended(0, "", "", self.host.path(self.out), 0).intervals():
                if seconds < 0 or (interval.segment == 1 and interval.end_ns - WARMUP_NS >= seconds * NS_PER_S):
                    return
            time.sleep(0.05)
        raise AssertionError(f"no load: {self.end(1)}")

    def end(self, deadline_s: float) -> Ended:
        """Wait for its end; one that goes on beyond the deadline hangs, and is killed."""
        try:
            stdout, stderr = self.process.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            stdout, stderr = self.process.communicate()
            raise AssertionError(f"hangs: not at its end after {deadline_s} s more; it said {stdout}{stderr}") from None
        return Ended(self.process.returncode, stdout, stderr, self.out, time.monotonic() - self.began)


class Lab:
    """Made by `lab`."""

    def __init__(self, made: Network, directory: Path) -> None:
        self.network = made
        self.directory = directory
        self.authority = Authority(directory / "authority")
        self.authority.make()
        self.controller_certs = self.authority.issue(Party("ci", Role.CONTROLLER))
        self.target = directory / "lab.toml"
        self.target.write_text(TARGET)
        self.agents: dict[str, AgentProcess] = {}
        self.store: subprocess.Popen[str] | None = None
        self._runs = 0

    def host(self, name: str) -> Host:
        return self.network.hosts[name]

    def start_agents(self, *names: str, clocks_apart_s: int = 0) -> None:
        """Side by side; each one's monotonic clock so much ahead of the one before it."""
        begun = [self.begin_agent(name, number * clocks_apart_s) for number, name in enumerate(names, 1)]
        for agent in begun:
            agent.await_ready()

    def start_agent(self, name: str, **settings: Any) -> AgentProcess:
        """Serving when it returns; settings as of begin_agent."""
        agent = self.begin_agent(name, **settings)
        agent.await_ready()
        return agent

    def begin_agent(
        self, name: str, clock_ahead_s: int = 0, drain_s: float = 30, certs: Path | None = None, work: Path | None = None,
        environment: Mapping[str, str] | None = None, wrapper: Sequence[str] = (),
    ) -> AgentProcess:  # fmt: skip
        """On the host of its name; may not serve yet. certs: its certificate, by default one of the lab's authority."""
        host, place = self.host(name), self.directory / name
        place.mkdir(exist_ok=True)
        path, raw, log = place / "agent.toml", place / "raw", place / "agent.log"
        path.write_text(AGENT.format(
            name=name, work=work or place / "work", cache=self.directory / "cache", address=host.address,
            port=AGENT_PORT, drain=drain_s, certs=certs or self.certificate(name), target=self.target,
        ))  # fmt: skip
        settings = {**self.environment(), VARIABLE: str(raw), **(environment or {})}
        command = [*wrapper, sys.executable, "-m", "perfgate_agent", "--config", str(path)]
        with log.open("a") as errors:
            process = host.start(command, settings, clock_ahead_s, errors=errors)
        special = bool(certs or work or environment or wrapper or clock_ahead_s)
        self.agents[name] = AgentProcess(host, process, raw, log, special)
        return self.agents[name]

    def stop_agent(self, name: str) -> None:
        """At once, whatever it does."""
        process = self.agents[name].process
        process.kill()
        process.communicate()

    def fresh_store(self) -> None:
        """The same store without memories."""
        if self.store is not None:
            self.store.kill()
            self.store.communicate()
        self.start_store("store")

    def reset(self, *names: str) -> None:
        """As new: lines healed, agents of these names serving, the store empty, nothing recorded."""
        for name in self.network.hosts:
            self.network.heal(name)
        begun = []
        for name in names:
            agent = self.agents.get(name)
            if agent is None or agent.process.poll() is not None or agent.special:
                if agent is not None:
                    self.stop_agent(name)
                begun.append(self.begin_agent(name))
        for agent in begun:
            agent.await_ready()
        self.fresh_store()
        self.forget()

    def certificate(self, name: str) -> Path:
        """Of the agent on that host, made when it is first asked for."""
        party = Party(name, Role.AGENT, (self.host(name).address,))
        place = self.authority.place(party)
        return place if (place / KEY).exists() else self.authority.issue(party)

    def start_store(self, host: str, *arguments: str) -> None:
        """The built-in store, empty, for runs with --url."""
        command = [sys.executable, "-m", "perfgate.store", "--host", self.host(host).address, "--port", str(STORE_PORT)]
        log = (self.directory / "store.log").open("a")
        self.store = self.host(host).start([*command, "--dim", str(DIM), *arguments], self.environment(), errors=log)
        assert self.store.stdout is not None
        line = self.store.stdout.readline()
        if not line.startswith("perfgate store ready"):
            raise AssertionError(f"the store did not start: {line}")

    def environment(self) -> dict[str, str]:
        """Of everything here: a cache of the lab's own, no history, no queue with others."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PERFGATE")}
        return {
            **kept,
            "PERFGATE_CACHE": str(self.directory / "cache"),
            "PERFGATE_EVIDENCE": "off",
            "PERFGATE_HISTORY": "off",
            "PERFGATE_QUEUE": str(self.directory / "queue"),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'agents'}:{ROOT / 'controller'}",
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "200",
        }

    def begin_run(
        self, load: Load, agents: Sequence[str], host: str = "controller", environment: Mapping[str, str] | None = None,
        out: Path | None = None,
    ) -> Running:  # fmt: skip
        """`perfgate run --url` against the store, by these agents."""
        store = next(one for one in self.network.hosts.values() if one.name == "store")
        words = ["--url", f"http://{store.address}:{STORE_PORT}", "--warmup", f"{WARMUP_NS / NS_PER_S}s"]
        return self.begin("run", load, agents, words, host, environment, out)

    def begin_gate(
        self, load: Load, agents: Sequence[str], *words: str, host: str = "controller", out: Path | None = None
    ) -> Running:
        """`perfgate gate` of the built-in store on the first agent's host: default against other, which is the same."""
        words = ("--base", "default", "--candidate", "other", *words)
        return self.begin("gate", load, agents, words, host, None, out)

    def begin(
        self, verb: str, load: Load, agents: Sequence[str], words: Sequence[str], host: str = "controller",
        environment: Mapping[str, str] | None = None, out: Path | None = None,
    ) -> Running:  # fmt: skip
        """Any command line that takes a scenario."""
        self._runs += 1
        out = out or self.directory / f"out-{self._runs}"
        scenario = self.directory / f"{load.name}-{self._runs}.toml"
        scenario.write_text(SCENARIO.format(
            name=load.name, seconds=load.seconds, rate=load.rate, nodes=load.nodes, dim=DIM, pattern=load.pattern,
            connections=load.connections, timeout_s=load.timeout_s,
        ))  # fmt: skip
        where = ",".join(self.agents[name].where for name in agents)
        command = [
            sys.executable, "-m", "perfgate", verb, str(scenario), "--target", str(self.target), "--agents", where,
            "--out", str(out), *words,
        ]  # fmt: skip
        settings = {**self.environment(), "PERFGATE_CERTS": str(self.controller_certs), **(environment or {})}
        return Running(self.host(host).start(command, settings), out, time.monotonic(), self.host(host))

    def salvage(self, names: Sequence[str]) -> Ended:
        """`perfgate fleet salvage` of the newest run that these agents kept something of."""
        self._runs += 1
        out, path = self.directory / f"out-{self._runs}", self.directory / "fleet.toml"
        hosts = (f'[[hosts]]\nname = "{name}"\naddress = "{self.agents[name].where}"\n' for name in names)
        path.write_text("\n".join(hosts))
        command = [sys.executable, "-m", "perfgate", "fleet", "salvage", str(path), "--out", str(out)]
        settings = {**self.environment(), "PERFGATE_CERTS": str(self.controller_certs)}
        host = self.host("controller")
        return Running(host.start(command, settings), out, time.monotonic(), host).end(60)

    def idle(self, names: Sequence[str], deadline_s: float = 15.0) -> dict[int, str]:
        """Wait until nothing runs on these agents' hosts but themselves; what still does at the deadline."""
        end = time.monotonic() + deadline_s
        while True:
            left = {pid: words for name in names for pid, words in self.agents[name].leftovers().items()}
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.1)

    def recorded(self, names: Sequence[str]) -> Rows:
        """What these agents' workers have recorded, in no order."""
        return np.concatenate([self.agents[name].recorded() for name in names])

    def forget(self) -> None:
        """What past runs have left with the agents."""
        for agent in self.agents.values():
            for path in (*agent.raw.glob("*"), *(agent.raw.parent / "work" / "kept").glob("*")):
                path.unlink()


@contextlib.contextmanager
def lab(directory: Path, *hosts: str) -> Iterator[Lab]:
    """An empty one; everything in it ends with the block. Raises NotHere."""
    with network(*hosts) as made:
        yield Lab(made, directory)
