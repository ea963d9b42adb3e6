"""`perfgate ci`: ready files for the CI of a repository."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate.builds.git import Repository

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate ci init --scenario perf/gate.toml --target perf/mystore.toml            # whichever CI is found here
  perfgate ci init gitlab --scenario perf/gate.toml --target perf/mystore.toml
  perfgate ci init cron --scenario perf/gate.toml --target perf/mystore.toml       # systemd timers and a crontab
  perfgate ci init github --scenario perf/gate.toml --target perf/mystore.toml --stdout

github, gitlab, jenkins and buildkite get a gate on each merge request, what is owed at night and the baseline on Sundays;
cron gets the latter two, for those who start the gate in another way. Beside them comes scripts/ci_performance_gate.sh,
which they call. Files that are there already and differ are only written over with --force."""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the verb `ci` with its action."""
    from perfgate.ci.system import SYSTEMS

    parser = subparsers.add_parser(
        "ci",
        help="ready files for the CI of a repository",
        description="Ready files for the CI of a repository.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    init = actions.add_parser(
        "init", help="write them", description="Write ready files for a CI.", epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = init.add_argument
    add("system", nargs="?", choices=tuple(SYSTEMS), help="(default: what the repository shows)")
    add("--scenario", default=None, metavar="FILE", help="what is sent (default: git config perfgate.scenario)")
    add("--target", default=None, metavar="FILE", help="how the store is built (default: git config perfgate.target)")
    add("--branch", default=None, metavar="NAME", help="the main branch (default: what origin's HEAD says, or main)")
    add("--repo", type=Path, default=Path(), metavar="DIR", help="the repository (default: here)")
    add("--force", action="store_true", help="write over files that are there and differ")
    add("--stdout", action="store_true", help="print them, write nothing")


def run(arguments: argparse.Namespace) -> int:
    """0. Raises InputError where files cannot be written, or would be lost."""
    from perfgate.builds.git import Repository
    from perfgate.ci.fill import fill, script
    from perfgate.ci.system import SCRIPT, SYSTEMS, detect
    from perfgate.hook.git import ask

    repository = Repository(arguments.repo)
    remotes = ask(repository.path, "remote", "-v") or ""
    system = SYSTEMS[arguments.system] if arguments.system else detect(repository.path, remotes)
    values = _values(repository, arguments)
    texts = {place: fill(template, values) for template, place in system.files}
    if arguments.stdout:
        print("\n".join(f"# {place}\n{text}" if len(texts) > 1 else text for place, text in texts.items()), end="")
        return 0
    if system.script and not (repository.path / SCRIPT).exists():
        texts[SCRIPT] = script()
    _write(repository.path, texts, arguments.force)
    print(f"then: {system.then}")
    return 0


def _values(repository: Repository, arguments: argparse.Namespace) -> dict[str, str]:
    from perfgate.hook.git import ask

    head = ask(repository.path, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD") or "refs/remotes/origin/main"
    return {
        "scenario": _file(repository, arguments.scenario, "scenario"),
        "target": _file(repository, arguments.target, "target"),
        "branch": arguments.branch or head.removeprefix("refs/remotes/origin/"),
        "repo": str(repository.path),
        "program": str(Path(sys.argv[0]).absolute()) if Path(sys.argv[0]).name == "perfgate" else "perfgate",
    }


def _file(repository: Repository, given: str | None, what: str) -> str:
    """As a checkout of the repository sees it."""
    from perfgate.errors import InputError
    from perfgate.hook.git import ask

    if given is None:
        name = ask(repository.path, "config", f"perfgate.{what}")
        if not name:
            raise InputError(f"--{what} is missing: give the file that the gate in the CI is to use")
        return name
    path = Path(given).absolute()
    path = path.parent.resolve() / path.name
    if not path.is_file():
        raise InputError(f"--{what} {given}: does not exist; give the file that the gate in the CI is to use")
    if not path.is_relative_to(repository.path):
        raise InputError(
            f"--{what} {given}: lies outside {repository.path}, so no checkout has it; copy it in and commit it"
        )
    return str(path.relative_to(repository.path))


def _write(top: Path, texts: dict[str, str], force: bool) -> None:
    """All or, where one would be lost, none."""
    from perfgate.errors import InputError

    for place, text in texts.items():
        path = top / place
        if not force and path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
            raise InputError(
                f"{path}: is there already and differs; compare it with --stdout, or write over it with --force"
            )
    for place, text in texts.items():
        path = top / place
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            if path.suffix == ".sh":
                path.chmod(0o755)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; make the directory writable") from error
        print(f"written: {place}")
