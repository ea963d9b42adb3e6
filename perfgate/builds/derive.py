"""A target whose variants are the builds of a gate, in a file that an agent on this machine can be started with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perfgate.builds.build import Build
from perfgate.errors import InputError
from perfgate.targets.load import load_target
from perfgate.targets.model import Target

NAME = "target.json"


def derive_target(target: Target, variant: str | None, builds: Sequence[Build], directory: Path) -> tuple[Target, Path]:
    """The target with a variant a build, named by its label, each with the arguments of `variant`; and the file in
    `directory` that says so. None: of `default`, where there is one. Raises InputError for a variant that is not there."""
    document: dict[str, Any] = json.loads(target.source)
    arguments = _arguments(target, variant)
    document["variants"] = {
        build.label: {"description": build.described, "arguments": arguments, "artifact": str(build.directory)}
        for build in builds
    }
    if ca_file := document.get("tls", {}).get("ca_file"):
        document["tls"]["ca_file"] = str((target.tls.directory / Path(ca_file).expanduser()).absolute())
    path = directory / NAME
    try:
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a directory that can be written") from error
    return load_target(path), path


def _arguments(target: Target, variant: str | None) -> list[str]:
    if variant is None:
        return list(target.variants.get("default", ()))
    if variant not in target.variants:
        known = ", ".join(target.variants) or "none"
        raise InputError(f"--variant {variant!r}: the target file has no [variants.{variant}]; it has: {known}")
    return list(target.variants[variant])
