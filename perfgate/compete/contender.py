"""A store that takes part: its target file, made into ones that an agent can start and load by, one for each value."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfgate.compete.model import Store
from perfgate.errors import InputError
from perfgate.targets.facts import About, SearchSpec, Value, about_of, search_of, with_option
from perfgate.targets.load import load_target
from perfgate.targets.model import Target

VERSION_S = 30.0
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the command line names: FILE or FILE:VARIANT."""

    file: Path
    target: Target
    variant: str
    search: SearchSpec | None
    about: About

    @property
    def label(self) -> str:
        return self.target.name if self.variant == DEFAULT else f"{self.target.name}.{self.variant}"

    @property
    def batch(self) -> int:
        """How many memories a load request holds."""
        document = json.loads(self.target.source)
        return int(document.get("requests", {}).get("load", {}).get("batch", self.target.options.get("batch", 1)))


@dataclass(frozen=True, slots=True)
class Contender:
    """targets: one for each value of the search parameter, with which requests are made. files: what an agent starts it by;
    just one where the value is sent with each request."""

    store: Store
    targets: tuple[Target, ...]
    files: tuple[Path, ...]

    @property
    def anew(self) -> bool:
        """Whether each value needs a store that was loaded with it."""
        return len(self.files) > 1

    def started_as(self, value: int) -> str:
        """The name of the target that its process is started by."""
        return self.targets[value if self.anew else 0].name


def read_entry(given: str, values: tuple[Value, ...] = ()) -> Entry:
    """values: of the search parameter, instead of those that the file names. Raises InputError for a file that is no target, a
    variant that it does not have, a store that cannot be started, a value that cannot be."""
    name, _, variant = given.rpartition(":") if not given.endswith((".toml", ".json")) else (given, "", DEFAULT)
    file = Path(name)
    target = load_target(file)
    if target.host is None:
        raise InputError(
            f"--targets {given}: {file} has no [host], so it cannot be started afresh for each round; add one"
        )
    if variant not in target.variants:
        known = ", ".join(target.variants) or "none"
        raise InputError(f"--targets {given}: {file} has no [variants.{variant}]; it has: {known} (write FILE:VARIANT)")
    search = search_of(target)
    if search and values:
        search = dataclasses.replace(search, values=values)
        for value in values:
            with_option(target, search.parameter, value)
    return Entry(file, target, variant, search, about_of(target))


def make_contenders(entries: Sequence[Entry], directory: Path, own_loading: bool) -> tuple[Contender, ...]:
    """Writes the derived target files into `directory`. own_loading: each with its own batch and connections while loading;
    otherwise all with the smallest of any. Raises InputError for fewer than two, for two of one name, for one that does not
    say its durability or whose version cannot be told."""
    if len(entries) < 2:
        raise InputError("--targets: a competition needs at least two, ours first: --targets ours.toml theirs.toml")
    labels = [entry.label for entry in entries]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"--targets: {label} is there {labels.count(label)} times; give each store another name")
    batch, connections = min(entry.batch for entry in entries), min(_connections(entry) for entry in entries)
    directory.mkdir(parents=True, exist_ok=True)
    return tuple(
        _contender(
            entry, directory, entry.batch if own_loading else batch, _connections(entry) if own_loading else connections
        )
        for entry in entries
    )


def _connections(entry: Entry) -> int:
    assert entry.target.host is not None
    return entry.target.host.load_connections


def _contender(entry: Entry, directory: Path, batch: int, connections: int) -> Contender:
    if not entry.about.durability:
        raise InputError(
            f"{entry.file}: about.durability is missing: write what is lost when the power fails, as [about] durability = "
            '"synced once a second: a second may be lost"; a comparison that hides it is not fair'
        )
    search = entry.search
    values = search.values if search else ("",)
    document = _derived(entry, batch, connections)
    if search and search.applies == "load":
        names = [_plain(f"{entry.label}.{search.parameter}-{value}") for value in values]
        files = [
            _write(directory, name, document, search.parameter, value)
            for name, value in zip(names, values, strict=True)
        ]
        targets = [load_target(file) for file in files]
    else:
        files = [_write(directory, _plain(entry.label), document)]
        plain = load_target(files[0])
        targets = [with_option(plain, search.parameter, value) if search else plain for value in values]
    store = Store(
        label=entry.label, target=entry.target.name, variant=entry.variant, version=_version(entry),
        durability=entry.about.durability, licence=entry.about.licence, parameter=search.parameter if search else "",
        values=tuple(map(str, values)), batch=batch, connections=connections,
        digest=hashlib.sha256(entry.target.source.encode()).hexdigest()[:16],
    )  # fmt: skip
    return Contender(store, tuple(targets), tuple(files))


def _derived(entry: Entry, batch: int, connections: int) -> dict[str, Any]:
    """The file's content with this one variant, as `default`, and paths that mean the same from elsewhere."""
    target = entry.target
    document: dict[str, Any] = json.loads(target.source)
    variant: dict[str, Any] = {"arguments": list(target.variants[entry.variant])}
    if entry.variant in target.artifacts:
        variant["artifact"] = target.artifacts[entry.variant]
    document["variants"] = {DEFAULT: variant}
    document.pop("build", None)
    document["host"]["load_connections"] = connections
    if "batch" in document.get("requests", {}).get("load", {}):
        document["requests"]["load"]["batch"] = batch
    elif "batch" in target.options:
        document.setdefault("options", {})["batch"] = batch
    if ca_file := document.get("tls", {}).get("ca_file"):
        document["tls"]["ca_file"] = str((target.tls.directory / Path(ca_file).expanduser()).absolute())
    return document


def _write(directory: Path, name: str, document: dict[str, Any], parameter: str = "", value: object = None) -> Path:
    written = copy.deepcopy(document)
    written["name"] = name
    if parameter:
        written.setdefault("options", {})[parameter] = value
    path = directory / f"{name}.json"
    try:
        path.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a directory that can be written with --out") from error
    return path


def _version(entry: Entry) -> str:
    """As the file says it, or the first line that its command prints."""
    if entry.about.version:
        return entry.about.version
    if not entry.about.version_command:
        raise InputError(
            f'{entry.file}: about.version is missing: write [about] version = "1.2.3", or version_command = ["mystore", '
            '"--version"]; a new version of a competitor begins a new series'
        )
    places = {"python": sys.executable, "artifact": entry.target.artifacts.get(entry.variant, "")}
    try:
        command = [part.format_map(places) for part in entry.about.version_command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=VERSION_S, check=True)
    except (OSError, ValueError, KeyError, IndexError, subprocess.SubprocessError) as error:
        raise InputError(
            f"{entry.file}: about.version_command {list(entry.about.version_command)} failed ({error}); mend it, or write "
            "[about] version"
        ) from error
    first = (done.stdout.strip() or done.stderr.strip()).partition("\n")[0].strip()
    if not first:
        raise InputError(f"{entry.file}: about.version_command prints nothing; mend it, or write [about] version")
    return "".join(letter for letter in first if letter.isprintable())[:200]


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:100]


def with_version(contender: Contender, version: str) -> Contender:
    """Ours, where the command line says its version."""
    return dataclasses.replace(contender, store=dataclasses.replace(contender.store, version=version))
