"""Adapters of other packages, found by the entry point `perfgate.targets`.

A package names its adapter in its pyproject.toml, and a target file names it in turn, as `adapter = "mystore"`:

    [project.entry-points."perfgate.targets"]
    mystore = "my_package.adapter:ADAPTER"

where ADAPTER is a PackagedAdapter. Only what is installed beside perfgate (beside each agent, where they are on other
machines) can be named; nothing is ever fetched.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from perfgate.errors import InputError
from perfgate.operation import Operation

if TYPE_CHECKING:
    from perfgate.dataset import Dataset
    from perfgate.targets.adapter import Adapter
    from perfgate.targets.model import Target

GROUP = "perfgate.targets"
Options = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class PackagedAdapter:
    """What an entry point leads to.

    operations: what the adapter can be asked for. make: of a target, its data, and the store's host and port (0: the host
    is all that is to be named) makes the adapter; see perfgate.targets.adapter.Adapter. options: of the file's `[options]`
    makes those that the target has, with what is missing filled in; raises ValueError saying which is wrong, and how.
    """

    operations: frozenset[Operation]
    make: Callable[[Target, Dataset, str, int], Adapter]
    options: Callable[[Mapping[str, Any]], Options] = dict


def packaged_names() -> list[str]:
    """The adapters that installed packages have, sorted."""
    return sorted({entry.name for entry in importlib.metadata.entry_points(group=GROUP)})


@cache
def packaged_adapter(name: str) -> PackagedAdapter | None:
    """The adapter of that name; None where no package has one. Raises InputError naming the package for one that cannot be
    used, and for a name that two packages have."""
    entries = list(importlib.metadata.entry_points(group=GROUP, name=name))
    if not entries:
        return None
    packages = sorted({package_of(entry) for entry in entries})
    if len(packages) > 1:
        raise InputError(f"adapter {name!r} is in several packages: {', '.join(packages)}; uninstall all but one")
    entry, package = entries[0], packages[0]
    try:
        found = entry.load()
    except Exception as error:  # whatever a package of somebody else's does when it is imported
        raise InputError(
            f"adapter {name!r} of package {package} cannot be loaded from {entry.value}: {type(error).__name__}: {error}; "
            "mend or uninstall the package"
        ) from error
    if not isinstance(found, PackagedAdapter):
        raise InputError(
            f"adapter {name!r} of package {package}: {entry.value} is no PackagedAdapter but a {type(found).__name__}; let "
            "the entry point name one (docs/targets.md)"
        )
    return found


def checked_options(name: str, found: PackagedAdapter, options: Any) -> Options:
    """What the package makes of a file's options. Raises ValueError saying what is wrong, and whose word that is."""
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"options must be a table, as adapter {name!r} wants them")
    try:
        made = dict(found.options(options or {}))
    except (ValueError, TypeError, LookupError) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{reason} (said by the adapter {name!r})") from error
    wrong = [key for key, value in made.items() if not isinstance(value, str | int | float | bool)]
    if wrong:
        raise ValueError(f"options.{wrong[0]} of adapter {name!r} must be a text, a number or a boolean")
    return made


def package_of(entry: importlib.metadata.EntryPoint) -> str:
    """Name and version of the package that an entry point is of."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "unknown"
