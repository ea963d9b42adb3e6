"""One fresh process of a store: started on its own port in its own directory, awaited, identified, stopped for sure."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perfgate.address import Address
from perfgate.errors import TargetError
from perfgate.targets.adapter import Adapter
from perfgate.targets.model import HostSpec
from perfgate_agent.ask import ask
from perfgate_agent.ports import descendants, is_listening, listeners, listening_hosts, listening_ports, stopped_below
from perfgate_agent.store_user import StoreUser

POLL_S = 0.02
PRIORITY = "-5"
"""Both builds alike: what is compared is the stores, not what else the host does. Only tried: it takes a privilege."""
SPAWN = Path(__file__).with_name("spawn.py")
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Start:
    """What a process is started with. `command` has its placeholders filled in. address: where it is to answer, on this
    machine."""

    command: tuple[str, ...]
    spec: HostSpec
    address: Address
    data_dir: Path
    log: Path
    cpus: tuple[int, ...]
    besides: tuple[int, ...] = ()
    """Where it is to listen besides, for {port2}, {port3}, …"""
    user: StoreUser | None = None
    """As whom it runs; None: as the agent's own user."""
    home: Path | None = None
    """Where it begins; None: where its log is."""

    @property
    def where(self) -> int | str:
        """The port, or the path of the Unix socket."""
        return self.address.path or self.address.port

    @property
    def place(self) -> str:
        """The same for messages."""
        return f"socket {self.address.path}" if self.address.path else f"port {self.address.port}"

    @property
    def named_besides(self) -> list[tuple[int, str]]:
        """(port, its name in the target file) of each further one."""
        return [(port, f"port{number}") for number, port in enumerate(self.besides, 2)]


def fill_command(
    command: Sequence[str],
    address: Address,
    data_dir: Path,
    embedding_dim: int,
    artifact: str = "",
    besides: Sequence[int] = (),
) -> tuple[str, ...]:
    """Replace the placeholders of a target file. Raises TargetError for one that does not exist, and for {artifact} where
    the variant has none."""
    values: dict[str, object] = {
        "python": sys.executable, "port": address.port, "data_dir": data_dir, "embedding_dim": embedding_dim,
        "socket": address.path, "host": address.host,
    }  # fmt: skip
    if artifact:
        values["artifact"] = artifact
    values |= {f"port{number}": port for number, port in enumerate(besides, 2)}
    try:
        return tuple(part.format_map(values) for part in command)
    except (KeyError, ValueError, IndexError) as error:
        if str(error) == "'artifact'":
            raise TargetError(
                "[host] needs {artifact}, but this variant has none: gate commits (--repo), give --base-artifact and "
                "--candidate-artifact, or set artifact in its [variants] table"
            ) from error
        raise TargetError(
            f"[host] command {list(command)!r}: bad placeholder {error}; there are "
            + ", ".join("{" + name + "}" for name in values)
        ) from error


