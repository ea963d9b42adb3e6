"""Agents on hosts that are reached by ssh.

Nothing of a password or a key is an argument or is asked for: keys come from a file, ssh-agent or ~/.ssh/config, and a host
whose key is not in known_hosts is not spoken to. What is run there is a helper whose order comes on standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shlex
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import asyncssh

from perfgate.errors import FleetError, InputError
from perfgate.fleet_file.launcher_schema import SshTable
from perfgate_controller.launch.helper_call import BOOT, Transport, call
from perfgate_controller.launch.launcher import Certify, Placed, Standing, WantedAgent
from perfgate_controller.launch.processes import Place, agent_status, each, recording, start_agent, stop_agent

CONNECTIONS = 16
"""Hosts that are spoken to at once."""


@dataclass(frozen=True, slots=True)
class Login:
    """How one host is reached; kept in the state file, so that `down` needs no fleet file. Paths of this machine."""

    host: str
    user: str
    port: int
    key_file: str
    known_hosts: str
    ssh_config: str
    python: str
    connect_seconds: float

    @classmethod
    def of(cls, agent: WantedAgent, table: SshTable, directory: Path) -> Login:
        """Raises InputError where nothing says which hosts are known."""
        known = _beside(directory, table.known_hosts)
        if not known.is_file():
            raise InputError(
                f"launcher.known_hosts {known}: no such file; log in once by ssh, or write the hosts' keys there: perfgate "
                "speaks to no host whose key it cannot check"
            )
        if not agent.host:
            raise InputError(f"host {agent.name}: address is missing: where ssh and, later, controllers find it")
        return cls(
            host=agent.host, user=table.user or "", port=table.port or 0,
            key_file=str(_beside(directory, table.key_file)) if table.key_file else "", known_hosts=str(known),
            ssh_config=str(_beside(directory, table.ssh_config)) if table.ssh_config else "",
            python=table.python, connect_seconds=table.connect_seconds,
        )  # fmt: skip


class SshLauncher:
    """fleet: names directories there. directory: of the fleet file."""

    def __init__(self, fleet: str, directory: Path) -> None:
        self._fleet, self._directory = fleet, directory
        self._gate = asyncio.Semaphore(CONNECTIONS)

    async def up(self, agents: Sequence[WantedAgent], certify: Certify, record: Callable[[Placed], None]) -> None:
        logins = [Login.of(agent, _table(agent), self._directory) for agent in agents]
        wheels = {agent.name: _wheels(_table(agent), self._directory) for agent in agents}
        await each(
            recording(record, self._start(agent, login, wheels[agent.name], certify))
            for agent, login in zip(agents, logins, strict=True)
        )

    async def status(self, placed: Sequence[Placed]) -> list[Standing]:
        async def one(agent: Placed) -> Standing:
            try:
                async with self._gate, connected(agent.name, _login(agent)) as connection:
                    return await agent_status(_transport(connection, _login(agent).python), agent)
            except FleetError as error:
                return Standing(agent.name, "unreachable", str(error))

        return await each(map(one, placed))

    async def down(self, placed: Sequence[Placed], patience_s: float, record: Callable[[Standing], None]) -> None:
        async def one(agent: Placed) -> Standing:
            async with self._gate, connected(agent.name, _login(agent)) as connection:
                return await stop_agent(_transport(connection, _login(agent).python), agent, patience_s)

        await each(recording(record, one(agent)) for agent in placed)

    async def _start(self, agent: WantedAgent, login: Login, wheels: Sequence[Path], certify: Certify) -> Placed:
        table = _table(agent)
        tls = certify(agent.name, agent.tls_name or agent.host)
        async with self._gate, connected(agent.name, login) as connection:
            transport = _transport(connection, login.python)
            python = table.python
            if wheels:
                python = await _install(connection, transport, agent.name, table, wheels)
            service = f"perfgate-agent-{self._fleet}-{agent.name}" if table.systemd else ""
            place = Place(table.directory, python, table.listen or "", service=service)
            placed = await start_agent(transport, self._fleet, agent, place, tls, self._directory)
        return Placed(placed.name, placed.address, {**placed.handle, "login": json.dumps(_fields(login))})


@contextlib.asynccontextmanager
async def connected(name: str, login: Login) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """Raises FleetError that says which of host, host key or user was the matter."""
    where = f"{name}: ssh to {login.host}" + (f" port {login.port}" if login.port else "")
    given: dict[str, Any] = {"port": login.port} if login.port else {}
    given |= {"username": login.user} if login.user else {}
    given |= {"client_keys": [login.key_file], "agent_path": None} if login.key_file else {}
    given |= {"config": [login.ssh_config]} if login.ssh_config else {}
    try:
        connection = await asyncssh.connect(
            login.host, known_hosts=login.known_hosts, connect_timeout=login.connect_seconds,
            login_timeout=login.connect_seconds, keepalive_interval=15,
            preferred_auth="gssapi-with-mic,publickey", **given,
        )  # fmt: skip
    except asyncssh.HostKeyNotVerifiable as error:
        raise FleetError(
            f"{where}: its host key is not the one in {login.known_hosts} ({error.reason}); compare it with the host's own "
            "(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, there) before you write it down"
        ) from error
    except asyncssh.PermissionDenied as error:
        user = login.user or "this user"
        raise FleetError(
            f"{where}: takes no key of {user} ({error.reason}); put the public key into authorized_keys there, or name "
            "launcher.key_file; passwords are not used"
        ) from error
    except (asyncssh.KeyImportError, asyncssh.ConfigParseError) as error:
        raise FleetError(f"{where}: {error}; a key with a passphrase goes through ssh-agent") from error
    except TimeoutError as error:
        raise FleetError(f"{where}: no answer within {login.connect_seconds:g} s") from error
    except (OSError, asyncssh.Error) as error:
        number = getattr(error, "errno", None)
        raise FleetError(f"{where}: {os.strerror(number) if number and number > 0 else error}") from error
    try:
        async with connection:
            yield connection
    except asyncssh.Error as error:
        raise FleetError(f"{where}: the connection broke: {error}") from error


def _transport(connection: asyncssh.SSHClientConnection, python: str) -> Transport:
    command = f"{_quoted(python)} -I -c {shlex.quote(BOOT)}"

    async def run(stdin: bytes) -> bytes:
        done = await connection.run(command, input=stdin, encoding=None, stderr=asyncssh.STDOUT)
        return bytes(done.stdout or b"")  # type: ignore[arg-type]

    return run


async def _install(
    connection: asyncssh.SSHClientConnection, transport: Transport, name: str, table: SshTable, wheels: Sequence[Path]
) -> str:
    """The wheels, uploaded once, in an environment that bears their digest; its Python."""
    digest = hashlib.sha256()
    for wheel in sorted(wheels, key=lambda path: path.name):
        digest.update(wheel.name.encode() + hashlib.sha256(wheel.read_bytes()).digest())
    digest.update(table.python.encode())
    own = next(wheel for wheel in wheels if wheel.name.startswith("perfgate-"))
    label = f"{'-'.join(own.name.split('-')[:2])}-{digest.hexdigest()[:12]}"
    uploads = f"{table.directory}/uploads/{label}"
    sizes = {wheel.name: wheel.stat().st_size for wheel in wheels}
    there = await call(transport, name, {"action": "uploads", "directory": uploads, "sizes": sizes})
    missing = [wheel for wheel in wheels if wheel.name not in there["there"]]
    if missing:
        try:
            async with connection.start_sftp_client() as sftp:
                for wheel in missing:
                    await sftp.put(str(wheel), str(PurePosixPath(str(there["directory"])) / wheel.name))
        except (asyncssh.Error, OSError) as error:
            raise FleetError(
                f"{name}: upload over sftp failed: {error}; is its subsystem on in sshd_config?"
            ) from error
    order = {
        "action": "environment", "directory": f"{table.directory}/environments/{label}", "python": table.python,
        "wheels": uploads, "install": [own.name], "offline": table.offline,
    }  # fmt: skip
    return str((await call(transport, name, order))["python"])


def _wheels(table: SshTable, directory: Path) -> list[Path]:
    """Raises InputError for what is no wheel, and where perfgate's own is not among them."""
    found: list[Path] = []
    for written in table.wheels:
        path = _beside(directory, written)
        found += sorted(path.glob("*.whl")) if path.is_dir() else [path]
    for path in found:
        if path.suffix != ".whl" or not path.is_file():
            raise InputError(f"launcher.wheels: {path} is no wheel; make one by pip wheel --no-deps -w dist .")
    if found and sum(path.name.startswith("perfgate-") for path in found) != 1:
        raise InputError("launcher.wheels: give one wheel of perfgate (pip wheel --no-deps -w dist .), beside others")
    return found


def _login(placed: Placed) -> Login:
    return Login(**json.loads(placed.handle["login"]))


def _fields(login: Login) -> dict[str, object]:
    return {name: getattr(login, name) for name in Login.__dataclass_fields__}


def _table(agent: WantedAgent) -> SshTable:
    assert isinstance(agent.table, SshTable)
    return agent.table


def _quoted(python: str) -> str:
    """A leading ~ is the shell's to expand."""
    return "~/" + shlex.quote(python[2:]) if python.startswith("~/") else shlex.quote(python)


def _beside(directory: Path, written: str) -> Path:
    return (directory / Path(written).expanduser()).resolve()
