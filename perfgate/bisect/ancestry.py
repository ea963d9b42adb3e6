"""The commits between GOOD and BAD as git has them."""

from __future__ import annotations

from perfgate.bisect.lineage import Lineage, Link, make_lineage
from perfgate.builds.git import Commit, Repository
from perfgate.errors import InputError


def read_lineage(repository: Repository, good: Commit, bad: Commit, first_parent: bool) -> Lineage:
    """first_parent: merges count as one commit, what they brought is not looked into. Raises InputError where GOOD is no
    ancestor of BAD, on the way that was asked for."""
    if good.sha == bad.sha:
        raise InputError(f"GOOD and BAD are the same commit, {good}; give the last good and the first bad one known")
    links = []
    for sha, parents, author, authored, subject in repository.lines_between(good, bad, first_parent):
        found = tuple(parents.split())
        links.append(Link(sha, found[:1] if first_parent else found, author, authored, subject))
    if first_parent and links[0].parents != (good.sha,):
        raise InputError(
            f"GOOD {good} is not on the chain of first parents of BAD {bad.label}; leave --first-parent away, or give a "
            "commit of the main branch"
        )
    return make_lineage(good.sha, links)
