"""The example of a compiled store: its target file holds, and the mistake of its README can be made."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from perfgate.cli.main import main
from perfgate.scenario import load_scenario

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "c_store"


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_example_of_a_compiled_store_passes_its_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = shutil.copytree(EXAMPLE, tmp_path / "c_store")
    command = ["cc", "-Wall", "-Wextra", "-Werror", "-O2", "-o", "store", "store.c", "-lm"]
    subprocess.run(command, cwd=there, check=True)
    gate = str(there / "perf" / "gate.toml")
    assert main(["target", "check", str(there / "perf" / "store.toml"), "--scenario", gate]) == 0, (
        capsys.readouterr().out
    )
    assert "400 of 400 true answers" in capsys.readouterr().out, "its search is exact"


def test_the_mistake_of_the_readme_changes_the_search(tmp_path: Path) -> None:
    load_scenario(EXAMPLE / "perf" / "gate.toml")
    there = shutil.copytree(EXAMPLE, tmp_path / "c_store")
    (mistake,) = re.findall(r"^sed .*$", (EXAMPLE / "README.md").read_text(), re.M)
    subprocess.run(["bash", "-c", mistake], cwd=there, check=True)
    assert "return sum / sqrtf(square);" in (there / "store.c").read_text()