class StoreProcess:
    """Made by `start_process`; owns the process and everything below it."""

    def __init__(self, start: Start, process: asyncio.subprocess.Process, began_ns: int) -> None:
        self.start = start
        self._process = process
        self._began_ns = began_ns
        self.start_ns = 0
        self.stopping = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        """Until it ends, by whatever cause; its exit status (negative: the signal)."""
        return await self._process.wait()

    def last_output(self, lines: int = 5) -> str:
        """The end of what it printed."""
        try:
            with self.start.log.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - 4096))
                words = "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
                return "".join(letter for letter in words if letter.isprintable() or letter == "\n")
        except OSError:
            return ""

    async def await_ready(self, adapter: Adapter) -> None:
        """Until it answers on its own port or socket. Raises TargetError when it ends first, lets the time pass, or when another
        process owns that."""
        deadline = self._began_ns + self.start.spec.start_timeout_ns
        while not (await self._answers(adapter) and self._listens_besides()):
            if self._process.returncode is not None:
                raise TargetError(
                    f"the store ended with status {self._process.returncode} before it was ready; "
                    f"its last words: {self.last_output() or '(none)'}"
                )
            if time.monotonic_ns() > deadline:
                seconds = self.start.spec.start_timeout_ns / 1e9
                raise TargetError(
                    f"the store did not answer on {self.start.place} within start_timeout_seconds = {seconds:g}; "
                    f"{self._elsewhere()}its last words: {self.last_output() or '(none)'}"
                )
            await asyncio.sleep(POLL_S)
        self.start_ns = time.monotonic_ns() - self._began_ns

    async def _answers(self, adapter: Adapter) -> bool:
        if not is_listening(self.start.where):
            return False
        self.check_owner()
        try:
            status, _ = await ask(adapter, self.start.address, adapter.alive_request(), 2.0)
        except (OSError, ValueError):
            return False
        return status < 300

    def _listens_besides(self) -> bool:
        return all(map(is_listening, self.start.besides))

    def _elsewhere(self) -> str:
        """What of its ports says why it is not ready."""
        told = {self.start.address.port, *self.start.besides}
        others = sorted(listening_ports(descendants(self.pid)) - told)
        if self.start.address.host != LOOPBACK and (hosts := listening_hosts(self.start.address.port)):
            heard = ", ".join(sorted(hosts))
            return f"it listens on {heard} instead of {self.start.address.host}: [host] must tell it {{host}}; "
        if others:
            return (
                f"it listens on port {', '.join(map(str, others))} instead: it moved on from the port it was told, or "
                "[host] does not tell it {port}; "
            )
        silent = (f"{{{name}}} = {port}" for port, name in self.start.named_besides if not is_listening(port))
        first = next(silent, "")
        return f"nobody listens on {first}; " if first else ""

    def check_owner(self) -> None:
        """Raises TargetError when somebody else listens there: a stale server must not answer for this one."""
        self._check_owner(self.start.where, self.start.place)
        for port, name in self.start.named_besides:
            self._check_owner(port, f"port {port} ({{{name}}})")

    def _check_owner(self, where: int | str, place: str) -> None:
        owners = listeners(where)
        if owners and not owners <= descendants(self.pid):
            strangers = ", ".join(map(str, sorted(owners - descendants(self.pid))))
            raise TargetError(
                f"{place} is answered by another process (pid {strangers}), not by the store that was "
                f"started (pid {self.pid}); stop it, or let the store listen where it is told to"
            )

    async def stop(self) -> tuple[int, bool]:
        """The stop signal, the time of grace, then SIGKILL for the whole group. (exit status, whether killed)."""
        self.stopping = True
        killed = False
        self._signal(getattr(signal, "SIG" + self.start.spec.stop_signal.removeprefix("SIG")))
        self._signal_stopped(signal.SIGCONT)  # one that was paused would not see the other signal
        try:
            async with asyncio.timeout(self.start.spec.stop_grace_ns / 1e9):
                await self._process.wait()
        except TimeoutError:
            killed = True
        finally:
            self.kill()
        return await self._process.wait(), killed

    def kill(self) -> None:
        """At once, with all its children."""
        self.stopping = True
        self._signal_stopped(signal.SIGKILL)  # what was paused in a group of its own would stay for ever
        self._signal(signal.SIGKILL)

    def _signal_stopped(self, number: int) -> None:
        """Whatever of it stands still (perfgate compete pauses stores), also in other groups."""
        for pid in stopped_below(self.pid) if self._process.returncode is None else ():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


async def start_process(start: Start, environment: dict[str, str]) -> StoreProcess:
    """Start it in a session of its own, tied to this process's life. Raises TargetError when the port or socket is taken
    or the program is not there."""
    further = [(port, f"port {port} ({{{name}}})") for port, name in start.named_besides]
    for where, place in ((start.where, start.place), *further):
        if where and is_listening(where):
            owners = ", ".join(map(str, sorted(listeners(where)))) or "unknown"
            raise TargetError(f"{place} is taken already (pid {owners}): a stale server would answer for the store")
    cpus = ",".join(map(str, start.cpus)) or "-"
    home, user = start.home or start.log.parent, start.user
    become = user.spawn_words if user else ()
    command = (sys.executable, "-I", "-S", str(SPAWN), str(os.getpid()), cpus, PRIORITY, *become, *start.command)
    began = time.monotonic_ns()
    with start.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, **(user.environment(home) if user else {}), **environment},
            start_new_session=True, cwd=home,
        )  # fmt: skip
    return StoreProcess(start, process, began)
