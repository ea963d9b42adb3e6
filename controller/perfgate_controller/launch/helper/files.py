"""Files, locks and programs, where an agent is to live."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterator

TAIL = 12


class Refused(Exception):
    """Words for the user."""


def write(path: str, content: bytes) -> None:
    """In one step, for its owner alone from the first byte on."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    handle = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(handle, 0o600)
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)
    os.replace(path + ".new", path)


@contextlib.contextmanager
def locked(directory: str) -> Iterator[None]:
    """One at a time: two who start the same agent, or make the same environment."""
    handle = os.open(os.path.join(directory, ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def run(command: list[str], what: str, env: dict[str, str] | None = None) -> str:
    """What it printed, on both streams. Raises Refused, naming `what` with the last lines, where it failed or is not
    there."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
    except OSError as error:
        raise Refused(f"{what}: {error.strerror}") from None
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        raise Refused(f"{what} failed: {' / '.join(text.strip().splitlines()[-TAIL:])}")
    return text


def check_python(python: str) -> None:
    """Raises Refused for one that is not there, or older than 3.11."""
    script = "import sys; sys.exit(sys.version.split()[0] if sys.version_info < (3, 11) else 0)"
    try:
        done = subprocess.run([python, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        raise Refused(f"{python}: {error.strerror}; launcher.python names the one to use") from None
    if done.returncode:
        raise Refused(f"{python} is Python {done.stdout.decode().strip()}; perfgate needs 3.11: set launcher.python")
