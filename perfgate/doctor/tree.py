"""The files in which a kernel says what it is: /proc and /sys, below a root that tests can move."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MOST_CPUS = 8192
"""More than any Linux has; keeps a garbled list such as 0-99999999999 from filling the memory."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Every reader answers None for what is missing, unreadable or makes no sense: an unknown, never an error."""

    root: Path = Path("/")

    def text(self, path: str) -> str | None:
        """The file's content without the blanks around it; None also where it is empty."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip() or None
        except (OSError, ValueError):
            return None

    def lines(self, path: str) -> list[str]:
        """Empty for what cannot be read."""
        return (self.text(path) or "").splitlines()

    def integer(self, path: str) -> int | None:
        """The file's only number."""
        return to_integer(self.text(path))

    def cpus(self, path: str) -> tuple[int, ...] | None:
        """A list of processors, as `0-3,8`; empty where the file exists and names none."""
        text = self.text(path)
        if text is None:
            return () if self.exists(path) else None
        return parse_cpus(text)

    def matches(self, pattern: str) -> list[str]:
        """Paths below the root that match, sorted."""
        try:
            return sorted(str(found.relative_to(self.root)) for found in self.root.glob(pattern))
        except (OSError, ValueError):
            return []

    def exists(self, path: str) -> bool:
        try:
            return (self.root / path).exists()
        except (OSError, ValueError):
            return False

    def field(self, path: str, name: str) -> str | None:
        """What follows `name:` in a file of such lines, as /proc/self/status."""
        for line in self.lines(path):
            key, colon, value = line.partition(":")
            if colon and key.strip() == name:
                return value.strip() or None
        return None


def to_integer(text: str | None) -> int | None:
    """A decimal integer of sane length, or None."""
    text = (text or "").strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 19 else None


def parse_cpus(text: str) -> tuple[int, ...] | None:
    """`0-3,8` as numbers in order; None for anything else."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        low, high = to_integer(first), to_integer(last if dash else first)
        if low is None or high is None or not 0 <= low <= high < MOST_CPUS:
            return None
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def show_cpus(cpus: tuple[int, ...]) -> str:
    """The inverse: runs of processors as `0-3,8`."""
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
