"""A target: how a store is started, awaited, loaded, counted and stopped, and which adapter speaks to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perfgate.address import Address
from perfgate.errors import InputError
from perfgate.operation import Operation
from perfgate.targets.requests_model import HttpRequests

MOST_PORTS = 6


@dataclass(frozen=True, slots=True)
class HostSpec:
    """`[host]`: how a fresh process is run. `command` is an argument list, never a shell line; placeholders {python},
    {port}, {port2} to {port6}, {host}, {socket}, {data_dir}, {embedding_dim} and {artifact} (where the variant's build lies)
    are filled in by the host skill on its own machine. {port2} and so on are for what a store serves besides: it must listen
    there, too. {host}: the address to listen on, where the machine's owner lets other hosts load it. tls: it speaks TLS on
    its port; `[tls]` says whom to trust."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    start_timeout_ns: int
    stop_signal: str
    stop_grace_ns: int
    copyable: bool
    """A stopped data directory can be copied and served by another process."""
    load_connections: int
    tls: bool = False


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """`[build]`: how a commit becomes what is started. steps: argument lists, run in order in `directory` of a fresh
    worktree; artifacts: files and directories, relative to it, that are kept; toolchain: commands whose output says what
    built it. {python}, {source} (the worktree) and {build_cache} (kept between builds) are filled in."""

    steps: tuple[tuple[str, ...], ...]
    artifacts: tuple[str, ...]
    toolchain: tuple[tuple[str, ...], ...]
    environment: Mapping[str, str]
    directory: str
    timeout_ns: int


CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TlsTerms:
    """`[tls]`: how the certificate of a store behind https is checked. ca_file: PEM, as the target file names it, seen
    from `directory`, where that file lies; empty: the system's authorities."""

    ca_file: str = ""
    server_name: str = ""
    insecure: bool = False
    directory: Path = field(default=Path(), compare=False)

    def applied(self, address: Address) -> Address:
        """The address with these terms, where it is https. Raises InputError for authorities that cannot be read."""
        if not address.tls:
            return address
        return address.with_tls(server_name=self.server_name, authorities=self._authorities(), insecure=self.insecure)

    def _authorities(self) -> str:
        if not self.ca_file:
            return ""
        import ssl  # only where it is needed

        path = self.directory / Path(self.ca_file).expanduser()
        try:
            found = CERTIFICATE.findall(path.read_text(encoding="utf-8"))
            text = "\n".join(found) + "\n"  # no key that lies in the same file may travel with them
            ssl.create_default_context(cadata=text)
        except (OSError, ValueError) as error:
            raise InputError(f"[tls] ca_file {path}: {error}; give a PEM file of certificates") from error
        return text


@dataclass(frozen=True, slots=True)
class Target:
    """One target file, checked."""

    name: str
    description: str
    adapter: str
    operations: frozenset[Operation]
    options: Mapping[str, str | int | float | bool]
    host: HostSpec | None
    variants: Mapping[str, tuple[str, ...]]
    """Builds that --base and --candidate can name: further arguments to the command."""
    source: str
    """Canonical JSON of the file's content."""
    tls: TlsTerms = TlsTerms()
    build: BuildSpec | None = None
    artifacts: Mapping[str, str] = field(default_factory=dict)
    """Where the build of a variant lies: the directory that {artifact} stands for. Not every variant has one."""
    requests: HttpRequests | None = None
    """Of the adapter `http`."""
