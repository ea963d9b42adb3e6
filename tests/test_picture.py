"""The picture in the README is drawn from a real gate's directory."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import builders

from perfgate.gate.verdict import Word
from perfgate.report.directory import write_result

SCRIPT = Path(__file__).parent.parent / "scripts" / "picture.py"


def draw(directory: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(directory), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=SCRIPT.parent.parent)


def test_the_picture_shows_the_verdict_is_the_same_each_time_and_fetches_nothing(tmp_path: Path) -> None:
    write_result(tmp_path, *builders.gate(Word.BLOCK))
    for name in ("one.svg", "two.svg"):
        assert draw(tmp_path, tmp_path / name).returncode == 0
    picture = (tmp_path / "one.svg").read_text(encoding="utf-8")
    texts = "".join(ElementTree.fromstring(picture).itertext())
    assert "BLOCK" in texts
    assert "embedding_search" in texts
    assert "@font-face" not in picture
    assert "url(http" not in picture
    assert picture == (tmp_path / "two.svg").read_text(encoding="utf-8")


def test_what_is_no_gate_is_refused_with_a_word(tmp_path: Path) -> None:
    write_result(tmp_path, builders.record("run"), None)
    done = draw(tmp_path, tmp_path / "picture.svg")
    assert done.returncode == 3
    assert "give the directory of a gate" in done.stderr
    assert not (tmp_path / "picture.svg").exists()
