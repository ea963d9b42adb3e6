"""Templates, with what is particular to a repository filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from perfgate.errors import InputError

NAMES = ("scenario", "target", "branch", "repo", "program")
PLAIN = re.compile(r"[\w./+~@][\w./+~@ -]*")
"""What needs no quoting in YAML, shell, Groovy, cron and systemd, between the quotes that the templates have."""


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template of this name, its @NAMES@ replaced. Raises InputError for a value that would have to be quoted."""
    text = (files("perfgate.ci") / "templates" / template).read_text(encoding="utf-8")
    for name in NAMES:
        mark = f"@{name.upper()}@"
        if mark in text:
            if not PLAIN.fullmatch(values[name]):
                raise InputError(
                    f"{name} {values[name]!r}: cannot be written into a CI's file; use letters, digits, spaces and ._/+~@- only"
                )
            text = text.replace(mark, values[name])
    return text


def script() -> str:
    """The gate as a CI calls it, packed beside this file, or in the checkout's scripts."""
    packed = Path(str(files("perfgate.ci") / "ci_performance_gate.sh"))
    checkout = Path(__file__).resolve().parents[2] / "scripts" / "ci_performance_gate.sh"
    return (packed if packed.is_file() else checkout).read_text(encoding="utf-8")
