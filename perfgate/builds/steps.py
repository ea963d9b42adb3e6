"""Runs the steps of a build, one after the other, each for a bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from perfgate.builds.git import clean_environment
from perfgate.errors import InputError
from perfgate.units import NS_PER_S, format_duration

LAST_LINES = 15
LAST_BYTES = 16_384


class BuildError(InputError):
    """The steps of this commit fail; those of another one may not."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """source: the worktree; cache: kept from build to build; log: what the steps say."""

    source: Path
    cache: Path
    log: Path

    def fill(self, text: str) -> str:
        """With the placeholders of `[build]` filled in."""
        return text.format_map({"python": sys.executable, "source": self.source, "build_cache": self.cache})


async def run_steps(
    steps: Sequence[Sequence[str]], environment: Mapping[str, str], directory: str, workshop: Workshop, timeout_ns: int,
    what: str,
) -> None:  # fmt: skip
    """Raises BuildError with the last lines of the step that failed, was not found, or took too long together with those
    before it. `what`: whose build it is, for the message."""
    workshop.log.parent.mkdir(parents=True, exist_ok=True)
    place = workshop.source / directory
    if not place.is_dir():
        raise BuildError(f"build of {what}: [build] directory {directory!r} does not exist in that commit")
    filled = {**clean_environment(), **{name: workshop.fill(value) for name, value in environment.items()}}
    try:
        async with asyncio.timeout(timeout_ns / NS_PER_S):
            for step in steps:
                await _run_step([workshop.fill(word) for word in step], filled, place, workshop.log, what)
    except TimeoutError:
        raise BuildError(
            f"build of {what}: not done after {format_duration(timeout_ns)}; raise [build] timeout_seconds or the time "
            f"limit. Its last lines:\n{last_lines(workshop.log)}"
        ) from None


async def _run_step(words: list[str], environment: Mapping[str, str], place: Path, log: Path, what: str) -> None:
    with log.open("ab") as output:
        output.write(f"$ {shlex.join(words)}\n".encode())
        output.flush()
        try:
            process = await asyncio.create_subprocess_exec(
                *words, cwd=place, env=dict(environment), stdin=asyncio.subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise BuildError(
                f"build of {what}: {words[0]}: {error.strerror}; install it, or mend [build] steps"
            ) from error
    try:
        status = await process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # compilers below it too
        await process.wait()
        raise
    if status:
        raise BuildError(
            f"build of {what}: `{shlex.join(words)}` ended with status {status}. Its last lines (all are in {log}):\n"
            f"{last_lines(log)}"
        )


def last_lines(log: Path, lines: int = LAST_LINES) -> str:
    """The end of a log, indented."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        text = file.read().decode(errors="replace")
        return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])
    return "  (nothing)"
