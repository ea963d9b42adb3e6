"""The CI systems there are ready files for, and which of them a repository uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import InputError

SCRIPT = "scripts/ci_performance_gate.sh"


@dataclass(frozen=True, slots=True)
class System:
    """marks: files and directories by which a repository shows that it uses it; host: a word in the address of its
    remote. files: each template and where it is written. script: whether those call the gate's script. then: what remains
    to be done."""

    name: str
    marks: tuple[str, ...]
    host: str
    files: tuple[tuple[str, str], ...]
    script: bool
    then: str


CRON = tuple(
    (name, f"ci/perfgate/{name}")
    for name in (
        "perfgate.crontab", "perfgate-owed.service", "perfgate-owed.timer", "perfgate-baseline.service",
        "perfgate-baseline.timer",
    )
)  # fmt: skip
SYSTEMS = {
    system.name: system
    for system in (
        System(
            "github", (".github",), "github", (("github.yml", ".github/workflows/performance-gate.yml"),), True,
            "register a self-hosted runner with the label performance-tier-1, and make the check `gate` a required one",
        ),
        System(
            "gitlab", (".gitlab-ci.yml", ".gitlab"), "gitlab", (("gitlab.yml", ".gitlab/performance-gate.yml"),), True,
            "add to .gitlab-ci.yml: `include: [{local: .gitlab/performance-gate.yml}]`; register a runner with the tag "
            "performance-tier-1; add two scheduled pipelines, with PERFGATE_TASK=owed and PERFGATE_TASK=baseline",
        ),
        System(
            "jenkins", ("Jenkinsfile",), "", (("jenkins.groovy", "Jenkinsfile.performance"),), True,
            "make a multibranch pipeline with the script path Jenkinsfile.performance, and an agent with the label "
            "performance-tier-1 and one executor",
        ),
        System(
            "buildkite", (".buildkite",), "", (("buildkite.yml", ".buildkite/performance-gate.yml"),), True,
            "let a step upload it: `buildkite-agent pipeline upload .buildkite/performance-gate.yml`; start one agent in the "
            "queue performance-tier-1; add schedules with PERFGATE_TASK=owed and PERFGATE_TASK=baseline",
        ),
        System(
            "cron", (), "", CRON, False,
            "enable the timers as their .service files say, or install perfgate.crontab; each file says how",
        ),
    )
}  # fmt: skip


def detect(repository: Path, remotes: str) -> System:
    """By the files that are there, else by the remotes' addresses. Raises InputError where nothing or too much is found."""
    found = [system for system in SYSTEMS.values() if any((repository / mark).exists() for mark in system.marks)]
    if not found:
        found = [system for system in SYSTEMS.values() if system.host and system.host in remotes]
    if len(found) == 1:
        return found[0]
    seen = f"it could be {' or '.join(system.name for system in found)}" if found else "it shows none"
    raise InputError(
        f"which CI this repository uses is not clear, {seen}; name one: perfgate ci init {'|'.join(SYSTEMS)}"
    )
