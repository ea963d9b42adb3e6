"""The agent's own command line; `perfgate agent serve` and `python -m perfgate_agent` are the same."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from pathlib import Path

EXAMPLE = """example:
  perfgate agent serve --port 7400 --target targets/embedded.toml
  perfgate gate scenarios/ci/quick.toml --target targets/embedded.toml --agents 127.0.0.1:7400 \\
      --base default --candidate default

An agent starts only the targets it is given here, and loads only loopback addresses."""


def default_cache_dir() -> Path:
    """$PERFGATE_CACHE, or perfgate below the user's cache directory (XDG)."""
    if named := os.environ.get("PERFGATE_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perfgate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; loopback only (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=7400, help="0 picks a free one (default: %(default)s)")
    parser.add_argument("--name", default=socket.gethostname(), help="what reports call it (default: the host's name)")
    parser.add_argument(
        "--workers", type=int, default=1, help="load worker processes, one a core (default: %(default)s)"
    )
    parser.add_argument(
        "--target", type=Path, action="append", default=[], metavar="FILE",
        help="a target file whose store this agent may start; may be given several times",
    )  # fmt: skip
    parser.add_argument("--cache-dir", type=Path, default=None, help="generated data (default: the user's cache)")
    parser.add_argument(
        "--work-dir", type=Path, default=None, help="directories of running stores (default: in the cache)"
    )
    parser.add_argument("--worker-cpus", default=None, metavar="LIST", help="as 2,3 (default: the upper cores)")
    parser.add_argument("--store-cpus", default=None, metavar="LIST", help="as 0,1 (default: the others)")


def serve_command(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes. Raises InputError for settings that cannot be."""
    from perfgate.targets.load import load_target
    from perfgate_agent.configuration import AgentConfiguration, divide_cpus
    from perfgate_agent.serve import serve

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    cache = arguments.cache_dir or default_cache_dir()
    worker_cpus, store_cpus = divide_cpus(arguments.workers)
    targets = [load_target(path) for path in arguments.target]
    configuration = AgentConfiguration(
        name=arguments.name,
        host=arguments.host,
        port=arguments.port,
        cache_dir=cache,
        work_dir=arguments.work_dir or cache / "work",
        workers=arguments.workers,
        worker_cpus=_cpus(arguments.worker_cpus, "--worker-cpus", worker_cpus),
        store_cpus=_cpus(arguments.store_cpus, "--store-cpus", store_cpus),
        targets={target.name: target for target in targets},
    )
    asyncio.run(serve(configuration))
    return 0


def _cpus(text: str | None, option: str, default: tuple[int, ...]) -> tuple[int, ...]:
    from perfgate.errors import InputError

    if text is None:
        return default
    available = os.sched_getaffinity(0)
    try:
        cpus = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InputError(f"{option} {text!r}: give processor numbers with commas, as 0,1") from error
    if not set(cpus) <= available:
        raise InputError(f"{option} {text!r}: this machine has processors {','.join(map(str, sorted(available)))}")
    return cpus
