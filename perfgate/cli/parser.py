"""The command line's parser: a wrong call is answered in one line, with the word that was probably meant."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


class Parser(argparse.ArgumentParser):
    """argparse's, but for its errors. Parsers of verbs inside are of the same class."""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:  # type: ignore[override]
        """Refuses what is unknown here, where the verb's own options are known, and not in the outermost parser."""
        parsed, rest = super().parse_known_args(args, namespace)
        if rest:
            word = rest[0].partition("=")[0]
            self.error(f"unknown argument {word}{similar(word, self._option_string_actions)}")
        return parsed, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            hint = similar(str(value), known) or f": known are {', '.join(known)}"
            raise argparse.ArgumentError(action, f"{str(value)!r} is unknown{hint}")

    def error(self, message: str) -> NoReturn:
        """One line in place of the whole usage, which takes a screen for some verbs; ends with argparse's 2."""
        self.exit(2, f"perfgate: {message}\nusage and examples: {self.prog} --help\n")


class Formatter(argparse.RawDescriptionHelpFormatter):
    """argparse's, with room for the names of verbs and actions, which it sets in by two places more than it has counted."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += 2


def described(subparsers: Subparsers, name: str, summary: str, epilog: str) -> argparse.ArgumentParser:
    """A verb, or an action of one, whose description is its summary as a sentence."""
    return subparsers.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=epilog,
        formatter_class=Formatter,
    )  # fmt: skip


def similar(word: str, known: Iterable[str]) -> str:
    """`: did you mean …?` where one of the known words is like it, or nothing."""
    import difflib

    bare = {one.lstrip("-"): one for one in known}  # dashes are in common to all options
    close = difflib.get_close_matches(word.lstrip("-"), bare, n=1, cutoff=0.6)
    return f": did you mean {bare[close[0]]}?" if close else ""
