"""`perfgate target`: write a target file, and prove it."""

from __future__ import annotations

import argparse
import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.cli.parser import described

if TYPE_CHECKING:
    from perfgate.scenario.model import Scenario
    from perfgate.target_check.order import Data, Order
    from perfgate.target_check.step import Step
    from perfgate.targets.model import Target

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

KINDS = ("http", "engram", "http_get", "redis", "falkordb", "pgvector")
WHOLE = {"redis": "redis.toml", "falkordb": "falkordb.toml", "pgvector": "postgres_pgvector.toml"}
"""Adapters whose store has one file that is right for everybody: that of `targets/`, which an installed perfgate has beside the
others."""
EXAMPLE = """examples:
  perfgate target new targets/mine.toml
  perfgate target new --adapter engram > targets/mine.toml
  perfgate target check targets/mine.toml
  perfgate target check targets/mine.toml --scenario scenarios/ci/quick.toml --variant new --verbose
  perfgate target check targets/mine.toml --url http://127.0.0.1:7432      # a store that runs, and is empty"""
CHECK = """Starts the store and takes each step that a gate takes, with a few hundred memories and a few dozen requests:
start, readiness, who owns the port, preparing steps, loading, each operation with its answers, a stored memory got and found
again, the count, an unknown id, a vector of the wrong dimension, readiness under load, the stop, and whether a copy of its
directory serves a fresh process, if the file says so. What is wrong is shown with what was sent and what came back.

With --url the store runs already and must be empty: it is loaded, and neither stopped nor copied.

exit codes: 0 all steps hold (there may be warnings)   3 one does not, or bad input
"""
NODES, DIM, QUERIES = 300, 768, 40


