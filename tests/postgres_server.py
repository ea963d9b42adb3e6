"""A PostgreSQL of one's own: a fresh cluster below a temporary directory, on a Unix socket, stopped at the end."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PLACES = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/local/pgsql/bin"))


def find_program(name: str) -> str | None:
    """Debian keeps them outside PATH."""
    return shutil.which(name) or next((str(place / name) for place in _PLACES if (place / name).exists()), None)


def why_not() -> str:
    """Why no server can be started here; empty where one can."""
    if not find_program("initdb") or not find_program("pg_ctl"):
        return "no PostgreSQL server here (apt-get install postgresql)"
    return "PostgreSQL does not run as root, and there is no user postgres" if _user() == "" else ""


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Its address without a database: postgresql://perfgate@/{}?host=DIR."""
    user = _user()
    with tempfile.TemporaryDirectory(prefix="perfgate-pg-") as name:
        directory = Path(name)
        if user:
            shutil.chown(directory, user)
        _call(user, "initdb", "-D", str(directory / "data"), "-U", "perfgate", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-k {directory} -c listen_addresses='' -c fsync=off -c max_connections=40"
        where = ("-D", str(directory / "data"), "-l", str(directory / "log"))
        _call(user, "pg_ctl", "start", "-w", *where, "-o", options)
        try:
            yield f"postgresql://perfgate@/{{}}?host={directory}"
        finally:
            _call(user, "pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(directory / "data"))


def _user() -> str | None:
    """None: ourselves. As root: `postgres`, or empty where there is no such user."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return ""


def _call(user: str | None, program: str, *arguments: str) -> None:
    command = [find_program(program) or program, *arguments]
    # The server that pg_ctl leaves behind would hold a pipe open: a file instead.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            command, user=user, cwd="/", check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        output.seek(0)
        assert done.returncode == 0, (command, output.read())
