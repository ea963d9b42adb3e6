"""A store that runs already: verify that it holds just the scenario's data, or load it where it is empty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from perfgate.address import Address
from perfgate.dataset import Dataset
from perfgate.errors import InputError, TargetError
from perfgate.scenario.model import Scenario
from perfgate.targets.adapter import Preparing, make_adapter
from perfgate.targets.model import Target
from perfgate_agent.ask import ask
from perfgate_agent.loader import load_nodes
from perfgate_agent.prepare import learn
from perfgate_agent.samples import find_samples

LOAD_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class RunningStore:
    """Where it is and what it should hold."""

    target: Target
    scenario: Scenario
    dataset: Dataset
    address: Address


@dataclass(frozen=True, slots=True)
class Populated:
    """How many memories there are now, and whether they had to be loaded."""

    memories: int
    loaded: bool
    load_ns: int


async def populate(store: RunningStore, progress: Callable[[float], None]) -> Populated:
    """Raises TargetError when nobody answers, InputError when it holds something else."""
    adapter = make_adapter(store.target, store.dataset, store.address.host, store.address.port)
    expected = store.scenario.data.num_nodes
    unprepared = isinstance(adapter, Preparing) and bool(adapter.preparations())
    try:
        await ask(adapter, store.address, adapter.alive_request(), 10.0)
        try:
            await learn(adapter, store.address)
            count = adapter.read_count(*await ask(adapter, store.address, adapter.encode_count(), 10.0))
        except (TargetError, ValueError):
            if not unprepared:
                raise
            count = 0  # without its schema there is nothing to count; loading makes it, and counts again
    except ConnectionRefusedError as error:
        raise TargetError(f"no store answers at {store.address} (nobody listens); start it, or mend --url") from error
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__  # a store may answer with a page of HTML
        raise TargetError(f"no store answers at {store.address} ({reason}); start it, or mend --url") from error
    if count == expected:
        if problem := await find_samples(adapter, store.address, expected):
            raise InputError(
                f"the store at {store.address} holds {count} memories, as the scenario says, but not the "
                f"scenario's: {problem}; give an empty store (it is loaded then), or the seed it was loaded with"
            )
        return Populated(count, loaded=False, load_ns=0)
    if count:
        raise InputError(
            f"the store at {store.address} holds {count} memories where the scenario's data.num_nodes is "
            f"{expected}: answers could not be checked; give an empty store (it is loaded then) or mend num_nodes"
        )
    connections = store.target.host.load_connections if store.target.host else LOAD_CONNECTIONS
    report = await load_nodes(adapter, store.address, expected, connections, progress=progress)
    return Populated(report.count, loaded=True, load_ns=report.duration_ns)
