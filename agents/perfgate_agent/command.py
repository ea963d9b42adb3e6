"""The agent's own command line; `perfgate agent serve` and `python -m perfgate_agent` are the same."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.user_directory import user_directory

if TYPE_CHECKING:
    from perfgate_agent.configuration import AgentConfiguration

EXAMPLE = """examples:
  perfgate agent serve --port 7400 --target targets/embedded.toml
  perfgate gate scenarios/ci/quick.toml --target targets/embedded.toml --agents 127.0.0.1:7400 \\
      --base default --candidate default

  perfgate agent serve --config /etc/perfgate/agent.toml          # a service: TLS, limits, what it may load
  perfgate agent unit > /etc/systemd/system/perfgate-agent.service

Without --config an agent listens on loopback alone, starts only the targets it is given here, and loads only what is on this
machine. docs/security.md describes the file."""

HOST, PORT = "127.0.0.1", 7400


def default_cache_dir() -> Path:
    """$PERFGATE_CACHE, or perfgate below the user's cache directory (XDG)."""
    if named := os.environ.get("PERFGATE_CACHE"):
        return Path(named)
    return user_directory("XDG_CACHE_HOME", ".cache")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=None, metavar="FILE",
        help="agent.toml, which holds all settings; no other option goes with it",
    )  # fmt: skip
    parser.add_argument("--host", default=None, help="address to listen on; loopback only (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=None, help="0 picks a free one (default: 7400)")
    parser.add_argument("--name", default=None, help="what reports call it (default: the host's name)")
    parser.add_argument("--workers", type=int, default=None, help="load worker processes, one a core (default: 1)")
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
    os.environ.setdefault(
        "GRPC_VERBOSITY", "NONE"
    )  # its lines of C++ about a port that is taken, say, beside our words
    from perfgate_agent.log_lines import set_up_log
    from perfgate_agent.serve import serve

    configuration = _from_file(arguments) if arguments.config else _from_options(arguments)
    set_up_log()
    asyncio.run(serve(configuration))
    return 0


def unit_command() -> int:
    """Print the systemd unit that comes with perfgate."""
    from importlib.resources import files

    print(files("perfgate_agent").joinpath("perfgate-agent.service").read_text(encoding="utf-8"), end="")
    return 0


def _from_file(arguments: argparse.Namespace) -> AgentConfiguration:
    from perfgate.errors import InputError
    from perfgate_agent.configuration_file import load_configuration

    own = ("host", "port", "name", "workers", "target", "cache_dir", "work_dir", "worker_cpus", "store_cpus")
    if given := [name for name in own if getattr(arguments, name) not in (None, [])]:
        raise InputError(f"--{given[0].replace('_', '-')}: does not go with --config; set it in {arguments.config}")
    return load_configuration(arguments.config)


def _from_options(arguments: argparse.Namespace) -> AgentConfiguration:
    from perfgate.targets.load import load_target
    from perfgate_agent.configuration import AgentConfiguration, check_cpus, divide_cpus

    cache = arguments.cache_dir or default_cache_dir()
    workers = 1 if arguments.workers is None else arguments.workers
    worker_cpus, store_cpus = divide_cpus(workers)
    targets = [load_target(path) for path in arguments.target]
    return AgentConfiguration(
        name=arguments.name or socket.gethostname(),
        host=arguments.host or HOST,
        port=PORT if arguments.port is None else arguments.port,
        cache_dir=cache,
        work_dir=arguments.work_dir or cache / "work",
        workers=workers,
        worker_cpus=check_cpus(_cpus(arguments.worker_cpus, "--worker-cpus"), "--worker-cpus", worker_cpus),
        store_cpus=check_cpus(_cpus(arguments.store_cpus, "--store-cpus"), "--store-cpus", store_cpus),
        targets={target.name: target for target in targets},
    )


def _cpus(text: str | None, option: str) -> list[int] | None:
    from perfgate.errors import InputError

    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise InputError(f"{option} {text!r}: give processor numbers with commas, as 0,1") from error
