"""`perfgate hook`: gate pushes to the main branch before they leave this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.cli.parser import described

if TYPE_CHECKING:
    from perfgate.builds.git import Repository
    from perfgate.hook.place import Place

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate hook install --scenario scenarios/ci/quick.toml --target targets/mystore.toml
  perfgate hook status                           # where it is, what it gates, which pushes went without a verdict
  PERFGATE_SKIP="hotfix for #812" git push       # not gated, and the reason is kept
  git push --no-verify                           # git calls no hook at all, so nothing is kept
  perfgate hook uninstall

The hook gates pushes that give the main branch another commit, whatever is checked out: the pushed commit against the one
that the remote has. A BLOCK stops the push; so does a measurement without a verdict, with the remedy. INCONCLUSIVE warns,
and so does a machine without the target's toolchain. Other branches, tags and deletions go through. A hook that was there
before is kept and run first.

settings (git config perfgate.KEY VALUE):
  scenario, target   set by install; seen from the repository's directory
  branch             which to gate; may be given more than once (default: the remote's HEAD, else main and master)
  policy             (default: quick)
  timeLimit, wait    for builds and measuring, and before that for a host that is busy (default: 5m, 1m)
  onInvalid          stop or warn (default: stop)
  program            the perfgate to call; set by install"""


