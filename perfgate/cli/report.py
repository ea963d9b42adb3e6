"""`perfgate report`: render a run's directory again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfgate.gate.comparison import Comparison
    from perfgate.run import RunRecord

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate report .perfgate/demo/slow_search
  perfgate report DIR --format markdown > comment.md     # for a merge request
  perfgate report DIR --format json | jq .comparison.verdict
  perfgate report DIR --exit-code                        # ends as the gate ended: in CI, where the gate ran before

DIR holds result.json; it is what --out of `perfgate gate` and `perfgate run` named."""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the verb `report`."""
    parser = subparsers.add_parser(
        "report",
        help="render a run's directory again",
        description="Render a run's directory again: on the terminal, as Markdown, or as the JSON of the record.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="the directory of a gate or a run")
    parser.add_argument(
        "--format", choices=("terminal", "markdown", "json", "junit"), default="terminal", help="default: terminal"
    )
    parser.add_argument("--exit-code", action="store_true", help="end with the gate's (or run's) exit code")
    parser.add_argument(
        "--merge", action="store_true",
        help="end with 0 where the merge may go on: as --exit-code, but for INCONCLUSIVE as the policy says",
    )  # fmt: skip
    parser.add_argument(
        "--on-inconclusive", choices=("warn", "block"), default=None, help="with --merge: instead of the policy's word"
    )


def run(args: argparse.Namespace) -> int:
    """0, or with --exit-code what the gate or run ended with. Raises InputError for what is no result."""
    from perfgate.cli.printing import read_or_not
    from perfgate.gate.verdict import Word
    from perfgate.report.directory import load_result, read_result
    from perfgate.report.words import exit_code

    data = load_result(args.directory)
    if isinstance(data, dict) and data.get("kind") == "competition":
        return _competition(args, data)
    record, comparison = read_result(args.directory)
    with read_or_not():
        show(args.format, record, comparison, args.directory)
    if args.merge and comparison is not None and comparison.verdict.word is Word.INCONCLUSIVE:
        goes_on = (args.on_inconclusive or comparison.policy.inconclusive) == "warn"
        return 0 if goes_on else comparison.verdict.exit_code
    return exit_code(record, comparison) if args.exit_code or args.merge else 0


def _competition(args: argparse.Namespace, data: dict[str, Any]) -> int:
    """Of `perfgate compete`: as it was written then."""
    from perfgate.compete.result_json import checked
    from perfgate.errors import InputError
    from perfgate.report.directory import REPORT, RESULT

    checked(data, str(args.directory / RESULT))
    if args.format == "junit":
        raise InputError("--format junit: a competition has none; take terminal, markdown or json")
    try:
        text = (args.directory / REPORT).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{args.directory / REPORT}: {error.strerror}; restore it, or take --format json") from error
    if args.format == "json":
        import json

        text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    sys.stdout.write(text)
    return int(data["verdict"]["exit_code"]) if args.exit_code or args.merge else 0


def show(how: str, record: RunRecord, comparison: Comparison | None, directory: Path | None) -> None:
    """how: one of --format. directory: None where it is not there any more."""
    if how == "json":
        import json

        from perfgate.report.directory import result_to_json

        json.dump(result_to_json(record, comparison), sys.stdout, indent=2, allow_nan=False)
        print()
    elif how == "junit":
        from perfgate.errors import InputError
        from perfgate.report.junit import gate_junit

        if comparison is None:
            raise InputError("--format junit: a run has no verdict; give the directory of a gate")
        sys.stdout.write(gate_junit(record, comparison))
    elif how == "markdown":
        from perfgate.report.markdown import gate_markdown, run_markdown

        text = run_markdown(record, directory) if comparison is None else gate_markdown(record, comparison, directory)
        sys.stdout.write(text)
    else:
        from perfgate.report.terminal import make_console, render_gate, render_run

        console = make_console()
        if comparison is None:
            render_run(record, console, directory)
        else:
            render_gate(record, comparison, console, directory)
