"""A full disk is told in one sentence with the place and the remedy, however Python says it."""

from __future__ import annotations

import errno
import os
import shutil

import pytest
from perfgate_agent.no_room import no_room

PLACE = "work/session-1/data"
PLAIN = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), PLACE)


@pytest.mark.parametrize(
    "error",
    [PLAIN, OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), PLACE), shutil.Error([("/from", PLACE, str(PLAIN))])],
)
def test_a_full_disk_is_told_with_place_and_remedy(error: Exception) -> None:
    said = str(no_room(error))
    assert said.startswith(f"{PLACE}: ")
    assert "make room" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "no", PLACE),
        shutil.Error([("/from", PLACE, "[Errno 13] no")]),
        shutil.Error("same"),
        ValueError(),
    ],
)
def test_nothing_else_is_taken_for_one(error: Exception) -> None:
    assert no_room(error) is None
