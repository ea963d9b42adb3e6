"""A run's directory: result.json, report.md, verdict.txt and junit.xml, beside the log of intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from perfgate.errors import InputError, MeasurementError
from perfgate.gate.comparison import Comparison
from perfgate.gate.comparison_json import comparison_from_json, comparison_to_json
from perfgate.interval_log import read_intervals
from perfgate.run import RunRecord
from perfgate.run_json import record_from_json, record_to_json
from perfgate.stored_form import parse
from perfgate.whole_file import write_whole

SCHEMA_VERSION = 1
RESULT = "result.json"
REPORT = "report.md"
VERDICT = "verdict.txt"
INTERVALS = "intervals.jsonl"
JUNIT = "junit.xml"


def result_to_json(record: RunRecord, comparison: Comparison | None) -> dict[str, Any]:
    """What result.json holds; docs/result.schema.json describes it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "record": record_to_json(record),
        "comparison": None if comparison is None else comparison_to_json(comparison),
    }


def write_result(directory: Path, record: RunRecord, comparison: Comparison | None) -> None:
    """Write report.md, verdict.txt, of a gate junit.xml, and result.json last, so that where it is, the others are.
    Raises MeasurementError."""
    from perfgate.report.junit import gate_junit
    from perfgate.report.markdown import gate_markdown, run_markdown

    text = run_markdown(record, directory) if comparison is None else gate_markdown(record, comparison, directory)
    write_text(directory / REPORT, text)
    write_text(directory / VERDICT, verdict_line(record, comparison) + "\n")
    if comparison is not None:
        write_text(directory / JUNIT, gate_junit(record, comparison))
    data = json.dumps(result_to_json(record, comparison), allow_nan=False, separators=(",", ":"))
    write_text(directory / RESULT, data + "\n")


def verdict_line(record: RunRecord, comparison: Comparison | None) -> str:
    """One line for scripts: the word, then the sentence."""
    from perfgate.report.words import headline, run_sentence, run_verdict, sentence

    if comparison is None:
        why = "".join(f" {sentence(reason['text'])}" for reason in record.invalid[:1])
        return f"{run_verdict(record)} {run_sentence(record)}{why}"
    reasons = comparison.verdict.reasons
    why = f" {sentence(reasons[0].text)}" if reasons else ""
    return f"{comparison.verdict.word.value} {headline(record, comparison)}{why}"


def read_result(directory: Path) -> tuple[RunRecord, Comparison | None]:
    """Raises InputError naming the file and the remedy for what is no result of this perfgate."""
    return result_from_json(load_result(directory), str(directory / RESULT))


def result_from_json(data: Any, origin: str) -> tuple[RunRecord, Comparison | None]:
    """The reverse of `result_to_json`. Raises InputError naming `origin`, the file."""
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version is None or "record" not in data:
        raise InputError(f"{origin}: is no result of perfgate; give the directory of a run")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{origin}: schema_version {version} cannot be read by this perfgate (it reads {SCHEMA_VERSION}); "
            "use the perfgate that wrote it, or a newer one"
        )
    try:
        comparison = data.get("comparison")
        return record_from_json(data["record"]), None if comparison is None else comparison_from_json(comparison)
    except InputError as error:
        raise InputError(f"{origin}: {error}") from error


def load_result(directory: Path) -> Any:
    """What result.json holds, unchecked. Raises InputError where it cannot be read, or is no JSON."""
    path = directory / RESULT
    try:
        return parse(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(_why_missing(directory)) from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the directory of a run") from error
    except ValueError as error:
        remedy = "restore it, or run again"
        raise InputError(f"{path}: is damaged (no JSON: {error}); {remedy}") from error


def _why_missing(directory: Path) -> str:
    if not directory.is_dir():
        return f"{directory}: there is no such directory; give the directory of a run, e.g. one of .perfgate/runs"
    log = directory / INTERVALS
    if not log.exists():
        return f"{directory}: holds no {RESULT}; give the directory of a run, e.g. one of .perfgate/runs"
    intervals = read_intervals(log)
    pairs = len({pair for pair, _ in intervals})
    requests = sum(interval.total for _, interval in intervals)
    cut = ", and one more that was only half written" if intervals.truncated else ""
    return (
        f"{directory}: broken off before {RESULT} was written; {len(intervals)} intervals kept in {log} "
        f"({requests:,} requests in {pairs} {'pair' if pairs == 1 else 'pairs'}{cut}); "
        "there is no verdict: run it again"
    )


def write_text(path: Path, text: str) -> None:
    """All or nothing. Raises MeasurementError."""
    try:
        write_whole(path, [text])
    except OSError as error:
        raise MeasurementError(f"{path}: {error.strerror}; make room, or give another directory with --out") from error
