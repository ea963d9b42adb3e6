"""Run as a script between fork and exec: ties a child's life to its parent's and pins it to processors.

`python -I -S spawn.py PARENT_PID CPUS PRIORITY COMMAND [ARGUMENT …]`: CPUS as `0,1`, or `-` for all; PRIORITY as
`normal`, a nice value, or `realtime` (SCHED_FIFO at its lowest). What takes a privilege is only tried. A wrapper instead of a
preexec_fn, which may deadlock in a process that has threads, as gRPC's have.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, cpus: str, priority: str, command: list[str]) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the line above
        sys.exit(125)
    if cpus != "-":
        os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    with contextlib.suppress(PermissionError):
        if priority == "realtime":
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO)))
        elif priority != "normal":
            os.setpriority(os.PRIO_PROCESS, 0, int(priority))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