def add_parser(subparsers: Subparsers) -> None:
    """Adds the verb `target` with its subverbs."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = described(subparsers, "target", "write a target file, or prove one step by step", EXAMPLE)
    verbs = parser.add_subparsers(dest="target_verb", required=True, metavar="VERB")
    check = verbs.add_parser(
        "check", help="start the store and prove each step", description=CHECK, epilog=EXAMPLE, formatter_class=raw
    )
    check.add_argument("file", type=Path, metavar="FILE", help="the target file (TOML)")
    check.add_argument(
        "--scenario", type=Path, default=None, metavar="SCENARIO",
        help=f"take dimension, spaces and distribution of the data from it (at most {NODES} memories)",
    )  # fmt: skip
    check.add_argument("--dim", type=int, default=None, metavar="N", help=f"of the vectors (default: {DIM})")
    check.add_argument("--variant", default="", metavar="NAME", help="of [variants] (default: the first one)")
    check.add_argument("--url", default=None, metavar="URL", help="of a store that runs already")
    check.add_argument("--timeout", default="10s", metavar="TIME", help="for one reply (default: 10s)")
    check.add_argument("--verbose", action="store_true", help="show what was sent and came back of every step")
    new = verbs.add_parser(
        "new", help="write a commented target file", epilog=EXAMPLE, formatter_class=raw,
        description="Write a commented target file that works as it is, with the built-in store; change what differs.",
    )  # fmt: skip
    new.add_argument(
        "file", type=Path, nargs="?", default=None, metavar="FILE", help="to write (default: standard output)"
    )
    new.add_argument("--adapter", choices=KINDS, default="http", help="what speaks to the store (default: http)")


def run(arguments: argparse.Namespace) -> int:
    """0, or of a check 3 where a step does not hold. Raises InputError for files and arguments that cannot be."""
    return _new(arguments) if arguments.target_verb == "new" else _check(arguments)


def _new(arguments: argparse.Namespace) -> int:
    from perfgate.errors import InputError

    text = _template(arguments.adapter).read_text(encoding="utf-8")
    if arguments.file is None:
        sys.stdout.write(text)
        return 0
    try:
        with arguments.file.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{arguments.file}: exists already and is left alone; give another name") from None
    except FileNotFoundError:
        raise InputError(f"{arguments.file}: there is no directory {arguments.file.parent}; make it first") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # opened, then not written: half a file is none
            arguments.file.unlink(missing_ok=True)
        raise InputError(f"{arguments.file}: {error.strerror}; give a file that can be written") from error
    print(f"written: {arguments.file}; next: perfgate target check {arguments.file}")
    return 0


def _template(adapter: str) -> Path:
    import perfgate.targets

    package = Path(perfgate.targets.__file__).parent
    whole = package.parents[1] / "targets" / WHOLE[adapter] if adapter in WHOLE else None  # of a checkout
    return whole if whole is not None and whole.exists() else package / "new" / f"{adapter}.toml"


def _check(arguments: argparse.Namespace) -> int:
    import tempfile

    from perfgate.cli.common import run_until_signal
    from perfgate.target_check.check import check
    from perfgate.target_check.step import State
    from perfgate.targets.load import load_target

    target = load_target(arguments.file)
    with tempfile.TemporaryDirectory(prefix="perfgate-check-") as directory:
        order = _order(arguments, target, Path(directory))
        steps = run_until_signal(check(order, lambda step: _show(step, arguments.verbose)))
    failed = [step.name for step in steps if step.state is State.FAILED]
    warned = sum(step.state is State.WARNING for step in steps)
    if failed:
        print(f"\n{arguments.file}: {len(failed)} of {len(steps)} steps failed: {', '.join(failed)}")
        return 3
    print(f"\n{arguments.file}: all {len(steps)} steps hold" + (f", {warned} with a warning" if warned else ""))
    return 0


def _order(arguments: argparse.Namespace, target: Target, directory: Path) -> Order:
    from perfgate.address import Address
    from perfgate.cli.common import parse_time
    from perfgate.errors import InputError
    from perfgate.target_check.order import Order

    url = None
    if arguments.url is not None:
        url = target.tls.applied(Address.parse(arguments.url, "--url"))
    elif target.host is None:
        raise InputError(f"{arguments.file}: has no [host], so it cannot be started; add it, or give --url")
    variant = arguments.variant or next(iter(target.variants), "")
    if url is None and variant not in target.variants:
        known = ", ".join(target.variants) or "none; add [variants.default]"
        raise InputError(f"--variant {variant!r}: {arguments.file} has no such variant; it has: {known}")
    timeout_ns = parse_time(arguments.timeout, "--timeout") or 0
    if timeout_ns <= 0:
        raise InputError(f"--timeout {arguments.timeout!r}: give a time above 0, like 10s")
    return Order(target, variant, _data(arguments, directory), url, timeout_ns / 1e9, directory)


def _data(arguments: argparse.Namespace, directory: Path) -> Data:
    """Small data, and as small ones of another dimension."""
    import dataclasses

    from perfgate.dataset import build_dataset
    from perfgate.errors import InputError
    from perfgate.scenario.model import EmbeddingSpec
    from perfgate.target_check.order import Data

    scenario = _scenario(arguments)
    if arguments.dim is not None and not 1 <= arguments.dim <= 65_536:
        raise InputError(f"--dim {arguments.dim}: give a whole number from 1 to 65536")
    dim = arguments.dim or scenario.data.embedding_dim
    nodes = min(NODES, scenario.data.num_nodes)
    small = dataclasses.replace(scenario, data=dataclasses.replace(scenario.data, num_nodes=nodes, embedding_dim=dim))
    odd = dataclasses.replace(scenario.data, num_nodes=20, embedding_dim=dim + 1, embedding=EmbeddingSpec())
    dataset = build_dataset(small, small.seed, directory / "data", store_pool=QUERIES, num_queries=QUERIES)
    other = build_dataset(
        dataclasses.replace(scenario, data=odd), small.seed, directory / "data", store_pool=20, num_queries=20
    )
    return Data(small, dataset, other)


def _scenario(arguments: argparse.Namespace) -> Scenario:
    from perfgate.scenario import load_scenario, parse_scenario

    if arguments.scenario is not None:
        return load_scenario(arguments.scenario)
    return parse_scenario(
        {
            "name": "check",
            "duration": {"total_seconds": 1},
            "arrival": {"pattern": "constant", "rate": 1.0},
            "operations": {"recall_weight": 1.0},
            "data": {"num_nodes": NODES, "embedding_dim": DIM},
        }
    )


def _show(step: Step, verbose: bool) -> None:
    from perfgate.target_check.step import State

    text = step.text.replace("\n", f"\n{'':11}")  # a store's last words are several lines
    print(f"{step.state.value:8} {step.name}: {text}", flush=True)
    if verbose or step.state in (State.FAILED, State.WARNING):
        for label, text in (("sent", step.sent), ("came back", step.received)):
            if text:
                print(f"{'':8}   {label:10} {text}", flush=True)
