"""A disk that is full, in words: wherever in an agent's work it shows."""

from __future__ import annotations

import errno
import os
import shutil

from perfgate.errors import MeasurementError

FULL = {errno.ENOSPC, errno.EDQUOT}


def no_room(error: Exception) -> MeasurementError | None:
    """What to say of it; None where it is something else. shutil gathers what befell each file of a directory, as text."""
    path = str(getattr(error, "filename", None) or "")
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        found = [(str(to), str(why)) for _, to, why in error.args[0] if any(os.strerror(code) in why for code in FULL)]
        if not found:
            return None
        path, number = found[0][0], errno.ENOSPC
    elif isinstance(error, OSError) and error.errno in FULL:
        number = error.errno or errno.ENOSPC
    else:
        return None
    return MeasurementError(
        f"{path or 'a file of the agent'}: {os.strerror(number)}; make room on the agent's machine, or give its work_dir and "
        "cache_dir (--work-dir, --cache-dir) a larger file system"
    )
