"""Run as a script: reads the clock as fast as it can and writes down when it could not.

`python -I -S still_probe.py SECONDS`, pinned by whoever starts it. A gap between two readings is time in which this
processor did something else: another process, an interrupt, the hypervisor. Writes one line of JSON and then two arrays
of int64: starts (monotonic ns) and lengths (ns) of the gaps. Nothing of perfgate is imported, so that it starts at once.
"""

import array
import gc
import json
import os
import resource
import sys
from time import monotonic_ns

LEAST_NS = 50_000
"""Shorter ones (timer ticks, most interrupts) are no noise to a request."""
MOST_GAPS = 2_000_000
"""Kept; further ones are counted only."""


def realtime_granted() -> bool:
    """Whether this user gets SCHED_FIFO; given back at once, as a spinning real-time process would stop others."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO)))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except OSError:
        return False
    return True


def listen(duration_ns: int) -> tuple[int, int, int, int, "array.array[int]", "array.array[int]"]:
    """(began_ns, ended_ns, readings, dropped, starts, lengths)."""
    starts, lengths = array.array("q"), array.array("q")
    clock, least, dropped, readings = monotonic_ns, LEAST_NS, 0, 0
    began = last = clock()
    end = began + duration_ns
    while last < end:
        now = clock()
        readings += 1
        if now - last > least:
            if len(starts) < MOST_GAPS:
                starts.append(last)
                lengths.append(now - last)
            else:
                dropped += 1
        last = now
    return began, last, readings, dropped, starts, lengths


def main(seconds: float) -> None:
    realtime = realtime_granted()
    gc.disable()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    began, ended, readings, dropped, starts, lengths = listen(round(seconds * 1e9))
    head = {
        "began_ns": began, "ended_ns": ended, "readings": readings, "dropped": dropped, "gaps": len(starts),
        "switches": resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - before, "realtime": realtime,
    }  # fmt: skip
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + starts.tobytes() + lengths.tobytes())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
