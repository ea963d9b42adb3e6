"""How much this machine's owner lets controllers ask of its agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from perfgate.errors import InputError
from perfgate.plan import LANES, Plan
from perfgate.scenario.model import DataSpec, Scenario
from perfgate.segment import Segment
from perfgate.units import NS_PER_S

REMEDY = "ask for less, or raise [limits] in the agent's own configuration"
BYTES_A_COORDINATE = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. rate: requests a second of this agent, in the fastest second of a load. connections: of one run to one
    store. memory_bytes: data of each process, the stores' included (RLIMIT_DATA of getrlimit(2)). run_ns: of one load.
    processes: stores alive at once. message_bytes, streams (calls at once), clients (connections): of the wire."""

    rate: float | None = None
    connections: int | None = None
    memory_bytes: int | None = None
    run_ns: int | None = None
    processes: int = 16
    message_bytes: int = 16 * 1024 * 1024
    streams: int = 64
    clients: int = 64

    def check_data(self, data: DataSpec) -> None:
        """Raises InputError for vectors that cannot fit."""
        size = data.num_nodes * data.embedding_dim * BYTES_A_COORDINATE
        if self.memory_bytes is not None and size > self.memory_bytes:
            raise InputError(
                f"data.num_nodes = {data.num_nodes} of {data.embedding_dim} dimensions are {size / 1e6:,.0f} MB, but this "
                f"agent's memory_mb is {self.memory_bytes / 1e6:,.0f}; {REMEDY}"
            )

    def check_connections(self, connections: int) -> None:
        """Raises InputError."""
        if self.connections is not None and connections > self.connections:
            raise InputError(
                f"connection.connections = {connections}, but this agent opens {self.connections} at most; {REMEDY}"
            )

    def check_processes(self, running: int, more: int) -> None:
        """Raises InputError."""
        if running + more > self.processes:
            raise InputError(
                f"{running} stores are running and {more} more are asked for, but this agent starts {self.processes} at "
                f"most; {REMEDY}"
            )

    def check_segments(self, segments: Sequence[Segment]) -> None:
        """Raises InputError for a load that is too long, or whose times are nonsense."""
        for one in segments:
            if not 0 <= one.plan_start_ns <= one.plan_end_ns or one.offset_ns < 0:
                raise InputError(
                    f"segment {one.number}: its times are out of order: is the controller another version?"
                )
        length_ns = max((one.end_ns for one in segments), default=0)
        if self.run_ns is not None and length_ns > self.run_ns:
            raise InputError(
                f"a load of {length_ns / NS_PER_S:,.1f} s, but this agent loads for {self.run_ns / NS_PER_S:,.0f} s at most; "
                f"{REMEDY}"
            )

    def check_rate(self, scenario: Scenario, seed: int, lanes: Sequence[int], segments: Sequence[Segment]) -> None:
        """Raises InputError for a load that is too fast."""
        if self.rate is None or not segments:
            return
        rate = len(set(lanes)) / LANES * _peak(Plan(scenario, seed), segments)
        if rate > self.rate:
            raise InputError(
                f"a load of up to {rate:,.0f} requests/s, but this agent sends {self.rate:,.0f} at most; {REMEDY}"
            )


def _peak(plan: Plan, segments: Sequence[Segment]) -> float:
    """Requests a second of all lanes in the fastest second, where as many segments run at once as ever do (two in a
    duet)."""
    changes = [(one.offset_ns, 1) for one in segments] + [(one.end_ns, -1) for one in segments]
    at_once = max(accumulate(change for _, change in sorted(changes)))  # at one time, ends come before beginnings
    return at_once * max(plan.peak_rate(one.plan_start_ns, one.plan_end_ns) for one in segments)
