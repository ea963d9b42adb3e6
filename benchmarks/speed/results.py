"""Writes measured figures into a page, between marks, and leaves the rest of it as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def mark(name: str) -> tuple[str, str]:
    return f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"


def replace_block(page: str, name: str, content: str) -> str:
    """Raises ValueError for a page that does not have the block."""
    begin, end = mark(name)
    pattern = re.compile(re.escape(begin) + r"\n.*?" + re.escape(end), re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no block {begin} … {end}")
    return pattern.sub(lambda _: f"{begin}\n{content.strip()}\n{end}", page, count=1)


def write_results(path: Path, blocks: Mapping[str, str], machine: Mapping[str, str], how: str) -> None:
    """Each block with a line that says when, where and how it was measured."""
    page = path.read_text()
    said = (
        f"Measured {machine['date']} at {machine['commit']}, {machine['cores']} cores of {machine['processor']}, Linux "
        f"{machine['kernel']}, Python {machine['python']}; {how}."
    )
    for name, content in blocks.items():
        page = replace_block(page, name, f"\n{content.strip()}\n\n*{said}*\n")
    path.write_text(page)
