"""What an agent that is launched finds in its own directory: agent.toml, its target files, its certificate."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import InputError
from perfgate.fleet_file.launcher_schema import LauncherTable
from perfgate.targets.load import load_target
from perfgate.trust.files import CA, CERTIFICATE, KEY, TlsFiles


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the agent listens. certificates: the directory of its three files as it sees it; empty: without TLS."""

    host: str
    port: int
    certificates: str = ""


def agent_toml(table: LauncherTable, name: str, listen: Listen, work_dir: str, cache_dir: str) -> str:
    """As `perfgate agent serve --config` reads it. name empty: the host's own."""
    lines = [f"name = {_toml(name)}"] if name else []
    lines += [f"workers = {table.workers}", f"work_dir = {_toml(work_dir)}", f"cache_dir = {_toml(cache_dir)}"]
    lines += ["[listen]", f"host = {_toml(listen.host)}", f"port = {listen.port}"]
    lines += [f"drain_seconds = {table.drain_seconds}"]
    if listen.certificates:
        lines += ["[tls]", f"directory = {_toml(listen.certificates)}"]
    lines += ["[host]", f"targets = {_toml([f'targets/{Path(one).name}' for one in table.targets])}"]
    if table.stores_listen is not None:
        lines += [f"listen = {_toml(table.stores_listen)}"]
    if table.programs is not None:
        lines += [f"programs = {_toml(table.programs)}"]
    lines += ["[load]", f"vector_directories = {_toml(table.vector_directories)}"]
    if table.addresses is not None:
        lines += [f"addresses = {_toml(table.addresses)}"]
    limits = table.limits.model_dump(exclude_none=True)
    return "\n".join([*lines, "[limits]", *(f"{key} = {value}" for key, value in limits.items())]) + "\n"


def target_files(table: LauncherTable, directory: Path) -> dict[str, bytes]:
    """The target files, read from `directory` (the fleet file's), by their name beside agent.toml. Raises InputError for one
    that is no target file, and for two of one name."""
    found: dict[str, bytes] = {}
    for written in table.targets:
        path = directory / Path(written).expanduser()
        load_target(path)
        name = f"targets/{path.name}"
        if name in found:
            raise InputError(f"launcher.targets: two files have the name {path.name}; rename one")
        found[name] = path.read_bytes()
    return found


def certificate_files(tls: TlsFiles | None) -> dict[str, bytes]:
    """By their name beside agent.toml. Raises InputError for files that are of no use."""
    if tls is None:
        return {}
    material = tls.read()
    content = {CA: material.authorities, CERTIFICATE: material.certificate, KEY: material.key}
    return {f"certs/{name}": data for name, data in content.items()}


def encoded(files: Mapping[str, bytes]) -> dict[str, str]:
    """For a helper's order."""
    return {name: base64.b64encode(content).decode() for name, content in files.items()}


def digest_of(files: Mapping[str, bytes], *also: str) -> str:
    """Of what makes one running agent another than the next: all but its certificate, which it takes up while it runs."""
    lines = [f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in sorted(files.items())]
    return hashlib.sha256("\n".join([*lines, *also]).encode()).hexdigest()[:16]


def _toml(value: str | list[str]) -> str:
    """JSON's texts and lists of texts are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
