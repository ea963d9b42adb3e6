"""The stores of the conformance suite, and how each is started: by the agent's own host, from its target file."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from dataset_values import scenario
from numpy.typing import NDArray
from perfgate_agent.ask import ask
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.host import Build, Host, Installed
from perfgate_agent.prepare import learn
from perfgate_agent.process import StoreProcess

from perfgate.address import Address
from perfgate.dataset import Dataset, build_dataset
from perfgate.operation import Operation
from perfgate.scenario.model import EmbeddingSpec, Scenario
from perfgate.targets.adapter import Adapter, Judgement
from perfgate.targets.launch_postgres import find_programs
from perfgate.targets.launch_redis import find_server
from perfgate.targets.load import load_target
from perfgate.targets.model import Target

ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT / "tests" / "data" / "vectors" / "cohere-wiki-1000x768.npy"
LOADED, LATER, DIM, QUERIES, SEED = 600, 6, 768, 60, 5
K = 10
Result = TypeVar("Result")


@dataclass(frozen=True)
class Candidate:
    """A target file; quick: also in the quick suite; any_dimension: it stores vectors of any, and leaves out of its index what
    does not fit (`target check` warns of that)."""

    name: str
    quick: bool = False
    any_dimension: bool = False

    @property
    def target(self) -> Target:
        return load_target(ROOT / "targets" / f"{self.name}.toml")

    @property
    def missing(self) -> str:
        """Why it cannot be started here; empty when it can."""
        if self.name == "embedded":
            return "" if find_spec("usearch") else "the built-in store needs pip install 'perfgate[store]'"
        if self.name in ("redis", "falkordb"):
            return "" if find_server() else "no redis-server: make setup, or put one into PATH"
        if self.name == "postgres_pgvector":
            return "" if find_programs() else "no postgres: make setup, or put one into PATH"
        target = self.target
        artifact = target.artifacts.get("default", "")
        program = Path(target.host.command[0].format(artifact=artifact)) if target.host else Path()
        if program.is_file() or (not artifact and _in_path(str(program))):
            return ""
        return f"no {program.name}: scripts/stores.sh {self.name}"


CANDIDATES = [
    Candidate("embedded", quick=True), Candidate("redis", quick=True), Candidate("postgres_pgvector", quick=True),
    Candidate("falkordb", any_dimension=True), Candidate("chroma"), Candidate("arcadedb"), Candidate("weaviate"),
    Candidate("qdrant"),
]  # fmt: skip


def _in_path(program: str) -> bool:
    from shutil import which

    return which(program) is not None


def real_data(cache: Path, dim: int = DIM) -> tuple[Scenario, Dataset]:
    """LOADED memories to be loaded, LATER more to be stored one by one; of another dimension: any vectors."""
    spec = EmbeddingSpec(kind="file", path=str(VECTORS)) if dim == DIM else EmbeddingSpec()
    whole = scenario(LOADED + LATER, dim, spec)
    dataset = build_dataset(whole, SEED, cache, store_pool=QUERIES, num_queries=QUERIES)
    return dataclasses.replace(whole, data=dataclasses.replace(whole.data, num_nodes=LOADED)), dataset


class Running:
    """A store that serves LOADED memories, loaded in bulk by a process before and, where it can, copied."""

    def __init__(self, candidate: Candidate, directory: Path) -> None:
        self.candidate, self.directory = candidate, directory
        self.target = candidate.target
        self._loop = asyncio.new_event_loop()
        self.scenario, self.data = real_data(directory / "cache")
        configuration = AgentConfiguration("conformance", "127.0.0.1", 0, directory, directory, 1)
        self.host = Host(configuration, directory / "session")
        self.progress: list[float] = []
        self.installed: Installed
        self.process: StoreProcess

    def start(self) -> None:
        self.do(self._start())

    async def _start(self) -> None:
        build = Build(self.target, "default", self.scenario, self.data)
        self.installed = await self.host.install(build, lambda phase, fraction: self.progress.append(fraction))
        ((_, self.process),) = await self.host.launch([build])

    def close(self) -> None:
        self.do(self.host.close())
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """All in one loop, since the store's process belongs to it."""
        return self._loop.run_until_complete(work)

    @property
    def address(self) -> Address:
        return self.process.start.address

    @cached_property
    def adapter(self) -> Adapter:
        return self.adapter_for(self.data)

    def adapter_for(self, data: Dataset, k: int = K) -> Adapter:
        """One that knows what it must; `k`: of how many results it judges."""
        name = "max_results" if self.target.adapter == "engram" else "k"
        target = dataclasses.replace(self.target, options={**self.target.options, name: k})
        adapter = Build(target, "default", self.scenario, data).adapter(self.address)
        self.do(learn(adapter, self.address))
        return adapter

    def raw(self, request: Any, adapter: Adapter | None = None) -> tuple[int, bytes]:
        return self.do(ask(adapter or self.adapter, self.address, request, 60.0))

    def ask(self, operation: Operation, key: int, index: int = 0, adapter: Adapter | None = None) -> Judgement:
        adapter = adapter or self.adapter
        status, body = self.raw(adapter.encode(operation, key, index), adapter)
        return adapter.judge(operation, key, index, status, body, deep=True)

    def count(self) -> int:
        return self.adapter.read_count(*self.raw(self.adapter.encode_count()))


def exact_order(queries: NDArray[np.float32], nodes: NDArray[np.float32]) -> NDArray[np.int64]:
    """(queries, K): the nodes of highest cosine, best first, by brute force."""
    return np.argsort(-(np.array(queries, np.float64) @ np.array(nodes, np.float64).T), axis=1, kind="stable")[:, :K]


def searches_for_nodes(data: Dataset) -> Dataset:
    """The same, but a search's key is a node, whose own vector is searched for and which must be the best answer."""
    truth = np.full((data.num_nodes, data.truth.shape[1]), -1, np.int32)
    truth[:, 0] = np.arange(data.num_nodes)
    return dataclasses.replace(data, queries=data.nodes, query_json=data.node_json, truth=truth)
