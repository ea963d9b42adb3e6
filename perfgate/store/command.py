"""The command `store serve`, for the command line and for `python -m perfgate.store`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from perfgate.errors import PerfgateError
from perfgate.store.options import add_arguments, parse_options

DESCRIPTION = "Serves memories with HNSW search over HTTP until SIGTERM. Switches make it misbehave."

EXAMPLE = """example:
  perfgate store serve --port 7474 --data-dir /tmp/memories
  perfgate store serve --slow embedding_search=1.2      # the same, but its search takes 20 % longer

It answers Engram's HTTP API: POST /api/v1/memories/remember, GET /api/v1/memories/recall?query=… or ?embedding=[…],
GET /api/v1/memories/ID, GET /health/alive, GET /api/v1/system/health?space=NAME; X-Memory-Space names the space.
When it listens it prints one line: perfgate store ready on http://127.0.0.1:PORT pid PID
"""


def run(args: argparse.Namespace) -> int:
    """Serves until a signal; 0 after an orderly stop. Raises PerfgateError."""
    options = parse_options(args)
    try:
        from perfgate.store.server import serve
    except ModuleNotFoundError as error:
        if error.name != "usearch":
            raise
        raise PerfgateError("the built-in store needs usearch: install perfgate[store]") from None
    return serve(options)


def main(arguments: Sequence[str]) -> int:
    """The process `python -m perfgate.store ARGUMENTS`: returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="perfgate store serve",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except PerfgateError as error:
        print(f"perfgate store: {error}", file=sys.stderr)
        return 3
