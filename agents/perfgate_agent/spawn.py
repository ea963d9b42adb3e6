"""Run as a script between fork and exec: ties a child's life to its parent's and pins it to processors.

`python -I -S spawn.py PARENT_PID CPUS PRIORITY [--as UID GID GROUPS] COMMAND [ARGUMENT …]`: CPUS as `0,1`, or `-` for all;
PRIORITY as `normal`, a nice value, or `realtime` (SCHED_FIFO at its lowest); what of this takes a privilege is only tried.
--as: as which user, without a way back, or not at all; GROUPS as CPUS, `-` for none. A wrapper instead of a preexec_fn, which
may deadlock in a process that has threads, as gRPC's have.
"""

import contextlib
import ctypes
import os
import signal
import sys
import warnings  # noqa: F401 (os.execvp wants it when it may not be readable any more)

PR_SET_PDEATHSIG = 1


def tie(parent: int) -> None:
    """The kernel kills this process when its parent dies (PR_SET_PDEATHSIG, prctl(2)); exit code 125 where that one is
    dead already."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the line above
        sys.exit(125)


def become(user: str, group: str, groups: str) -> None:
    """Numbers of user and group; groups: further ones with commas, or `-` for none. For good, saved ids included. Exit
    code 126 where it may not."""
    try:
        os.setgroups([int(one) for one in groups.split(",")] if groups != "-" else [])
        os.setresgid(int(group), int(group), int(group))
        os.setresuid(int(user), int(user), int(user))
    except OSError as error:
        print(f"cannot become user {user}: {error.strerror}", file=sys.stderr)
        sys.exit(126)


def main(parent: int, cpus: str, priority: str, command: list[str]) -> None:
    tie(parent)
    if cpus != "-":
        os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    with contextlib.suppress(PermissionError):
        if priority == "realtime":
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO)))
        elif priority != "normal":
            os.setpriority(os.PRIO_PROCESS, 0, int(priority))
    if command[0] == "--as":
        become(*command[1:4])
        tie(parent)  # whoever becomes somebody else is untied (prctl(2))
        command = command[4:]
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
