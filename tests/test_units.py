"""systemd's own word on every unit file that perfgate hands out."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from perfgate_agent import command

from perfgate.ci import __file__ as ci

AGENT = Path(command.__file__).with_name("perfgate-agent.service")
TEMPLATES = Path(ci).parent / "templates"
UNITS = [AGENT, *sorted(TEMPLATES.glob("*.service")), *sorted(TEMPLATES.glob("*.timer"))]


def filled(text: str, directory: Path) -> str:
    """With a program, a user and directories that are here: whether those exist is not what is asked."""
    text = re.sub(
        r"^(Exec\w+=)/\S*perfgate\b", rf"\g<1>{sys.executable}", text.replace("@PROGRAM@", sys.executable), flags=re.M
    )
    return re.sub(r"@\w+@", str(directory), text)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_amiss_in_a_unit(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here (Debian's package systemd has it)")
    for one in UNITS:
        (tmp_path / one.name).write_text(filled(one.read_text(), tmp_path))
    words = [analyze, "verify", "--man=no", str(tmp_path / unit.name)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "perfgate" in line]
    assert not ours, done.stderr


def test_what_systemd_does_not_know_would_be_found(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here (Debian's package systemd has it)")
    path = tmp_path / AGENT.name
    path.write_text(filled(AGENT.read_text(), tmp_path).replace("KillMode=mixed", "KillMode=mixd\nKilMode=mixed"))
    done = subprocess.run([analyze, "verify", "--man=no", str(path)], capture_output=True, text=True, check=False)
    assert "KilMode" in done.stderr
    assert "mixd" in done.stderr
