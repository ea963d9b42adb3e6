"""The command line within the test's own process, for claims that are not about the process: Python starts only once."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO
from unittest import mock

from perfgate.cli.main import main


def perfgate_here(
    arguments: Sequence[str], directory: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`perfgate` with these words, in `directory` and with nothing but `environment`, where they are given: what it said
    and its exit code."""
    with contextlib.ExitStack() as stack:
        # Files, since some verbs let a child write where they do themselves.
        out, err = (stack.enter_context(tempfile.TemporaryFile("w+", buffering=1, encoding="utf-8")) for _ in range(2))
        stack.enter_context(contextlib.chdir(directory or Path.cwd()))
        if environment is not None:
            stack.enter_context(mock.patch.dict(os.environ, environment, clear=True))
        stack.enter_context(mock.patch.object(sys, "argv", ["perfgate", *arguments]))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        code = main(list(arguments))
        said = [_read(file) for file in (out, err)]
    return subprocess.CompletedProcess(list(arguments), code, *said)


def _read(file: IO[str]) -> str:
    file.flush()
    file.seek(0)
    return file.read()
