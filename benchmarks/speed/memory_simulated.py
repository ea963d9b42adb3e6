#!/usr/bin/env python3
"""What grows in a worker, in simulated time: `python -m benchmarks.speed.memory_simulated --minutes 10`.

The real feeder, harvest and ledger play the seed's mix, and a stand-in for the engine says that every request was sent
and answered; ten minutes at 5,000 requests a second take half a minute. Each line: anonymous memory, what malloc has
(from its heap, by mmap, free in the heap), blocks that Python has allocated, pages that hold requests.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys

import numpy as np
from numpy.typing import NDArray
from perfgate_agent.engine.records import ENDING, REQUEST
from perfgate_agent.feeder import TURNS, Feeder, ahead_ns, pieces
from perfgate_agent.harvest import Harvest
from perfgate_agent.ledger import Ledger
from perfgate_agent.messages import IntervalMessage, frame
from perfgate_agent.native_player import slots_for
from perfgate_agent.part import Part
from perfgate_agent.recorder import Bucket
from perfgate_agent.slots import Slots
from perfgate_agent.worker_process import prepare

from benchmarks.speed.memory import read_status
from benchmarks.speed.ours import Order, prepare_of

REPLY_NS = 1_000_000
S = 1_000_000_000


_NAMES = (
    "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
)  # fmt: skip


class _MallInfo(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _NAMES)


LIBC = ctypes.CDLL(None)
LIBC.mallinfo2.restype = _MallInfo


class StandIn:
    """Takes slots as the engine does; a request has ended REPLY_NS after its time, or somewhat before."""

    def __init__(self, slots: int) -> None:
        self.table = np.zeros(slots, dtype=REQUEST)
        self.now_ns = 0
        self._under_way = np.zeros(0, dtype=np.uint32)
        self._random = np.random.default_rng(1)

    def submit(self, slots: NDArray[np.uint32]) -> None:
        self._under_way = np.concatenate((self._under_way, slots))

    def drain(self, to: int, most: int) -> int:
        at = self.table["at_ns"][self._under_way]
        ended = np.flatnonzero(at <= self.now_ns - REPLY_NS)[:most]
        rows = np.zeros(len(ended), dtype=ENDING)
        rows["slot"], rows["at_ns"] = self._under_way[ended], at[ended]
        rows["status"] = self.table["want_status"][rows["slot"]]
        rows["sent_ns"] = rows["at_ns"] + self._random.integers(20_000, 90_000, len(ended))
        rows["done_ns"] = rows["sent_ns"] + self._random.integers(50_000, REPLY_NS - 100_000, len(ended))
        self._under_way = np.delete(self._under_way, ended)
        ctypes.memmove(to, rows.ctypes.data, rows.nbytes)
        return len(ended)


def play(part: Part, every_s: int) -> None:
    """As NativePlayer does, but for the time."""
    engine, buckets = StandIn(slots_for(part)), dict[int, Bucket]()
    slots = Slots(len(engine.table), engine.table.ctypes.data)
    ledger = Ledger(part.name, part.adapters, lambda interval: frame(IntervalMessage(interval)))
    harvest = Harvest(slots, part.adapters, buckets, part.timeout_ns, engine.drain, lambda rows, count, to: None)
    ahead = ahead_ns(part.send_rate)
    made = pieces(part.plan, part.lanes, part.segments, 0, buckets, ledger.buckets)
    feeder = Feeder(slots, part.adapters, engine.submit, made, buckets, ahead)
    gc.collect()
    gc.freeze()
    gc.disable()
    next_s = every_s
    while not feeder.exhausted:
        engine.now_ns += ahead // TURNS
        harvest.reap()
        feeder.fill_until(engine.now_ns)
        while ledger.distil_step():
            pass
        for number in [number for number, bucket in buckets.items() if bucket.complete]:
            del buckets[number]
        if engine.now_ns >= next_s * S:
            show(next_s, slots)
            next_s += every_s


def show(second: int, slots: Slots) -> None:
    heap = LIBC.mallinfo2()
    print(
        f"{second:6} s: anonymous {read_status('self')[1]:7,} KiB; heap {heap.arena // 1024:6,}, mapped "
        f"{heap.hblkhd // 1024:6,}, free {heap.fordblks // 1024:5,} KiB; {sys.getallocatedblocks():,} blocks; pages "
        f"{slots.pages.mapped_bytes // 1024:,} KiB",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=5000.0)
    parser.add_argument("--kind", choices=("get", "mix"), default="mix")
    parser.add_argument("--every", type=int, default=30, help="seconds from line to line")
    given = parser.parse_args()
    play(prepare(prepare_of(Order(given.kind, 1, given.rate, given.minutes * 60)), "simulated"), given.every)
    return 0


if __name__ == "__main__":
    sys.exit(main())
