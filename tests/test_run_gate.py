"""A gate as a process of its own: how it is told to end, and that its run is in the history."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from history_values import at, small_gate

from perfgate.baseline import run_gate as module
from perfgate.baseline.run_gate import run_gate
from perfgate.gate.verdict import Word
from perfgate.history.choice import Choice
from perfgate.history.database import opened
from perfgate.history.reader import ids
from perfgate.report.directory import write_result

STAND_IN = """#!{python}
import os, pathlib, signal, sys
number = int(sys.argv[-3])
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGINT, signal.SIGTERM}})
if number:
    os.kill(os.getppid(), number)
    told = signal.sigwait({{signal.SIGINT, signal.SIGTERM}})
    pathlib.Path("told").write_text(str(int(told)))
print("out")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stand-in runs in place of `perfgate gate`."""
    script = tmp_path / "stand_in"
    script.write_text(STAND_IN.format(python=sys.executable))
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module.sys, "executable", str(script))
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_gate_which_ends_in_order_before_the_rest_does(here: Path, number: int) -> None:
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        run_gate([str(int(number))], here / "out", at(here / "history.db"))
    assert (here / "told").read_text() == str(int(number))
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_gate_that_leaves_no_result_is_no_answer(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_gate(["0"], here / "out", at(here / "history.db")) is None
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "out\n")


def test_a_run_that_was_not_recorded_is_added(here: Path) -> None:
    """The gate warns when its history is busy or full, and goes on; whoever needs the answer adds it."""
    (here / "out").mkdir()
    write_result(here / "out", *small_gate(1, Word.PASS))
    for _ in range(2):
        entry = run_gate(["0"], here / "out", at(here / "history.db"))
        assert entry is not None
    with opened(at(here / "history.db")) as engine, engine.connect() as connection:
        assert ids(connection, Choice()) == [entry.id]