ACTIONS = {
    "install": ("put the hook into a repository; may be done again", """examples:
  perfgate hook install --scenario perf/gate.toml --target perf/mystore.toml
  perfgate hook install --policy quick --time-limit 3m          # again, with other settings"""),
    "uninstall": ("take it away, with its settings; what was there before comes back", """example:
  perfgate hook uninstall --repo ~/mystore"""),
    "status": ("where it is, what it gates, which pushes went without a verdict", """example:
  perfgate hook status"""),
    "pre-push": ("what the hook calls, with git's lines on standard input", """example, of what git sends:
  echo "refs/heads/main $(git rev-parse topic) refs/heads/main $(git rev-parse origin/main)" | perfgate hook pre-push origin"""),
}  # fmt: skip
"""Of each action: what it does, and its examples."""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the verb `hook` with its actions."""
    parser = described(subparsers, "hook", "gate pushes to the main branch before they leave this machine", EXAMPLE)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    add = {action: described(actions, action, summary, epilog) for action, (summary, epilog) in ACTIONS.items()}
    install, push = add["install"], add["pre-push"]
    install.add_argument("--scenario", default=None, metavar="FILE", help="what is sent (needed the first time)")
    install.add_argument(
        "--target", default=None, metavar="FILE", help="how the store is built (needed the first time)"
    )
    install.add_argument("--policy", default=None, metavar="NAME|FILE", help="(default: quick)")
    install.add_argument("--time-limit", default=None, metavar="TIME", help="(default: 5m)")
    for action in (install, add["uninstall"], add["status"]):
        action.add_argument("--repo", type=Path, default=Path(), metavar="DIR", help="the repository (default: here)")
    push.add_argument("remote", metavar="REMOTE", help="the remote's name, as git calls hooks with it")
    push.add_argument("url", nargs="?", default="", metavar="URL", help="the remote's address; not looked at")


def run(arguments: argparse.Namespace) -> int:
    """0, or for `pre-push` whether the push may go on."""
    from perfgate.builds.git import Repository

    if arguments.action == "pre-push":
        from perfgate.cli.hook_push import judge_push

        return judge_push(arguments.remote, sys.stdin.read())
    repository = Repository(arguments.repo)
    if arguments.action == "install":
        _install(repository, arguments)
    elif arguments.action == "uninstall":
        _uninstall(repository)
    else:
        _status(repository)
    return 0


def _install(repository: Repository, arguments: argparse.Namespace) -> None:
    from perfgate.cli.common import parse_time
    from perfgate.gate.policy_load import POLICIES
    from perfgate.hook.place import find_place, install
    from perfgate.hook.settings import write_setting

    parse_time(arguments.time_limit, "--time-limit")
    values = {
        "scenario": _seen_from(repository, arguments.scenario),
        "target": _seen_from(repository, arguments.target),
        "policy": arguments.policy if arguments.policy in POLICIES else _seen_from(repository, arguments.policy),
        "timeLimit": arguments.time_limit,
        "program": str(Path(sys.argv[0]).absolute()) if Path(sys.argv[0]).name == "perfgate" else None,
    }
    _check(repository, values)
    place = find_place(repository.path)
    new = install(place)
    for key, value in values.items():
        if value is not None:
            write_setting(repository.path, key, value)
    print(f"{place.hook}: {'installed' if new else 'brought up to date'}")
    if place.chained:
        print(f"  the hook that was there is kept as {place.before.name} and run first")
    if place.shared:
        print("  other repositories use this directory, too; the hook does nothing in those without its settings")
    _print_settings(repository)


def _check(repository: Repository, values: dict[str, str | None]) -> None:
    """Raises InputError for files that a push could not be gated by. A missing toolchain is only told: the hook lets such
    a machine push."""
    from perfgate.errors import InputError
    from perfgate.gate.policy_choice import choose_policy
    from perfgate.gate.policy_load import POLICIES
    from perfgate.hook.git import ask
    from perfgate.scenario import load_scenario
    from perfgate.targets.load import load_target

    paths = {}
    for key in ("scenario", "target"):
        name = values[key] or ask(repository.path, "config", f"perfgate.{key}")
        if not name:
            raise InputError(f"--{key} is missing: give the file that pushes are to be gated by")
        paths[key] = repository.path / Path(name).expanduser()
    scenario, target = load_scenario(paths["scenario"]), load_target(paths["target"])
    if target.build is None:
        raise InputError(f"{paths['target']}: has no [build] table, so a pushed commit cannot be built; add one")
    policy = values["policy"] or ask(repository.path, "config", "perfgate.policy") or "quick"
    choose_policy(scenario.gate, policy if policy in POLICIES else str(repository.path / policy))


def _seen_from(repository: Repository, name: str | None) -> str | None:
    if name is None:
        return None
    path = Path(name).expanduser().absolute()
    path = path.parent.resolve() / path.name
    return str(path.relative_to(repository.path) if path.is_relative_to(repository.path) else path)


def _uninstall(repository: Repository) -> None:
    from perfgate.hook.place import find_place, uninstall
    from perfgate.hook.settings import forget_settings

    place = find_place(repository.path)
    forget_settings(repository.path)
    if place.shared and place.ours:
        print(f"{place.hook}: does nothing here any more; other repositories may use it, so it stays")
        return
    if not place.hook.exists():
        print(f"{place.hook}: not installed")
        return
    chained = place.chained
    gone = uninstall(place)
    print(f"{place.hook}: {'removed' if gone else 'is not of perfgate; left as it is'}")
    if gone and chained:
        print("  the hook that was there before is back")


def _status(repository: Repository) -> None:
    from perfgate.hook.journal import journal_file, read
    from perfgate.hook.place import find_place

    place = find_place(repository.path)
    print(f"{place.hook}: {_state(place)}")
    _print_settings(repository)
    pushes = [push for push in read(journal_file(repository.path)) if push.ungated]
    if pushes:
        print(f"pushes that went without a PASS: {len(pushes)} (the last {min(10, len(pushes))}):")
    for push in pushes[-10:]:
        because = f": {push.reason}" if push.reason else ""
        print(
            f"  {push.when}  {push.candidate[:12]} to {push.remote} {push.branch} by {push.who}, {push.outcome}{because}"
        )


def _state(place: Place) -> str:
    from perfgate.hook.place import source

    if not place.ours:
        return "not installed" if not place.hook.exists() else "a hook that is not perfgate's"
    current = place.hook.read_bytes() == source().read_bytes()
    state = "installed" if current else "installed by another version; install it again"
    return f"{state}, after {place.before.name}" if place.chained else state


def _print_settings(repository: Repository) -> None:
    from perfgate.hook.settings import read_settings

    settings = read_settings(repository.path)
    if settings is None:
        print("  has no settings here, and gates nothing")
        return
    branches = ", ".join(settings.branches) or "the remote's main branch"
    print(f"  gates pushes to {branches} by {settings.scenario} on {settings.target}, policy {settings.policy}")
    print(f"  within {settings.time_limit}, after at most {settings.wait} of waiting for the host")
    print(f"  a measurement without a verdict: {settings.invalid}")
