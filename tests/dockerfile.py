"""Reads a Dockerfile as far as the tests need it: instructions of its stages, with lines joined and comments left out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = {
    "FROM", "RUN", "CMD", "LABEL", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT", "VOLUME", "USER", "WORKDIR", "ARG",
    "STOPSIGNAL", "HEALTHCHECK", "SHELL",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    image: str
    name: str = ""
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        return [rest for kind, rest in self.instructions if kind == word]


def read_dockerfile(path: Path) -> list[Stage]:
    """Raises ValueError for what docker would refuse."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    stages: list[Stage] = []
    for line in re.sub(r"\\\s*\n", " ", text).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        if word not in KNOWN:
            raise ValueError(f"{path}: unknown instruction {word!r}")
        if word == "FROM":
            found = re.fullmatch(r"(\S+)(?:\s+AS\s+([a-z0-9-]+))?", rest.strip())
            if found is None:
                raise ValueError(f"{path}: FROM {rest}")
            stages.append(Stage(found[1], found[2] or ""))
        elif not stages:
            raise ValueError(f"{path}: {word} before FROM")
        else:
            stages[-1].instructions.append((word, re.sub(r"\s+", " ", rest.strip())))
    return stages


def words_of(command: str) -> list[str]:
    """Of the exec form. Raises ValueError for a text that a shell would read."""
    words = json.loads(command)
    if not isinstance(words, list):
        raise ValueError(f"{command}: not the exec form")
    return [str(word) for word in words]
