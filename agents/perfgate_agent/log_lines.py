"""One line a message, with what a journal needs to sort it by."""

from __future__ import annotations

import logging
import os
import sys

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""sd-daemon(3): `<N>` in front of a line."""


class LogLine(logging.Formatter):
    """journal: with the priority in front, since the journal has time and level of its own."""

    def __init__(self, journal: bool) -> None:
        super().__init__("%(message)s" if journal else "%(levelname)s %(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record).replace("\n", "\\n")
        return f"<{PRIORITIES.get(record.levelno, 6)}>{line}" if self._journal else line


def set_up_log() -> None:
    """To standard error. $JOURNAL_STREAM says that this is the journal (systemd.exec(5))."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLine(journal=_is_journal()))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _is_journal() -> bool:
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))
