"""Compiles the engine next to this file; called when perfgate is built, and by `python -m perfgate_agent.engine.compile`.

Needs a C compiler (CC, cc, gcc or clang) and a C library with its headers, but none of Python's. Without one the workers
use the portable driver, which does the same at several times the cost. Imports nothing of perfgate: it runs before it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = ("engine.c", "reply.c", "resp.c")
FLAGS = ("-O2", "-std=c11", "-Wall", "-Wextra", "-shared", "-fPIC", "-pthread", "-fvisibility=default")
LIBRARY = "_engine.so"


def compiler() -> list[str]:
    """The command of the C compiler; empty when there is none."""
    if command := shlex.split(os.environ.get("CC", "")):
        return command
    return next(([name] for name in ("cc", "gcc", "clang") if shutil.which(name)), [])


def compile_engine(directory: Path = HERE) -> tuple[Path | None, str]:
    """(the library, "") or (None, why there is none). Linux only: it stands on epoll and timerfd."""
    if sys.platform != "linux":
        return None, f"the engine is for Linux, this is {sys.platform}"
    command = compiler()
    if not command:
        return None, "no C compiler (cc, gcc or clang; Debian, Ubuntu: apt-get install gcc libc6-dev)"
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        fresh = Path(scratch) / LIBRARY
        try:
            done = subprocess.run(
                [*command, *FLAGS, "-o", str(fresh), *(str(directory / name) for name in SOURCES)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        except OSError as error:
            return None, f"{command[0]}: {error.strerror}"
        if done.returncode:
            return None, f"{command[0]} failed: {done.stderr.strip()[-2000:]}"
        fresh.replace(directory / LIBRARY)  # in one step: a worker may be loading it
    return directory / LIBRARY, ""


if __name__ == "__main__":
    library, why = compile_engine()
    print(library or f"not compiled: {why}")
    sys.exit(0 if library else 1)
