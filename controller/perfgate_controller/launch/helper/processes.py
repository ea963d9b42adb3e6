"""Who is who among processes, and how one is ended for sure."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from perfgate_controller.launch.helper.files import Refused

POLL_S = 0.05


def stop_process(pid: int, identity: dict[str, Any], patience_s: float) -> str:
    """TERM, which ends an agent in order; once more, which ends it at once; then KILL for it and whatever is of its
    session. Raises Refused where something is left."""
    how = "ended"
    for number, wait_s, word in ((signal.SIGTERM, patience_s, "ended"), (signal.SIGTERM, 3.0, "ended at once")):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if _gone(lambda: not alive(identity), wait_s):
            how = word
            break
    else:
        how = "killed"
    for other in [pid, *_session(pid)] if how == "killed" else _session(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(other, signal.SIGKILL)
    if not _gone(lambda: not alive(identity) and not _session(pid), 5.0):
        raise Refused(f"process {pid} does not end, not even killed")
    return how


def _gone(is_so: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(POLL_S)
    return bool(is_so())


def _session(pid: int) -> list[int]:
    """Living processes whose session the agent leads."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields and int(fields[3]) == pid and fields[0] not in "ZX":
                found.append(int(name))
    return found


def _stat(pid: int) -> list[str] | None:
    """/proc/PID/stat from the state on: state, ppid, pgrp, session, … (proc_pid_stat(5)); None where it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def identity_of(pid: int) -> dict[str, Any]:
    """What tells a process from a later one with its pid: when it started, in clock ticks since boot (0 for one that
    has gone), and which boot that was."""
    fields = _stat(pid)
    with open("/proc/sys/kernel/random/boot_id") as file:
        return {"pid": pid, "start_ticks": int(fields[19]) if fields else 0, "boot": file.read().strip()}


def alive(identity: dict[str, Any]) -> bool:
    """Whether this very process runs: a zombie does not, nor does another one with its pid."""
    now, fields = identity_of(identity["pid"]), _stat(identity["pid"])
    return fields is not None and fields[0] not in "ZX" and all(now[key] == identity[key] for key in now)
