"""From a file, text or canonical JSON to a frozen Scenario; every way of being wrong ends in one InputError."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli
from pydantic import ValidationError

from perfgate.errors import InputError
from perfgate.scenario.arrival_load import arrival_spec
from perfgate.scenario.locate import find_line
from perfgate.scenario.messages import explain, show
from perfgate.scenario.mix_load import correlation_spec, mix_spec, overall_shares
from perfgate.scenario.model import (
    ConnectionSpec,
    DataSpec,
    EmbeddingSpec,
    NeighbourSpec,
    Scenario,
    SpacesSpec,
    ValidationSpec,
)
from perfgate.scenario.schema import ScenarioFile
from perfgate.scenario.trace_file import read_trace
from perfgate.units import seconds_to_ns

MAX_BYTES = 1_000_000


def load_scenario(path: str | Path) -> Scenario:
    """See perfgate.scenario.load_scenario."""
    path = Path(path)
    return parse_scenario(read_text(path), origin=str(path), directory=path.parent)


def parse_scenario(
    content: str | Mapping[str, Any], origin: str = "scenario", directory: str | Path | None = None
) -> Scenario:
    """See perfgate.scenario.parse_scenario."""
    text = content if isinstance(content, str) else ""
    document = parse_toml(content, origin) if isinstance(content, str) else dict(content)
    checked = _check(document, origin, text)
    canonical = checked.model_dump(mode="json", exclude_unset=True)
    _resolve_path(canonical, origin, text, Path(directory or "."))
    _read_trace(canonical, origin, text, Path(directory or "."))
    return _scenario(checked, canonical)


def scenario_from_json(source: str) -> Scenario:
    """See perfgate.scenario.scenario_from_json."""
    try:
        document = json.loads(source)
    except ValueError as error:
        raise InputError(f"scenario: not JSON ({error}): send Scenario.source as it is") from error
    checked = _check(document, "scenario", "")
    return _scenario(checked, checked.model_dump(mode="json", exclude_unset=True))


def read_text(path: Path) -> str:
    """A small UTF-8 file. Raises InputError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file{_similar_file(path)}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a directory: name a .toml file in it") from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES:,} bytes: is this a scenario file?")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: not UTF-8 (byte {content[error.start]:#04x}): save it as UTF-8") from error


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """TOML tables. Raises InputError with the line."""
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        line = getattr(error, "lineno", None)  # newer versions of tomli only; the text has it always
        raise InputError(f"{origin}{f':{line}' if line else ''}: not valid TOML: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{origin}: not valid TOML: {error}") from error


def _similar_file(path: Path) -> str:
    try:
        names = sorted(str(file) for file in path.parent.glob("*.toml"))
    except (OSError, ValueError):
        names = []
    # Compared without what all have in common: any other .toml that happens to lie there is no help.
    stems = {Path(name).stem: name for name in names}
    close = difflib.get_close_matches(path.stem, stems, n=1, cutoff=0.6)
    return f": did you mean {stems[close[0]]}?" if close else ": check the path"


def _check(document: Mapping[str, Any], origin: str, text: str) -> ScenarioFile:
    if isinstance(document, Mapping) and "adapter" in document and "arrival" not in document:
        raise InputError(f"{origin}: is a target file, where a scenario is asked for: name one with an [arrival] table")
    try:
        return ScenarioFile.model_validate(document)
    except ValidationError as error:
        document = document if isinstance(document, dict) else {}
        raise InputError(explain(error.errors(), ScenarioFile, document, origin, text)) from None


def _resolve_path(canonical: dict[str, Any], origin: str, text: str, directory: Path) -> None:
    """Makes the vector file's path absolute, so that it means the same wherever the scenario is read next."""
    embedding = canonical["data"].get("embedding_distribution", {})
    if embedding.get("type") == "file":
        field = ("data", "embedding_distribution", "path")
        embedding["path"] = str(_find_file(embedding["path"], field, origin, text, directory))


def _read_trace(canonical: dict[str, Any], origin: str, text: str, directory: Path) -> None:
    """Puts the content of a trace into the scenario: agents on other machines do not have the file."""
    arrival = canonical["arrival"]
    if arrival["pattern"] == "replay" and "trace" not in arrival:
        trace = read_trace(_find_file(arrival["path"], ("arrival", "path"), origin, text, directory))
        arrival.update(path=trace.name, trace=trace.text)


def _find_file(written: str, field: tuple[str, ...], origin: str, text: str, directory: Path) -> Path:
    path = (directory / Path(written).expanduser()).resolve()
    if not path.is_file():
        line = find_line(text, field)
        where = f"{origin}{f':{line}' if line else ''}: {'.'.join(field)} = {show(written)}"
        raise InputError(f"{where}: no such file ({path}): write a path relative to the scenario file")
    return path


def _scenario(checked: ScenarioFile, canonical: Mapping[str, Any]) -> Scenario:
    duration_ns = seconds_to_ns(checked.duration.total_seconds)
    arrival = arrival_spec(checked.arrival, canonical["arrival"], checked.duration.total_seconds)
    mix = mix_spec(checked.operations, checked.arrival)
    correlation = correlation_spec(checked.correlation)
    gate = checked.gate.model_dump(exclude_none=True)
    return Scenario(
        name=checked.name.strip(),
        description=checked.description.strip(),
        duration_ns=duration_ns,
        arrival=arrival,
        weights=overall_shares(mix, arrival.trace, correlation, duration_ns),
        data=_data(checked, canonical),
        validation=ValidationSpec(**checked.validation.model_dump()),
        connection=ConnectionSpec(checked.connection.connections, seconds_to_ns(checked.connection.timeout_seconds)),
        gate={key: tuple(value) if isinstance(value, list) else value for key, value in gate.items()},
        seed=checked.seed,
        source=json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        mix=mix,
        correlation=correlation,
        spaces=SpacesSpec(checked.spaces.shares()) if checked.spaces else None,
        key_exponent=checked.keys.skew() if checked.keys else 0.0,
        neighbour=NeighbourSpec(**checked.noisy_neighbour.model_dump()) if checked.noisy_neighbour else None,
    )


def _data(checked: ScenarioFile, canonical: Mapping[str, Any]) -> DataSpec:
    embedding = checked.data.embedding_distribution.model_dump()
    embedding.update(canonical["data"].get("embedding_distribution", {}))
    return DataSpec(
        num_nodes=checked.data.num_nodes,
        embedding_dim=checked.data.embedding_dim,
        memory_spaces=checked.spaces.count if checked.spaces else checked.data.memory_spaces,
        embedding=EmbeddingSpec(kind=embedding.pop("type"), **embedding),
    )
