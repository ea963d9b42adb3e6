"""docs/development/performance_gates.md: each command in it is run, in a repository as the page describes it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from builders import gate as decided
from cluster import SCENARIO
from repository import IDENTITY, TARGET, StoreRepository

from perfgate.cli.main import VERBS, build_parser
from perfgate.gate.verdict import Word
from perfgate.report.directory import write_result

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/development/performance_gates.md").read_text(encoding="utf-8")
SHORTER = {"perfgate doctor": "--seconds 1", "perfgate calibrate": "--pairs 8", "perfgate bisect": "--time-limit 40s"}
"""Added to a command so that the test ends soon."""
UNDECIDED_TOO = ("perfgate gate", "perfgate calibrate", "perfgate baseline refresh", "scripts/")
"""They measure; on a busy machine any verdict may come of it."""
NOTHING_TO_SHOW = (
    "perfgate doctor",
    "perfgate bisect",
    "perfgate certify",
    "perfgate trend",
    "perfgate baseline",
    "perfgate history",
)
"""May find nothing, in a repository as young as this one or on a host as busy, and say so."""


def commands(text: str) -> list[str]:
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def sections() -> dict[str, list[str]]:
    parts = re.split(r"^## (.+)\n", PAGE, flags=re.M)
    return {name: commands(text) for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def prepare(directory: Path) -> tuple[StoreRepository, dict[str, str]]:
    """A repository whose branch `topic` fails at recalls, a remote, the hook, and the results of a job of the CI."""
    made = StoreRepository(directory / "repo")
    made.write(".gitignore", ".perfgate/\nperfgate-results*\n")
    made.write("perf/gate.toml", SCENARIO.format(seconds=10, rate=200.0, gate=""))
    made.write("perf/mystore.toml", TARGET)
    for name in ("ci_performance_gate.sh", "m17_performance_check.sh", "compare_m17_performance.sh"):
        made.write(f"scripts/{name}", (ROOT / "scripts" / name).read_text())
        (made.path / "scripts" / name).chmod(0o755)
    made.commit("a store with its gate")
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(directory / "remote.git")], check=True)
    made.git("remote", "add", "origin", str(directory / "remote.git"))
    made.git("push", "--quiet", "origin", "main")
    made.git("checkout", "--quiet", "-b", "topic")
    made.change("recall: forget some", "--fail", "recall=0.3")
    made.git("checkout", "--quiet", "main")
    record, comparison = decided(Word.BLOCK)
    (made.path / "perfgate-results").mkdir()
    write_result(made.path / "perfgate-results", record, comparison)
    program = directory / "bin/perfgate"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m perfgate "$@"\n')
    program.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PERFGATE", "GITHUB"))}
    own = {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "XDG_CACHE_HOME": str(directory / "cache"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "agents"), str(ROOT / "controller")]),
        "PERFGATE_QUEUE": str(directory / "queue"), "PERFGATE_SCENARIO": "perf/gate.toml",
        "PERFGATE_TARGET": "perf/mystore.toml",
    }  # fmt: skip
    return made, {**kept, **IDENTITY, **own}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("section", sections())
def test_each_command_of_a_section_does_what_the_page_says(section: str, tmp_path: Path) -> None:
    made, environment = prepare(tmp_path)
    for command in sections()[section]:
        more = next((words for start, words in SHORTER.items() if command.startswith(start)), "")
        done = subprocess.run(
            ["bash", "-c", f"set -euo pipefail; {command} {more}"], cwd=made.path, env=environment, timeout=400,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = f"$ {command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in said, said
        assert "usage and examples: perfgate" not in done.stderr, said
        assert done.returncode in expected(command, said), said


def expected(command: str, said: str) -> set[int]:
    if "--help" in command:
        return {0}
    if "--candidate topic" in command:
        return {1}
    if command.startswith(UNDECIDED_TOO):
        return {0, 1, 4} | ({3} if "INVALID" in said else set())
    if command.startswith(NOTHING_TO_SHOW):
        return {0, 1, 3, 4}
    return {0}


@pytest.mark.parametrize("command", [line for lines in sections().values() for line in lines if "perfgate " in line])
def test_each_command_has_a_verb_and_options_that_exist(command: str) -> None:
    words = shlex.split(re.sub(r"\$\([^)]*\)", "x", command))
    if "perfgate" not in words:
        pytest.skip("calls git or a script")
    own = words[words.index("perfgate") + 1 :]
    assert own[0] in VERBS
    if "--help" not in own:
        build_parser(own[0]).parse_args(own)


def test_scripts_that_the_page_calls_exist_and_each_section_has_commands() -> None:
    found = sections()
    assert list(found) == ["Your merge was stopped", "Setting it up", "Keeping it"]
    assert all(len(lines) > 5 for lines in found.values())
    for script in re.findall(r"^(scripts/\S+)", PAGE, re.M):
        assert (ROOT / script).exists()


def test_the_build_table_of_the_page_is_one() -> None:
    from perfgate.targets.load import target_from_json

    table = tomli.loads(re.findall(r"```toml\n(.*?)```", PAGE, re.S)[0])
    import json

    target = target_from_json(json.dumps({**tomli.loads(TARGET), **table}))
    assert target.build is not None
    assert target.build.artifacts == ("target/release/mystore",)
