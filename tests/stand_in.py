"""A perfgate without load: `gate` copies a finished result, every other verb is the real program."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from builders import gate as decided
from cluster import UNWATCHED

from perfgate.gate.verdict import Word
from perfgate.report.directory import write_result

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """#!/bin/sh
[ "$1" = gate ] || exec {python} -m perfgate "$@"
echo "$@" >> "{directory}/gates"
word=$(head -n 1 "{directory}/words")
[ "$(wc -l < "{directory}/words")" -eq 1 ] || sed -i 1d "{directory}/words"
[ "$word" != bad ] || {{ echo "perfgate: build of x failed" >&2; exit 3; }}
while [ $# -gt 0 ]; do case $1 in --out) out=$2 ;; esac; shift; done
mkdir -p "$out"
cp "{directory}/verdicts/$word"/* "$out/"
exit $(cat "{directory}/verdicts/$word/code")
"""


@lru_cache(maxsize=1)
def finished_results() -> Path:
    """A directory to copy from: a finished gate's files by verdict, with its exit code in `code`; made once a session."""
    directory = Path(tempfile.mkdtemp(prefix="perfgate-results-"))
    for word in Word:
        place = directory / word.value
        place.mkdir()
        record, comparison = decided(word)
        write_result(place, record, comparison)
        (place / "code").write_text(str(comparison.verdict.exit_code))
    return directory


class StandIn:
    """`program`, in a directory. Its gates say what `say` was given last, one after the other and the last word for ever:
    a verdict's word, or `bad` for a failed build."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.program = directory / "perfgate"
        shutil.copytree(finished_results(), directory / "verdicts")
        self.program.write_text(PROGRAM.format(python=sys.executable, directory=directory))
        self.program.chmod(0o755)
        self.say("PASS")

    def say(self, *words: str) -> None:
        (self.directory / "words").write_text("".join(f"{word}\n" for word in words))

    def be_real(self) -> None:
        """From now on gates load, too; their first pair is warmed up for no longer than the others."""
        self.be(f'exec {sys.executable} -c "{UNWATCHED}" "$@"')

    def be(self, script: str) -> None:
        """From now on this program of sh."""
        self.program.write_text(f"#!/bin/sh\n{script}\n")

    def gates(self) -> list[str]:
        """The words of each `perfgate gate` so far."""
        path = self.directory / "gates"
        return path.read_text().splitlines() if path.exists() else []

    def environment(self) -> dict[str, str]:
        """Of a user who has this perfgate, a cache and a queue of his own, and no other setting of perfgate's."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PERFGATE", "GITHUB"))}
        own = {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "agents"), str(ROOT / "controller")]),
            "PERFGATE": str(self.program), "XDG_CACHE_HOME": str(self.directory / "cache"),
            "PERFGATE_QUEUE": str(self.directory / "queue"), "PERFGATE_EVIDENCE": "off", "PERFGATE_HISTORY": "off",
        }  # fmt: skip
        return {**kept, **own}
