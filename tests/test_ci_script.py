"""`scripts/ci_performance_gate.sh`: what it tells a CI, whatever perfgate says and whoever calls it how."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from cluster import SCENARIO
from repository import StoreRepository, target_file
from stand_in import StandIn

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts/ci_performance_gate.sh"


class Stand(StandIn):
    """The script in a directory of its own, with a perfgate that says the given words, gate after gate."""

    def __init__(self, directory: Path, *words: str) -> None:
        super().__init__(directory)
        self.say(*words)
        (directory / "t.toml").write_text("")

    def run(self, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPT), "--target", "t.toml", *more], cwd=self.directory, capture_output=True, text=True, timeout=60,
            check=False, env={**self.environment(), **environment},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("word", "more", "code"),
    [
        ("PASS", [], 0),
        ("BLOCK", [], 1),
        ("INCONCLUSIVE", [], 0),
        ("INCONCLUSIVE", ["--on-inconclusive", "block"], 4),
        ("bad", [], 3),
    ],
)
def test_the_exit_code_says_whether_the_merge_may_go_on_and_the_verdict_comes_last(
    word: str, more: list[str], code: int, tmp_path: Path
) -> None:
    done = Stand(tmp_path, word).run(*more)
    assert done.returncode == code, done.stderr
    said = "INVALID" if word == "bad" else word
    assert done.stdout.splitlines()[-1].startswith(said)
    assert (tmp_path / "perfgate-results/verdict.txt").read_text().startswith(said)
    if word == "bad":
        assert "build of x failed" in done.stdout
        return
    Xml.parse(tmp_path / "perfgate-results/junit.xml")
    assert (tmp_path / "perfgate-results/report.md").exists()
    assert (tmp_path / "perfgate-results/result.json").exists()


def test_an_invalid_measurement_is_tried_once_more_and_bad_input_is_not(tmp_path: Path) -> None:
    for name, words, code in (
        ("a", ["INVALID", "PASS"], 0), ("b", ["INVALID", "INVALID"], 3), ("c", ["bad"], 3), ("e", ["INVALID", "bad"], 3),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        stand = Stand(tmp_path / name, *words)
        assert stand.run().returncode == code
        assert len(stand.gates()) == len(words)
        assert (
            (tmp_path / name / "perfgate-results/verdict.txt")
            .read_text()
            .startswith("PASS" if code == 0 else "INVALID")
        )
        assert (tmp_path / name / "perfgate-results/report.md").exists() == (words[0] != "bad")
    (tmp_path / "d").mkdir()
    stand = Stand(tmp_path / "d", "INVALID")
    assert stand.run("--no-retry").returncode == 3
    assert len(stand.gates()) == 1


def test_settings_come_from_arguments_then_from_variables(tmp_path: Path) -> None:
    stand = Stand(tmp_path, "PASS")
    stand.run("--base=main", "--", "--margin", "0.2", PERFGATE_BASE="other", PERFGATE_POLICY="quick")
    words = stand.gates()[0]
    assert "--base main" in words
    assert "--policy quick" in words
    assert words.endswith("--margin 0.2")


def test_results_of_an_earlier_job_are_moved_aside_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "perfgate-results").mkdir()
    (tmp_path / "perfgate-results/verdict.txt").write_text("PASS of yesterday")
    Stand(tmp_path, "BLOCK").run()
    assert (tmp_path / "perfgate-results/verdict.txt").read_text().startswith("BLOCK")
    assert len(list(tmp_path.glob("perfgate-results.*"))) == 1


def test_a_pipe_does_not_hide_the_exit_code(tmp_path: Path) -> None:
    stand = Stand(tmp_path, "BLOCK")
    command = f"set -euo pipefail; {SCRIPT} --target t.toml | cat > piped.txt"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, check=False, env=stand.environment(), capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert (tmp_path / "piped.txt").read_text().splitlines()[-1].startswith("BLOCK")
    assert stand.gates()


def test_github_gets_an_annotation_and_a_summary(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    done = Stand(tmp_path, "BLOCK").run(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    assert "\n::error title=performance gate::BLOCK" in "\n" + done.stdout
    assert "BLOCK" in summary.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--on-inconclusive", "maybe"], "give warn or block"),
        (["--time-limit", "soon"], "give whole seconds"),
        (["--nonsense", "1"], "--nonsense: is no option"),
        (["--nonsense"], "--nonsense: is no option"),
        (["--base"], "--base: needs a value"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(words: list[str], message: str, tmp_path: Path) -> None:
    done = Stand(tmp_path, "PASS").run(*words)
    assert done.returncode == 3
    assert message in done.stderr


def test_the_scripts_pass_shellcheck() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    scripts = [
        str(path)
        for path in (ROOT / "scripts").rglob("*")
        if path.is_file() and path.read_bytes().startswith((b"#!/usr/bin/env bash", b"#!/bin/sh"))
    ]
    subprocess.run(["shellcheck", "--severity=warning", *scripts], check=True, timeout=60)


def test_the_whole_way_from_two_commits_to_the_files_a_ci_shows(tmp_path: Path) -> None:
    stand = StandIn(tmp_path)
    stand.be_real()
    made = StoreRepository(tmp_path / "repo")
    made.git("checkout", "--quiet", "-b", "topic")
    worse = made.change("recall: forget some", "--fail", "recall=0.3")
    made.git("checkout", "--quiet", "--detach")
    (tmp_path / "tiny.toml").write_text(SCENARIO.format(seconds=10, rate=200.0, gate=""))
    command = f"set -euo pipefail; {SCRIPT} --scenario tiny.toml --target {target_file(tmp_path)} --repo repo | cat"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False,
        env=stand.environment(),
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert worse[:12] in done.stdout.splitlines()[-1]
    assert {"report.md", "result.json", "junit.xml", "verdict.txt"} <= {
        path.name for path in (tmp_path / "perfgate-results").iterdir()
    }
    record = json.loads((tmp_path / "perfgate-results/result.json").read_text())["record"]
    builds = record["environment"]["builds"]
    assert builds["base"]["commit"] == made.first
    assert builds["base"]["asked"] == "merge-base with main"
    assert builds["candidate"]["commit"] == worse
    assert [phase["name"] for phase in record["phases"]][:2] == ["build base", "build candidate"]
    assert "recall: forget some" in done.stderr


def test_a_signal_ends_the_gate_in_order_and_the_script_waits_for_it(tmp_path: Path) -> None:
    stand = StandIn(tmp_path)
    stand.be('trap "echo ended; exit 3" TERM; echo started >&2; while :; do sleep 0.05; done')
    process = subprocess.Popen(
        [str(SCRIPT), "--target", "t.toml"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=stand.environment(), start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "started" in line:
            break
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert "ended" in out
    assert process.returncode == 3
