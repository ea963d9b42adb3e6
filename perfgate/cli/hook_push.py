"""What the pre-push hook does with a push: gate what gives the main branch another commit, let the rest through."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from perfgate.builds.git import Repository, clean_environment
from perfgate.cli.run_place import make_run_place
from perfgate.errors import InputError
from perfgate.gate.verdict import Word
from perfgate.hook.git import ask
from perfgate.hook.journal import NO_TOOLCHAIN, SKIPPED, Push, append, journal_file, read
from perfgate.hook.question import Question, ask_question
from perfgate.hook.settings import WARN, Settings, gated_branches, read_settings
from perfgate.hook.update import Update, parse_updates, updates_of

SKIP = "PERFGATE_SKIP"
HOW_TO_SKIP = f'to push all the same: {SKIP}="why" git push (the reason is kept), or git push --no-verify'
STOPPED = 1


def judge_push(remote: str, lines: str) -> int:
    """0 where the push may go on, 1 where it is stopped; says why on standard error."""
    repository = Repository(Path())
    updates = parse_updates(lines)
    try:
        settings = read_settings(repository.path)
        if settings is None:
            return 0
        code = 0
        for update in updates_of(updates, gated_branches(repository.path, settings, remote)):
            code = code or _judge(repository, settings, update, remote)
    except InputError as error:
        _say(f"{error}")
        if reason := os.environ.get(
            SKIP, ""
        ).strip():  # settings that mean nothing may not hold up a push that is skipped
            return max(
                (Journal(repository, remote, update).note(SKIPPED, True, reason) for update in updates), default=0
            )
        _say(f"this push is stopped: nothing was measured. Mend that, or {HOW_TO_SKIP}")
        return STOPPED
    return code


def _judge(repository: Repository, settings: Settings, update: Update, remote: str) -> int:
    journal = Journal(repository, remote, update)
    if reason := os.environ.get(SKIP, "").strip():
        _say(f"{update.branch} is pushed without a gate: {reason}")
        return journal.note(SKIPPED, True, reason)
    if update.creates:
        _say(f"{update.branch} is new at {remote}: there is nothing to compare with")
        return 0
    out = _make_place(repository.path, update)
    question = ask_question(repository, settings, update, remote, out.with_suffix(".files"))
    if question.base.sha == question.candidate.sha:
        return 0
    if _has_passed(repository, question):
        _say(f"{question.candidate} has passed against {question.base.label} before: not measured again")
        return 0
    from perfgate.builds.build import Builder, ToolchainError  # here: they take longer than a push that is not gated
    from perfgate.builds.store import BuildStore
    from perfgate.targets.load import load_target

    try:
        target = load_target(question.target)
        Builder(target, repository, BuildStore(out), out)  # asks for the toolchain
    except ToolchainError as error:
        _say(f"warning: {error}")
        _say(f"{update.branch} is pushed without a gate: this machine cannot build {target.name}; its CI will")
        return journal.note(NO_TOOLCHAIN, True, str(error))
    return _conclude(settings, question, journal, out, _measure(settings, question, repository, out))


def _measure(settings: Settings, question: Question, repository: Repository, out: Path) -> int:
    """The exit code of the gate, which has written into `out` unless nothing could be measured."""
    _say(f"gating {question.candidate} against {question.base}")
    if question.note:
        _say(question.note)
    _say(f"at most {settings.time_limit}, after at most {settings.wait} of waiting for this host; {HOW_TO_SKIP}")
    words = [
        *_program(repository.path), "gate", str(question.scenario), "--target", str(question.target), "--repo",
        str(repository.path), "--base", question.base.sha, "--candidate", question.candidate.sha, "--policy",
        settings.policy, "--time-limit", settings.time_limit, "--wait", settings.wait, "--out", str(out),
    ]  # fmt: skip
    process = subprocess.Popen(
        words, cwd=repository.path, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno()
    )
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the gate has had it as well, and ends in order
            continue


def _conclude(settings: Settings, question: Question, journal: Journal, out: Path, code: int) -> int:
    branch = question.update.branch
    measured, verdict = _verdict(out)
    word = verdict.split(maxsplit=1)[0]
    passed = code == 0 and word == Word.PASS.value
    undecided = code == 4 and _undecided_goes_on(out)
    goes = passed or undecided or (code == 3 and measured and settings.invalid == WARN)
    if passed:
        _say(f"{question.candidate.label} may follow {question.base.label}")
    elif goes:
        _say(f"warning: {verdict}")
        _say(f"{branch} is pushed all the same; the report: {out / 'report.md'}")
    else:
        _say(f"{question.candidate} is not pushed to {branch}: {verdict}")
        if (out / "report.md").exists():
            _say(f"the report: {out / 'report.md'}; each reason with its remedy: docs/troubleshooting.md of perfgate")
        _say(HOW_TO_SKIP)
    journal.note(word, goes, "" if passed else verdict, question)
    return 0 if goes else STOPPED


def _verdict(out: Path) -> tuple[bool, str]:
    """Whether anything was measured, and the line that says what came of it."""
    try:
        return True, (out / "verdict.txt").read_text(encoding="utf-8").strip() or Word.INVALID.value
    except OSError:
        return False, f"{Word.INVALID.value} nothing was measured; see above"


def _undecided_goes_on(out: Path) -> bool:
    from perfgate.report.directory import read_result

    _, comparison = read_result(out)
    return comparison is not None and comparison.policy.inconclusive == "warn"


def _has_passed(repository: Repository, question: Question) -> bool:
    """As after a push whose connection was lost meanwhile. Only a PASS is taken over: nothing else lets a push go on."""
    pushes = read(journal_file(repository.path))
    return any(push.key == question.key and push.outcome == Word.PASS.value for push in pushes)


def _make_place(top: Path, update: Update) -> Path:
    """Where the gate's record will lie; `.perfgate` is kept out of git's sight."""
    own = top / ".perfgate"
    try:
        own.mkdir(exist_ok=True)
        if not (own / ".gitignore").exists():
            (own / ".gitignore").write_text("*\n")
        return make_run_place(own / "runs", f"push-{update.local_sha[:12]}")
    except OSError as error:
        raise InputError(f"{own}: {error.strerror}; make it writable") from error


def _program(repository: Path) -> list[str]:
    named = os.environ.get("PERFGATE") or ask(repository, "config", "perfgate.program")
    return [named] if named and Path(named).is_file() else [sys.executable, "-P", "-m", "perfgate"]


@dataclass(frozen=True, slots=True)
class Journal:
    """Notes what becomes of one update."""

    repository: Repository
    remote: str
    update: Update

    def note(self, outcome: str, went: bool, reason: str = "", question: Question | None = None) -> int:
        """0; where it cannot be kept, a warning says so."""
        top = self.repository.path
        push = Push(
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            who=_who(top),
            remote=self.remote,
            branch=self.update.branch or "",
            base=question.base.sha if question else self.update.remote_sha,
            candidate=question.candidate.sha if question else self.update.local_sha,
            outcome=outcome,
            went=went,
            reason=reason,
            key=question.key if question else "",
        )
        try:
            append(journal_file(top), push)
        except OSError as error:
            _say(f"warning: this is not kept: {journal_file(top)}: {error.strerror}")
        return 0


def _who(top: Path) -> str:
    """The e-mail address that git would put into a commit."""
    identity = ask(top, "var", "GIT_COMMITTER_IDENT") or ""
    return identity.partition("<")[2].partition(">")[0] or os.environ.get("USER", "somebody")


def _say(text: str) -> None:
    print(f"perfgate hook: {text}", file=sys.stderr, flush=True)
