"""The host skill: loads a build's data once, then starts fresh processes of it, each on a copy, and ends them all."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from perfgate.address import Address
from perfgate.dataset import Dataset
from perfgate.errors import TargetError
from perfgate.scenario.model import Scenario
from perfgate.targets.adapter import Adapter, make_adapter
from perfgate.targets.model import MOST_PORTS, HostSpec, Target
from perfgate_agent.ask import ask
from perfgate_agent.configuration import AgentConfiguration, share_cpus
from perfgate_agent.loader import load_nodes
from perfgate_agent.ports import free_ports
from perfgate_agent.prepare import learn
from perfgate_agent.process import LOOPBACK, Start, StoreProcess, fill_command, start_process
from perfgate_agent.samples import find_samples
from perfgate_agent.store_user import let_through


@dataclass(frozen=True, slots=True)
class Installed:
    """A build with its data: how many memories, how large, and how long starting and loading took."""

    memories: int
    bytes: int
    start_ns: int
    load_ns: int
    reused: bool


@dataclass(frozen=True, slots=True)
class Build:
    """A target's variant on the data of a scenario."""

    target: Target
    variant: str
    scenario: Scenario
    dataset: Dataset

    @property
    def spec(self) -> HostSpec:
        """Raises TargetError for a store that perfgate does not start."""
        if self.target.host is None:
            raise TargetError(f"target {self.target.name!r} has no [host] part, so it cannot be started; give --url")
        return self.target.host

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the variant adds to the command. Raises TargetError for a variant that the file does not have."""
        if self.variant not in self.target.variants:
            known = ", ".join(sorted(self.target.variants)) or "none"
            raise TargetError(f"target {self.target.name!r} has no variant {self.variant!r}; there are: {known}")
        return self.target.variants[self.variant]

    @property
    def artifact(self) -> str:
        """The directory that {artifact} stands for; empty where the variant has none."""
        return self.target.artifacts.get(self.variant, "")

    @property
    def on_socket(self) -> bool:
        """Whether it is told to listen on a Unix socket."""
        words = (*self.spec.command, *self.arguments, *self.spec.environment.values())
        return any("{socket}" in word for word in words)

    @property
    def takes_host(self) -> bool:
        """Whether it is told on which address to listen."""
        words = (*self.spec.command, *self.arguments, *self.spec.environment.values())
        return any("{host}" in word for word in words)

    @property
    def further_ports(self) -> int:
        """On how many ports it is told to listen besides the first."""
        words = " ".join((*self.spec.command, *self.arguments, *self.spec.environment.values()))
        return max((number - 1 for number in range(2, MOST_PORTS + 1) if f"{{port{number}}}" in words), default=0)

    def adapter(self, address: Address) -> Adapter:
        return make_adapter(self.target, self.dataset, address.host, address.port)


class Host:
    """Owns all processes and directories of one session below `directory`."""

    def __init__(self, configuration: AgentConfiguration, directory: Path) -> None:
        self._configuration = configuration
        self._directory = directory
        self._handles = itertools.count(1)
        self._builds = itertools.count()
        self._installed: dict[tuple[str, str, str], tuple[Path, Installed]] = {}
        self._sockets: tempfile.TemporaryDirectory[str] | None = None
        self.processes: dict[int, StoreProcess] = {}

    async def install(
        self, build: Build, progress: Callable[[str, float], None], anew: bool = False
    ) -> Installed:  # fmt: skip
        """Load the build's data into a fresh process, verify it, and keep the directory to copy. anew: even where that was
        done before; the former directory goes."""
        key = _key(build)
        if key in self._installed:
            former, known = self._installed[key]
            if not anew:
                return Installed(known.memories, known.bytes, known.start_ns, known.load_ns, reused=True)
            del self._installed[key]
            await asyncio.to_thread(shutil.rmtree, former.parent)
        place = self._directory / f"build-{next(self._builds)}"
        data = self._fresh(place / "data")
        handle = next(self._handles)
        cpus = self._configuration.store_cpus
        process = await self._start(build, data, self._ports([build])[0], place / "store.log", handle, cpus)
        try:
            report = await load_nodes(
                build.adapter(process.start.address), process.start.address, build.scenario.data.num_nodes,
                build.spec.load_connections, progress=lambda fraction: progress(f"loading {build.variant}", fraction),
            )  # fmt: skip
        finally:
            await process.stop()
            self.processes.pop(handle)
        size = await asyncio.to_thread(directory_bytes, data)
        installed = Installed(report.count, size, process.start_ns, report.duration_ns, reused=False)
        self._installed[key] = (data, installed)
        return installed

    async def launch(self, builds: Sequence[Build], apart: bool = False) -> list[tuple[int, StoreProcess]]:
        """Fresh processes with the data in them, alive together; the first build gets the lowest port. Each serves a
        copy of its loaded directory, or is loaded anew where the store cannot serve a copy. apart: they share no
        processor, where there is one for each; the first gets the lowest."""
        ports, cpus = self._ports(builds), self._configuration.store_cpus
        shares = share_cpus(cpus, len(builds)) if apart else [cpus] * len(builds)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._launch(*each)) for each in zip(builds, ports, shares, strict=True)]
        return [task.result() for task in tasks]

    async def start(self, build: Build, copy_of: Path | None = None) -> tuple[int, StoreProcess]:
        """A fresh process on an empty directory, or on a copy of one: awaited and its port's, but neither loaded nor
        verified."""
        handle = next(self._handles)
        place = self._directory / f"process-{handle}"
        if copy_of is None:
            data = self._fresh(place / "data")
        else:
            data = await self._copy(copy_of, place / "data")
        cpus = self._configuration.store_cpus
        process = await self._start(build, data, self._ports([build])[0], place / "store.log", handle, cpus)
        process.check_owner()
        return handle, process

    async def _launch(self, build: Build, port: tuple[int, ...], cpus: tuple[int, ...]) -> tuple[int, StoreProcess]:
        handle = next(self._handles)
        place = self._directory / f"process-{handle}"
        data = await self._data_for(build, place / "data")
        process = await self._start(build, data, port, place / "store.log", handle, cpus)
        address = process.start.address
        adapter = build.adapter(address)
        if build.spec.copyable:
            await learn(adapter, address)
        else:
            await load_nodes(adapter, address, build.scenario.data.num_nodes, build.spec.load_connections)
        await self._verify_count(build, process, adapter)
        if build.spec.copyable:  # what is loaded anew has been verified with it
            await _verify_answers(build, address, adapter)
        process.check_owner()
        return handle, process

    async def terminate(self, handle: int) -> tuple[int, bool]:
        """Stop one process and remove its directory. (exit status, whether it had to be killed)."""
        process = self.processes.pop(handle, None)
        if process is None:
            raise TargetError(f"there is no process {handle} in this session")
        result = await process.stop()
        await asyncio.to_thread(shutil.rmtree, self._directory / f"process-{handle}", True)
        return result

    async def close(self) -> None:
        """Kill what still runs and remove the session's directory."""
        for process in self.processes.values():
            process.kill()
        await asyncio.gather(*(process.wait() for process in self.processes.values()))
        self.processes.clear()
        await asyncio.to_thread(shutil.rmtree, self._directory, True)
        if self._sockets is not None:
            self._sockets.cleanup()

    async def _start(
        self, build: Build, data: Path, ports: tuple[int, ...], log: Path, handle: int, cpus: tuple[int, ...]
    ) -> StoreProcess:
        port, *besides = ports
        address = self._address(build, port, handle)
        about = (address, data, build.scenario.data.embedding_dim, build.artifact, besides)
        command = fill_command((*build.spec.command, *build.arguments), *about)
        names, values = build.spec.environment.keys(), build.spec.environment.values()
        environment = dict(zip(names, fill_command(list(values), *about), strict=True))
        user = self._configuration.store_user
        home = data.parent / "home" if user else None
        start = Start(command, build.spec, address, data, log, cpus, tuple(besides), user, home)
        process = await start_process(start, environment)
        self.processes[handle] = process
        try:
            await process.await_ready(build.adapter(start.address))
        except BaseException:
            process.kill()
            raise
        return process

    def _address(self, build: Build, port: int, handle: int) -> Address:
        """Where a new process is to listen. Paths of Unix sockets are short, so they lie in a directory of their own."""
        if not build.on_socket:
            return build.target.tls.applied(Address(self._listen(build), port, tls=build.spec.tls))
        if self._sockets is None:
            self._sockets = tempfile.TemporaryDirectory(prefix="perfgate-")
            if (user := self._configuration.store_user) is not None:
                os.chown(self._sockets.name, user.uid, user.gid)
        return Address.unix(f"{self._sockets.name}/{handle}")

    def _listen(self, build: Build) -> str:
        """Where other machines can load it, if the owner of this one has said where and the store can be told."""
        return self._configuration.stores_listen if build.takes_host and self._configuration.stores_listen else LOOPBACK

    def _ports(self, builds: Sequence[Build]) -> list[tuple[int, ...]]:
        """A free port for each, ascending, and the further ones of those that want them."""
        free = free_ports(sum(1 + build.further_ports for build in builds), self._listen(builds[0]))
        further = iter(free[len(builds) :])
        return [
            (port, *itertools.islice(further, build.further_ports)) for port, build in zip(free, builds, strict=False)
        ]

    async def _data_for(self, build: Build, data: Path) -> Path:
        if not build.spec.copyable:
            return self._fresh(data)
        known = self._installed.get(_key(build))
        if known is None:
            raise TargetError(f"build {build.variant!r} is not installed yet on this host")
        if data.exists():
            raise TargetError(f"data directory {data.name} exists already: a fresh process needs a fresh copy")
        return await self._copy(known[0], data)

    def _fresh(self, data: Path) -> Path:
        """A new, empty directory of whoever runs the store. Raises TargetError when there is one already: its data would be
        carried over."""
        try:
            if (user := self._configuration.store_user) is None:
                data.mkdir(parents=True)
            else:
                data.parent.mkdir(parents=True)
                let_through(data.parent)
                user.make(data.parent / "home")
                user.make(data)
        except FileExistsError as error:
            raise TargetError(
                f"data directory {data.name} exists already: data of another process would be carried over"
            ) from error
        return data

    async def _copy(self, source: Path, data: Path) -> Path:
        if (user := self._configuration.store_user) is None:
            data.parent.mkdir(parents=True)
            await asyncio.to_thread(shutil.copytree, source, data)
        else:
            await user.copy(source, self._fresh(data))
        return data

    async def _verify_count(self, build: Build, process: StoreProcess, adapter: Adapter) -> None:
        try:
            count = adapter.read_count(*await ask(adapter, process.start.address, adapter.encode_count(), 10.0))
        except (OSError, ValueError) as error:
            raise TargetError(f"the fresh store on {process.start.place} could not be counted: {error}") from error
        expected = build.scenario.data.num_nodes
        if count != expected:
            raise TargetError(
                f"the fresh process of {build.variant!r} holds {count} memories instead of {expected}: its directory was "
                "carried over or lost its data; set copyable = false in the target file if it cannot serve a copy"
            )


async def _verify_answers(build: Build, address: Address, adapter: Adapter) -> None:
    if problem := await find_samples(adapter, address, build.scenario.data.num_nodes):
        raise TargetError(
            f"the fresh process of {build.variant!r} serves a copy of its loaded directory, but {problem}; set "
            "copyable = false in the target file if it cannot serve a copy"
        )


def directory_bytes(directory: Path) -> int:
    """Of all files in it, as they are on the disk: holes in them count nothing."""
    return sum(path.lstat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


def _key(build: Build) -> tuple[str, str, str]:
    return build.target.name, build.variant, build.scenario.digest
