"""From a target file or its canonical JSON to a frozen Target; every way of being wrong ends in one InputError."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from perfgate.errors import InputError
from perfgate.operation import Operation
from perfgate.scenario.load import parse_toml, read_text
from perfgate.scenario.locate import find_line
from perfgate.scenario.messages import explain, show, suggest
from perfgate.targets.http_faults import find_faults
from perfgate.targets.http_schema import HttpFile, http_requests
from perfgate.targets.model import BuildSpec, HostSpec, Target, TlsTerms
from perfgate.targets.packaged import checked_options, packaged_adapter, packaged_names
from perfgate.targets.pgvector_schema import PgvectorFile
from perfgate.targets.redis_schema import FalkorDbFile, RedisFile
from perfgate.targets.registry import ADAPTERS
from perfgate.targets.requests_model import HttpRequests
from perfgate.targets.schema import Build, EngramFile, Host, HttpGetFile, TargetFile
from perfgate.units import seconds_to_ns

FORMS: Mapping[str, type[TargetFile]] = {
    "engram": EngramFile, "http": HttpFile, "http_get": HttpGetFile, "pgvector": PgvectorFile,
    "redis": RedisFile, "falkordb": FalkorDbFile,
}  # fmt: skip
"""The form of a target file by its adapter; the names are those of perfgate.targets.registry."""


def load_target(path: str | Path) -> Target:
    """Read and check a target file. Raises InputError naming file, line, field, value and remedy."""
    path = Path(path)
    text = read_text(path)
    if path.suffix == ".json":  # what perfgate has written itself, for the builds of a gate
        return _target(_parse_json(text, str(path)), str(path), "")
    return _target(parse_toml(text, str(path)), str(path), text)


def target_from_json(source: str) -> Target:
    """The target whose `source` this is. Raises InputError for anything else."""
    return _target(_parse_json(source, "target"), "target", "")


def _parse_json(source: str, origin: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(source)
    except ValueError as error:
        raise InputError(f"{origin}: not JSON ({error}): give Target.source as it is") from error
    return document


def _target(document: Mapping[str, Any], origin: str, text: str) -> Target:
    if isinstance(document, Mapping) and "arrival" in document and "adapter" not in document:
        raise InputError(f"{origin}: is a scenario, where a target file is asked for: name one with an adapter")
    adapter = document.get("adapter") if isinstance(document, Mapping) else None
    if isinstance(adapter, str) and adapter not in ADAPTERS and packaged_adapter(adapter) is None:
        raise InputError(
            f"{_where(origin, text, 'adapter')}: adapter = {show(adapter)} does not exist: "
            f"{suggest(adapter, [*sorted(ADAPTERS), *packaged_names()])}; one of another package must be installed here"
        )
    form = FORMS.get(adapter, TargetFile) if isinstance(adapter, str) else TargetFile
    try:
        checked = form.model_validate(document)
    except ValidationError as error:
        raise InputError(explain(error.errors(), form, document, origin, text)) from None
    return Target(
        name=checked.name,
        description=checked.description,
        adapter=checked.adapter,
        operations=_operations(checked, origin, text),
        options=_options(checked, origin, text),
        host=_host(checked.host) if checked.host else None,
        variants={name: tuple(variant.arguments) for name, variant in checked.variants.items()},
        build=_build(checked.build) if checked.build else None,
        artifacts={
            name: str((Path(origin).parent / Path(variant.artifact).expanduser()).absolute())
            for name, variant in checked.variants.items()
            if variant.artifact
        },
        tls=TlsTerms(**checked.tls.model_dump(), directory=Path(origin).parent),
        requests=_requests(checked, origin, text),
        source=json.dumps(checked.model_dump(mode="json", exclude_unset=True), sort_keys=True, separators=(",", ":")),
    )


def _options(checked: TargetFile, origin: str, text: str) -> Mapping[str, Any]:
    if checked.adapter in ADAPTERS:
        return dict(checked.options) if isinstance(checked.options, dict) else checked.options.model_dump()
    found = packaged_adapter(checked.adapter)
    assert found is not None
    try:
        return checked_options(checked.adapter, found, checked.options)
    except ValueError as error:
        raise InputError(f"{_where(origin, text, 'options')}: {error}") from error


def _adapter_operations(adapter: str) -> frozenset[Operation]:
    if adapter in ADAPTERS:
        return ADAPTERS[adapter].operations
    found = packaged_adapter(adapter)
    return found.operations if found is not None else frozenset()


def _operations(checked: TargetFile, origin: str, text: str) -> frozenset[Operation]:
    """Those the file names, or all that the adapter has."""
    has = _adapter_operations(checked.adapter)
    if isinstance(checked, HttpFile):
        has = frozenset(one for one in has if getattr(checked.requests, one.value) is not None)
        if not has:
            raise InputError(
                f"{_where(origin, text, 'requests')}: requests has no operation: add e.g. [requests.recall]"
            )
    wanted = frozenset(map(Operation, checked.operations)) if checked.operations is not None else has
    if missing := wanted - has:
        raise InputError(
            f"{_where(origin, text, 'operations')}: operations names {sorted(missing)[0].value}, which adapter "
            f"{checked.adapter} does not have; it has {', '.join(sorted(has))}"
        )
    return wanted


def _requests(checked: TargetFile, origin: str, text: str) -> HttpRequests | None:
    if not isinstance(checked, HttpFile):
        return None
    for path, fault in find_faults(checked):
        raise InputError(f"{_where(origin, text, *path)}: {'.'.join(path)} {fault}")
    return http_requests(checked)


def _host(host: Host) -> HostSpec:
    if host.tls and any("{socket}" in word for word in (*host.command, *host.environment.values())):
        raise InputError(
            "host.tls = true, but the command names {socket}: a Unix socket is spoken to without TLS; leave "
            "tls out, or name {port}"
        )
    return HostSpec(
        command=tuple(host.command),
        environment=host.environment,
        start_timeout_ns=seconds_to_ns(host.start_timeout_seconds),
        stop_signal=host.stop_signal,
        stop_grace_ns=seconds_to_ns(host.stop_grace_seconds),
        copyable=host.copyable,
        load_connections=host.load_connections,
        tls=host.tls,
    )


def _build(build: Build) -> BuildSpec:
    return BuildSpec(
        steps=tuple(map(tuple, build.steps)),
        artifacts=tuple(build.artifacts),
        toolchain=tuple(map(tuple, build.toolchain)),
        environment=build.environment,
        directory=build.directory,
        timeout_ns=seconds_to_ns(build.timeout_seconds),
    )


def _where(origin: str, text: str, *path: str) -> str:
    line = find_line(text, path)
    return f"{origin}:{line}" if line else origin
