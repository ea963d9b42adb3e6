"""The entry point. Each verb is a file of its own, imported only when it is asked for."""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

VERBS = {
    "gate": "compare two builds of a store and give a verdict",
    "neighbour": "whether one memory space at ten times its rate disturbs the others",
    "compete": "stores against each other at equal recall, and whether we lost",
    "capacity": "the highest rate that a store holds under a p99 limit",
    "soak": "a run over hours or days: does anything leak or creep?",
    "run": "one load run, without a gate",
    "plan": "show beforehand what a scenario will send, how long it takes, what a gate can see",
    "report": "render a run's directory again",
    "history": "what was measured and decided here before",
    "baseline": "which commits gates are compared with, and why",
    "trend": "how metrics moved over weeks, against one anchor",
    "bisect": "find the commit that brought a regression, by short gates",
    "calibrate": "how noisy this host is under a scenario, and what a gate on it will see",
    "certify": "what the A/A gates of this host prove of the rate of false alarms",
    "ci": "ready files for the CI of a repository",
    "hook": "gate pushes to the main branch before they leave this machine",
    "policy": "show a policy: each value, where it comes from and why it is so",
    "doctor": "what regressions this host can and cannot resolve, and what to change",
    "agent": "serve as an agent on a perf-tier host",
    "fleet": "agents on several hosts as one load generator",
    "certs": "certificates for agents, controllers and observers",
    "target": "write a target file, or prove one step by step",
    "store": "serve the built-in store",
    "simulate": "prove the decision rule on simulated noise",
}

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

EPILOG = """exit codes:
  0 PASS   1 BLOCK (internal)   2 BLOCK (competitive)   3 INVALID, bad input or failure   4 INCONCLUSIVE

examples:
  perfgate plan scenarios/ci/quick.toml
  perfgate run scenarios/ci/quick.toml --target targets/embedded.toml
  perfgate gate scenarios/ci/quick.toml --target targets/embedded.toml --base default --candidate slow_search

`perfgate VERB --help` teaches each verb."""


def build_parser(wanted: str | None) -> argparse.ArgumentParser:
    """With only the wanted verb's own arguments, so that no other verb's imports are paid for."""
    from perfgate import __version__
    from perfgate.cli.parser import Formatter, Parser

    parser = Parser(
        prog="perfgate",
        description="Load testing for memory and vector stores, with a performance gate whose verdict can be trusted.",
        epilog=EPILOG,
        formatter_class=Formatter,
    )
    parser.add_argument("--version", action="version", version=f"perfgate {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb, summary in VERBS.items():
        if verb == wanted:
            importlib.import_module(f"perfgate.cli.{verb}").add_parser(subparsers)
        else:
            subparsers.add_parser(verb, help=summary)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = words[0] if words and words[0] in VERBS else None
    parser = build_parser(verb)
    if not words:
        parser.print_help()
        return 3
    try:
        parsed = parser.parse_args(words)
    except SystemExit as error:  # argparse ends with 2 for a wrong call, which here means a competitive BLOCK
        return 3 if error.code == 2 else int(error.code or 0)
    return _run(str(parsed.verb), parsed)


def _run(verb: str, parsed: argparse.Namespace) -> int:
    from perfgate.errors import PerfgateError

    for stream in (sys.stdout, sys.stderr):  # where UTF-8 cannot be shown there are question marks, not a traceback
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return int(importlib.import_module(f"perfgate.cli.{verb}").run(parsed))
    except PerfgateError as error:
        print(f"perfgate: {error}", file=sys.stderr)
    except BrokenPipeError:
        sys.stderr.close()
    except KeyboardInterrupt:
        print("perfgate: interrupted", file=sys.stderr)
    except OSError as error:
        if error.errno not in NO_ROOM:
            return _own_fault()
        print(f"perfgate: {error}; make room there and do it again", file=sys.stderr)
    except Exception:  # Python's own exit code for it, 1, would read as BLOCK
        return _own_fault()
    return 3


def _own_fault() -> int:
    import traceback

    traceback.print_exc()
    print("perfgate: this is a fault of perfgate's own, and no verdict; please report it", file=sys.stderr)
    return 3


def console() -> None:
    """The `perfgate` command."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        # Closed by the caller (`>&-`): the next file that is opened would take their place.
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
        sys.exit(main())
