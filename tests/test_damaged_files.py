"""Files that were changed behind perfgate's back: one clear message and exit code 3, and never a traceback."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import arm_interval, gate, record
from compete_values import measurement
from damage import damaged, places
from perfgate_controller.calibration_state import State, read_state, write_state
from test_compete_files import POLICY, result
from test_host_profile import profile

from perfgate.bisect.journal import Journal
from perfgate.bisect.lineage import Lineage
from perfgate.bisect.reading import Answer, Reading
from perfgate.calibration.profile_file import read_profile, write_profile
from perfgate.cli.main import main
from perfgate.compete.outcome import decide
from perfgate.errors import PerfgateError
from perfgate.evidence import evidence_file
from perfgate.evidence.gate_line import gate_line, to_json
from perfgate.gate.verdict import Word
from perfgate.hook import journal as pushes
from perfgate.interval_log import IntervalWriter, read_intervals
from perfgate.report.directory import write_result
from perfgate.soak import checkpoint
from perfgate.soak.drift import Drift, Motion
from perfgate.soak.events import Event
from perfgate.soak.findings import Finding
from perfgate.stored_form import LARGEST

Capture = pytest.CaptureFixture[str]
LINEAGE = Lineage("a", (), np.zeros((0, 0), dtype=np.bool_))
TRIES = 40
REPORT_TRIES = 18
SLOW_TRIES = 400
REPORTS = ([], ["--format", "markdown"], ["--format", "json"], ["--format", "junit"], ["--exit-code"], ["--merge"])
DRIFT = Drift(0.1, 0.0, 0.2, 13.0, 1.0, 0.1, 9)
CHECKPOINT = checkpoint.Checkpoint(
    "soak", "embedded", "default", 1, 10**18, 10**18, 10**10, 10**11, 10**9, "ended",
    (checkpoint.PeriodLine(0, 10**9, 20, 1, 3, {"recall": (1e6, float("nan"))}, 1e7, 10, 10**8),) * 3,
    (Finding("memory", "bytes", None, Motion.OPEN), Finding("recall p99", "log ns", DRIFT, Motion.RISES)),
    (Event("stall", 5, 10, 3.0, "a word"),), 2,
)  # fmt: skip


def ends_well(words: list[str], what: str, file: str, capsys: Capture) -> None:
    """Done, or refused in one line that names the file."""
    code = main(words)
    said = capsys.readouterr()
    assert "Traceback" not in said.err, f"{words} after {what}:\n{said.err}"
    if code == 3 and said.err:
        assert said.err.count("\n") == 1, f"{words} after {what}: {said.err}"
        assert file in said.err or "--format junit: " in said.err, f"{what}: {said.err}"


def run_reports(tmp_path: Path, seed: int, tries: int, document: Any, capsys: Capture) -> None:
    draw, every, file = random.Random(seed), list(places(document)), tmp_path / "result.json"
    for number in range(tries):
        what, text = damaged(document, draw, every)
        file.write_text(text)
        ends_well(["report", str(tmp_path), *REPORTS[number % len(REPORTS)]], what, str(file), capsys)
        if number % 6 == 0:
            (tmp_path / "history.db").unlink(missing_ok=True)
            history = ["--history", str(tmp_path / "history.db")]
            assert main(["history", "import", str(tmp_path), *history]) in (0, 3)
            assert main(["history", "list", *history]) in (0, 3)
            main(["trend", *history])
            assert "Traceback" not in capsys.readouterr().err, what


def stored(kind: str, directory: Path) -> Any:
    """What such a run's result.json holds."""
    if kind == "competition":
        measured = measurement([0.0, 0.1])
        (directory / "report.md").write_text("a report\n")
        return json.loads(json.dumps(result(measured, decide(measured, POLICY, lambda theta: []))))
    write_result(directory, *(gate(Word.BLOCK) if kind == "gate" else (record("run"), None)))
    return json.loads((directory / "result.json").read_text())


@pytest.mark.parametrize("kind", ["gate", "run", "competition"])
def test_a_damaged_result_is_shown_or_refused(kind: str, tmp_path: Path, capsys: Capture) -> None:
    run_reports(tmp_path, 1, REPORT_TRIES, stored(kind, tmp_path), capsys)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["gate", "run", "competition"])
def test_a_damaged_result_is_shown_or_refused_however_it_is_damaged(kind: str, tmp_path: Path, capsys: Capture) -> None:
    run_reports(tmp_path, 2, SLOW_TRIES, stored(kind, tmp_path), capsys)


Reader = Callable[[Path], object]


def _soak(path: Path) -> object:
    from perfgate.report.markdown import render_markdown
    from perfgate.report.soak_document import soak_document

    return render_markdown(soak_document(checkpoint.read(path.parent), path.parent))


def _journal(path: Path) -> object:
    return Journal(path).read(LINEAGE), Journal(path).durations()


