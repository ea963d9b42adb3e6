"""`perfgate ci init`: the files it writes are what each CI reads, and call what exists."""

from __future__ import annotations

import configparser
import contextlib
import io
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import SCENARIO
from repository import TARGET, StoreRepository

from perfgate.ci.fill import NAMES, fill
from perfgate.ci.system import SYSTEMS
from perfgate.cli.main import VERBS, build_parser, main
from perfgate.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts/ci_performance_gate.sh"
VALUES = {
    "scenario": "perf/tiny.toml", "target": "perf/mystore.toml", "branch": "trunk", "repo": "/srv/store",
    "program": "/opt/perfgate/bin/perfgate",
}  # fmt: skip
TEMPLATES = [template for system in SYSTEMS.values() for template, _ in system.files]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreRepository:
    made = StoreRepository(tmp_path / "repo")
    made.write("perf/tiny.toml", SCENARIO.format(seconds=10, rate=200.0, gate=""))
    made.write("perf/mystore.toml", TARGET)
    monkeypatch.chdir(made.path)
    return made


def init(*words: str) -> tuple[int, str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main(["ci", "init", *words, "--scenario", "perf/tiny.toml", "--target", "perf/mystore.toml"])
    return code, output.getvalue()


@pytest.mark.parametrize(
    ("mark", "place"),
    [
        (".github/dependabot.yml", ".github/workflows/performance-gate.yml"),
        (".gitlab-ci.yml", ".gitlab/performance-gate.yml"),
        ("Jenkinsfile", "Jenkinsfile.performance"),
        (".buildkite/pipeline.yml", ".buildkite/performance-gate.yml"),
    ],
)
def test_the_ci_that_a_repository_uses_is_found_and_gets_its_file_and_the_script(
    mark: str, place: str, made: StoreRepository
) -> None:
    made.write(mark, "")
    code, said = init()
    assert code == 0, said
    text = (made.path / place).read_text()
    assert "perf/mystore.toml" in text
    assert not re.search("@[A-Z]+@", text)
    assert (made.path / "scripts/ci_performance_gate.sh").read_bytes() == SCRIPT.read_bytes()
    assert (made.path / "scripts/ci_performance_gate.sh").stat().st_mode & 0o111


def test_the_remote_decides_where_no_file_does_and_doubt_is_asked_about(made: StoreRepository) -> None:
    assert init()[0] == 3
    made.git("remote", "add", "origin", "git@gitlab.example.org:a/b.git")
    assert init("--stdout") == (0, fill("gitlab.yml", {**VALUES, "branch": "main"}))
    made.write(".gitlab-ci.yml", "")
    made.write("Jenkinsfile", "")
    code, said = init()
    assert code == 3
    assert "gitlab or jenkins" in said


def test_nothing_is_lost_and_writing_twice_is_writing_once(made: StoreRepository) -> None:
    assert init("github")[0] == 0
    assert init("github")[0] == 0
    path = made.path / ".github/workflows/performance-gate.yml"
    path.write_text("mine")
    code, said = init("github")
    assert code == 3
    assert "--force" in said
    assert path.read_text() == "mine"
    assert init("github", "--force")[0] == 0
    assert path.read_text() != "mine"


def test_stdout_writes_no_file(made: StoreRepository) -> None:
    for name in SYSTEMS:
        code, said = init(name, "--stdout")
        assert code == 0
        assert "perfgate" in said
    assert sorted(path.name for path in made.path.iterdir()) == [".git", "build.py", "perf", "source"]


def test_files_that_no_checkout_has_and_names_that_would_break_a_file_are_refused(
    made: StoreRepository, tmp_path: Path
) -> None:
    (tmp_path / "outside.toml").write_text("")
    assert main(["ci", "init", "cron", "--scenario", str(tmp_path / "outside.toml"), "--target", "x"]) == 3
    assert main(["ci", "init", "cron", "--scenario", "none.toml", "--target", "x"]) == 3
    assert init("cron", "--branch", 'a"; rm -rf /')[0] == 3
    with pytest.raises(InputError, match="letters, digits"):
        fill("github.yml", {**VALUES, "scenario": 'a".toml'})


def read_yaml(template: str) -> dict[Any, Any]:
    loaded = yaml.safe_load(fill(template, VALUES))
    assert isinstance(loaded, dict)
    return loaded


def test_github_gates_pull_requests_on_the_one_runner_with_the_whole_history() -> None:
    workflow = read_yaml("github.yml")
    triggers = workflow[True]  # `on` is a YAML 1.1 truth
    assert triggers["pull_request"] == {"branches": ["trunk"]}
    crons = [line["cron"] for line in triggers["schedule"]]
    jobs = workflow["jobs"]
    assert set(jobs) == {"gate", "owed", "baseline"}
    for job in jobs.values():
        assert job["runs-on"] == ["self-hosted", "performance-tier-1"]
        assert job["steps"][0]["with"]["fetch-depth"] == 0
    assert [cron for cron in crons if cron in jobs["owed"]["if"]] == crons[:1]
    assert [cron for cron in crons if cron in jobs["baseline"]["if"]] == crons[1:]
    assert "head.repo.full_name == github.repository" in jobs["gate"]["if"], "forks run nothing on the host"
    upload = jobs["gate"]["steps"][-1]
    assert (upload["if"], upload["with"]["path"]) == ("always()", "perfgate-results")
    for job in jobs.values():  # nothing that others may write is pasted into a shell
        assert not [step["run"] for step in job["steps"] if "${{" in step.get("run", "")]


def test_gitlab_shows_the_junit_report_and_notes_the_report_on_the_merge_request() -> None:
    pipeline = read_yaml("gitlab.yml")
    common, gate = pipeline[".performance-tier-1"], pipeline["performance-gate"]
    assert common["tags"] == ["performance-tier-1"]
    assert common["resource_group"] == "performance-tier-1"
    assert common["variables"]["GIT_DEPTH"] == "0"
    assert gate["artifacts"]["reports"]["junit"] == "perfgate-results/junit.xml"
    assert gate["artifacts"]["when"] == "always"
    assert "body@perfgate-results/report.md" in gate["after_script"][0]
    assert all(job["extends"] == ".performance-tier-1" for name, job in pipeline.items() if not name.startswith("."))


def test_buildkite_has_one_measurement_at_a_time() -> None:
    steps = read_yaml("buildkite.yml")["steps"]
    assert len(steps) == 3
    for step in steps:
        assert step["concurrency"] == 1
        assert step["concurrency_group"] == step["agents"]["queue"] == "performance-tier-1"
        assert not re.search(r"(?<!\$)\$(?!\$)", step["command"]), "a single $ is filled in when the file is uploaded"


def test_the_pipeline_of_jenkins_is_one_block_with_its_stages() -> None:
    text = re.sub(r"^\s*//.*$", "", fill("jenkins.groovy", VALUES), flags=re.M)
    code = re.sub(r"'''.*?'''|'[^'\n]*'|\"[^\"\n]*\"", "''", text, flags=re.S)
    depth = 0
    for letter in code.strip():
        depth += {"{": 1, "}": -1, "(": 1, ")": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    assert code.strip().startswith("pipeline {")
    assert re.findall(r"stage\('(\w+)'\)", text) == ["gate", "owed", "baseline"]
    assert "junit allowEmptyResults: true, testResults: 'perfgate-results/junit.xml'" in text


def test_units_and_crontab_are_what_systemd_and_cron_read() -> None:
    for kind in ("owed", "baseline"):
        service, timer = configparser.RawConfigParser(), configparser.RawConfigParser()
        service.optionxform = timer.optionxform = str  # type: ignore[assignment, method-assign]
        service.read_string(fill(f"perfgate-{kind}.service", VALUES))
        timer.read_string(fill(f"perfgate-{kind}.timer", VALUES))
        assert service["Service"]["WorkingDirectory"] == "/srv/store"
        assert timer["Timer"]["Persistent"] == "true"
        if shutil.which("systemd-analyze"):
            words = ["systemd-analyze", "calendar", timer["Timer"]["OnCalendar"]]
            subprocess.run(words, check=True, capture_output=True, timeout=20)
    lines = [line for line in fill("perfgate.crontab", VALUES).splitlines() if re.match(r"\d", line)]
    assert [line.split()[4] for line in lines] == ["*", "0"]
    assert not [line for line in lines if "%" in line], "cron makes % a new line"


def commands(text: str) -> list[list[str]]:
    """Each call of perfgate or of the script in a template, as words."""
    text = re.sub(r"\\\n|(?<=--repo \.)\n", " ", text).replace("$$", "$")
    call = r'(?:"(?:\$\{PERFGATE:-perfgate\}|/opt/perfgate/bin/perfgate)"|scripts/ci_performance_gate\.sh)( [^\n\']*)'
    return [
        [("script" if "scripts/" in found[0] else "perfgate"), *shlex.split(found[1])]
        for line in text.splitlines()
        if not line.lstrip().startswith(("#", "//"))
        for found in re.finditer(call, line)
    ]


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_template_calls_only_options_that_exist(template: str) -> None:
    found = commands(fill(template, VALUES))
    assert found or template.endswith(".timer"), "no call was found"
    for words in found:
        if words[0] == "script":
            helped = subprocess.run(
                [str(SCRIPT), "--help"], capture_output=True, text=True, timeout=20, check=True
            ).stdout
            assert [word for word in words[1:] if word.startswith("--") and f"{word} " not in helped] == []
            continue
        if words[1] not in VERBS or "--owed" not in help_of("gate"):
            pytest.skip(f"perfgate {words[1]} is not there yet")
        build_parser(words[1]).parse_args(words[1:])  # ends the test where an option is unknown


def help_of(verb: str) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        build_parser(verb).parse_args([verb, "--help"])
    return output.getvalue()


def test_each_template_uses_only_known_marks_and_variables() -> None:
    helped = subprocess.run([str(SCRIPT), "--help"], capture_output=True, text=True, timeout=20, check=True).stdout
    own = {"PERFGATE_HISTORY", "PERFGATE_EVIDENCE", "PERFGATE_TASK", "PERFGATE_NOTE_TOKEN"}
    for template in TEMPLATES:
        text = (ROOT / "perfgate/ci/templates" / template).read_text()
        assert set(re.findall(r"@([A-Z]+)@", text)) <= {name.upper() for name in NAMES}
        assert {
            name for name in re.findall(r"PERFGATE(?:_[A-Z]+)*", text) if name not in own and name not in helped
        } == set()
