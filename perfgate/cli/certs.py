"""`perfgate certs`: a small authority that certifies agents, controllers and observers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.cli.parser import Formatter, described
from perfgate.errors import InputError
from perfgate.user_directory import user_directory

if TYPE_CHECKING:
    from perfgate.certs.authority import Authority
    from perfgate.certs.overview import Line

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate certs init
  perfgate certs agent perf-1 --host perf-1.example.org --host 10.0.0.5
  perfgate certs controller ci                   # may hold agents and load
  perfgate certs observer dashboard              # may ask for their state, no more
  perfgate certs show                            # who has what, until when
  perfgate certs rotate --leaves                 # new keys and certificates for all, by the same authority
  perfgate certs rotate                          # a new authority, too; the old one stays trusted meanwhile
  perfgate certs rotate --drop-old               # when everybody has the new files: trust the new one alone

Each party's directory holds ca.pem, cert.pem and key.pem. Copy it to the party's host, and nothing else: the authority's own
key stays where it was made. An agent names the three in its agent.toml; a controller is given the directory as
PERFGATE_CERTS, or the files with --tls-ca, --tls-cert and --tls-key. docs/security.md has the whole."""


ABOUT = {
    "init": ("make the authority", """examples:
  perfgate certs init
  perfgate certs init --dir /srv/perfgate/authority --days 365

Once. Its key stays in that directory; whoever has it can certify anybody."""),
    "agent": ("certify an agent", """examples:
  perfgate certs agent perf-1 --host perf-1.example.org --host 10.0.0.5
  scp ~/.config/perfgate/authority/agents/perf-1/*.pem perf-1.example.org:/etc/perfgate/

The three files are named in the agent's agent.toml."""),
    "controller": ("certify who may hold agents and load", """examples:
  perfgate certs controller ci
  PERFGATE_CERTS=~/.config/perfgate/authority/controllers/ci perfgate fleet check fleet.toml"""),
    "observer": ("certify who may ask for agents' state", """example:
  perfgate certs observer dashboard

It may ask, and neither hold an agent nor load anything."""),
    "rotate": ("new keys and certificates, before the old ones expire or after a theft", """examples:
  perfgate certs rotate --leaves                 # for all parties, by the same authority
  perfgate certs rotate                          # a new authority, too; the old one stays trusted meanwhile
  perfgate certs rotate --drop-old               # when everybody has the new files: trust the new one alone"""),
    "show": ("who has what, until when", """examples:
  perfgate certs show
  perfgate certs show /etc/perfgate/cert.pem"""),
}  # fmt: skip
"""Of each action: what it does, and its examples."""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the verb `certs` with its actions."""
    parser = subparsers.add_parser(
        "certs",
        help="certificates for agents, controllers and observers",
        description="A small certificate authority for mutual TLS between controllers and agents.",
        epilog=EXAMPLE,
        formatter_class=Formatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    add = {action: described(actions, action, summary, epilog) for action, (summary, epilog) in ABOUT.items()}
    init, agent, rotate, show = add["init"], add["agent"], add["rotate"], add["show"]
    _add_days(init, "of the authority", 5 * 365)
    agent.add_argument(
        "--host", action="append", default=[], metavar="HOST",
        help="the name or address controllers dial it by; may be given several times",
    )  # fmt: skip
    parties = (agent, add["controller"], add["observer"])
    for party in parties:
        party.add_argument("name", metavar="NAME", help="what logs and other controllers are shown")
        _add_days(party, "of the certificate", 90)
    how = rotate.add_mutually_exclusive_group()
    how.add_argument("--leaves", action="store_true", help="for the parties alone, by the same authority")
    how.add_argument("--drop-old", action="store_true", help="trust the newest authority alone")
    _add_days(rotate, "of the parties' certificates", 90)
    show.add_argument("file", type=Path, nargs="?", metavar="FILE", help="one PEM file instead of the whole authority")
    for action in (init, *parties):
        action.add_argument("--force", action="store_true", help="throw away what is there; its key is lost")
    for action in (init, *parties, rotate, show):
        action.add_argument(
            "--dir", type=Path, default=None, metavar="DIR",
            help="the authority's directory (default: perfgate/authority in the user's configuration)",
        )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """0. Raises InputError for what cannot be."""
    try:
        from perfgate.certs.authority import Authority
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cryptography":
            raise
        raise InputError(
            "perfgate certs needs the library cryptography, which agents and controllers do not: pip install "
            "'perfgate[fleet]' on the machine where certificates are made"
        ) from error
    authority = Authority(arguments.dir or default_directory())
    return ACTIONS[arguments.action](arguments, authority)


def default_directory() -> Path:
    """Not in the working directory: that is often a repository, and a key must not be committed."""
    return user_directory("XDG_CONFIG_HOME", ".config") / "authority"


def _add_days(parser: argparse.ArgumentParser, whose: str, default: int) -> None:
    parser.add_argument(
        "--days", type=int, default=default, metavar="DAYS", help=f"validity {whose} (default: {default})"
    )


def _init(arguments: argparse.Namespace, authority: Authority) -> int:
    authority.make(arguments.days, arguments.force)
    print(f"{authority.directory}: a new authority; next: perfgate certs agent NAME --host HOST")
    return 0


def _party(arguments: argparse.Namespace, authority: Authority) -> int:
    from perfgate.certs.authority import Party
    from perfgate.trust.role import Role

    party = Party(arguments.name, Role(arguments.action), tuple(getattr(arguments, "host", ())))
    print(authority.issue(party, arguments.days, arguments.force))
    return 0


def _rotate(arguments: argparse.Namespace, authority: Authority) -> int:
    if arguments.drop_old:
        changed = authority.drop_old()
    elif arguments.leaves:
        changed = authority.renew(arguments.days)
    else:
        changed = authority.rotate(party_days=arguments.days)
    print("\n".join(map(str, changed)))
    if not arguments.leaves:
        print("copy these to their hosts, in any order" + ("" if arguments.drop_old else "; then: rotate --drop-old"))
    return 0


def _show(arguments: argparse.Namespace, authority: Authority) -> int:
    import datetime as dt

    from perfgate.certs.overview import describe_file, overview

    now = dt.datetime.now(dt.UTC)
    lines = describe_file(arguments.file, now) if arguments.file else overview(authority.directory, now)
    print("\n".join(_table(lines)))
    return 0


def _table(lines: Sequence[Line]) -> list[str]:
    wide = max((len(line.what) for line in lines), default=0)
    names = max((len(line.hosts) for line in lines), default=0)
    return [
        f"{line.what:<{wide}}  {line.until:%Y-%m-%d}  {line.fingerprint}  {line.hosts:<{names}}  {line.note}".rstrip()
        for line in lines
    ]


ACTIONS = {
    "init": _init,
    "agent": _party,
    "controller": _party,
    "observer": _party,
    "rotate": _rotate,
    "show": _show,
}
