"""`perfgate store serve`."""

from __future__ import annotations

import argparse

from perfgate.store.command import DESCRIPTION, EXAMPLE, run
from perfgate.store.options import add_arguments

__all__ = ["add_parser", "run"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `store` with its subverb `serve`."""
    store = subparsers.add_parser(
        "store",
        help="serve the built-in store",
        description="The built-in memory store.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = store.add_subparsers(dest="store_verb", required=True, metavar="VERB")
    serve = verbs.add_parser(
        "serve",
        help="serve memories over HTTP until SIGTERM",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(serve)