def _made(kind: str, directory: Path) -> tuple[Path, Reader]:
    """A whole file of each kind, and who reads it."""
    if kind == "checkpoint":
        checkpoint.write(directory, CHECKPOINT)
        return directory / checkpoint.NAME, _soak
    if kind == "profile":
        write_profile(directory / "p.json", profile(leak=0.04, leak_upper=0.08))
        return directory / "p.json", read_profile
    if kind == "calibration":
        write_state(directory, State({"seed": 1, "slice_ns": 5}, ("a",), 0, 0, 3, (1,), 7, 9))
        return directory / "calibration.json", lambda path: read_state(path.parent)
    if kind == "intervals":
        with IntervalWriter(directory / "i.jsonl") as log:
            log.append(0, arm_interval())
        return directory / "i.jsonl", lambda path: list(read_intervals(path))
    if kind == "evidence":
        path = directory / "e.jsonl"
        path.write_text(json.dumps(to_json(gate_line(*gate(Word.PASS), True))) + "\n")
        return path, evidence_file.read
    if kind == "pushes":
        pushes.append(directory / "p.jsonl", pushes.Push("2026-11-27", "a", "b", "c", "d", "e", "PASS", True))
        return directory / "p.jsonl", lambda path: [one.ungated for one in pushes.read(path)]
    found = Journal(directory / "b.json")
    found.begin({"good": "a", "bad": "b"})
    found.add_answer(Answer("a", "b", {"recall p99": Reading(0.1, 0.01, 5.0, 6)}), 10**9, directory)
    return found.path, _journal


KINDS = ("checkpoint", "profile", "calibration", "intervals", "evidence", "pushes", "bisection")
LINES = ("intervals", "evidence", "pushes", "bisection")


def read_damaged(kind: str, directory: Path, seed: int, tries: int) -> None:
    path, read = _made(kind, directory)
    read(path)
    head, last = "", path.read_text()
    if kind in LINES:  # the last one is damaged
        *before, last = last.strip().split("\n")
        head = "".join(f"{line}\n" for line in before)
    document, draw = json.loads(last), random.Random(seed)
    every = list(places(document))
    for _ in range(tries):
        what, text = damaged(document, draw, every)
        path.write_text(head + text + "\n")
        refused = refusal(read, path, what)
        assert not refused or path.name in refused, f"{what}: {refused}"


def refusal(read: Reader, path: Path, what: str) -> str:
    """The message, empty where the file is read."""
    try:
        read(path)
    except PerfgateError as error:
        return str(error)
    except Exception as error:
        raise AssertionError(f"{path.name}, {what}: {error!r}") from error
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_or_refused_by_name(kind: str, tmp_path: Path) -> None:
    read_damaged(kind, tmp_path, 1, TRIES)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_or_refused_however_it_is_damaged(kind: str, tmp_path: Path) -> None:
    read_damaged(kind, tmp_path, 2, SLOW_TRIES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_directory_or_bytes_in_its_place_are_refused(kind: str, tmp_path: Path) -> None:
    path, read = _made(kind, tmp_path)
    for replace in (lambda: path.write_bytes(b"\xff\xfe\x00{"), lambda: (path.unlink(), path.mkdir())):
        replace()
        refused = refusal(read, path, "not a file of it")
        assert path.name in refused or kind == "pushes", refused


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("record", "duration_ns"), -5, "duration_ns = -5 must be a whole number"),
        (("record", "seed"), LARGEST + 1, "seed = 9223372036854775808 must be a whole number"),
        (("record", "arms", "base", "due"), "many", "arms.base.due = 'many' must be a whole number"),
        (
            ("record", "arms", "base", "operations", "store", "response", "hdr"),
            "x",
            "arms.base.operations.store.response",
        ),
        (("record", "pairs", 3, "effects"), [], r"pairs\[3\].effects must be a table"),
        (("record", "limits", 0, "met_base"), "yes", r"limits\[0\].met_base = 'yes' must be true or false"),
        (("comparison", "effects", 2, "se"), None, r"effects\[2\].se = None must be a number"),
        (("comparison", "policy", "looks"), [], "policy.looks is empty"),
        (("comparison", "verdict", "word"), "MAYBE", "verdict.word = 'MAYBE' must be one of PASS, BLOCK"),
        (("comparison", "verdict", "exit_code"), 0, "verdict.exit_code is not that of BLOCK"),
    ],
)
def test_the_message_names_the_file_and_the_field(
    place: tuple[Any, ...], value: Any, says: str, tmp_path: Path, capsys: Capture
) -> None:
    document = stored("gate", tmp_path)
    holder = document
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    (tmp_path / "result.json").write_text(json.dumps(document))
    assert main(["report", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert re.search(rf"result\.json: .*{says}.*restore it", said), said
