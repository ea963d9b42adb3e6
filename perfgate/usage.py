"""What a worker used of its machine while it played, and under what conditions: what the generator costs, and where its
own error comes from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThreadUsage:
    """One thread over the loaded part. run_ns: on a core (user_ns, system_ns: the same in clock ticks of 10 ms).
    waiting_ns: runnable, but waiting for a core (the kernel's run delay); None where the kernel does not tell."""

    name: str
    run_ns: int = 0
    waiting_ns: int | None = None
    user_ns: int = 0
    system_ns: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one worker process. Of all of the run: wall_ns, user_ns, system_ns, context switches, page faults, peak_rss_bytes
    (since the process began). Of the loaded part, from the first measured request's time to the last one's, everything
    else, so that no idle time dilutes it.

    cpu_share: of its core; where it may use several, the greater of its share of them and its busiest thread's of one.
    busiest_share: the same, in the busiest tenth of the time. waiting_share: of the time in which the thread that sends and
    receives was ready to run and had no core; None where the kernel does not tell. steal_share: of the time of its own
    processors that the hypervisor took; host_steal_share: of all processors. standstill_ns: the longest time in which it
    neither ran nor waited for a core (stopped, or waiting for a disk). gc_pauses, gc_longest_ns: collections in measured
    slices.

    scheduling: `realtime` or `ordinary` as obtained, with priority (real time) and nice; cpus: those it may run on;
    timer_slack_ns: by which the kernel may delay its timers (0 in real time), None where that is unknown.
    """

    wall_ns: int = 0
    user_ns: int = 0
    system_ns: int = 0
    voluntary_switches: int = 0
    involuntary_switches: int = 0
    minor_faults: int = 0
    major_faults: int = 0
    peak_rss_bytes: int = 0
    loaded_ns: int = 0
    cpu_share: float = 0.0
    busiest_share: float = 0.0
    waiting_share: float | None = None
    steal_share: float = 0.0
    host_steal_share: float = 0.0
    standstill_ns: int = 0
    gc_pauses: int = 0
    gc_longest_ns: int = 0
    scheduling: str = ""
    priority: int = 0
    nice: int = 0
    cpus: tuple[int, ...] = ()
    timer_slack_ns: int | None = None
    threads: tuple[ThreadUsage, ...] = ()

    @property
    def cpu_ns(self) -> int:
        """Of all its threads, in user mode and in the kernel."""
        return self.user_ns + self.system_ns

    @property
    def known(self) -> bool:
        """Whether anything was measured at all: an older agent sends none of it."""
        return self.wall_ns > 0

    @classmethod
    def merge(cls, parts: Iterable[Usage]) -> Usage:
        """Of one worker over several runs: counts add up, shares are weighted by the loaded time, peaks stay, and of the
        conditions the worst counts. Associative but for rounding. Nothing known of no part."""
        parts = [part for part in parts if part.known]
        if not parts:
            return cls()
        loaded = sum(part.loaded_ns for part in parts)

        def mean(shares: Iterable[float]) -> float:
            weighted = sum(share * part.loaded_ns for share, part in zip(shares, parts, strict=True))
            return weighted / loaded if loaded else 0.0

        waiting = [part.waiting_share for part in parts if part.waiting_share is not None]
        slacks = [part.timer_slack_ns for part in parts if part.timer_slack_ns is not None]
        worst = next((part for part in parts if part.scheduling != "realtime"), parts[-1])
        return cls(
            **{name: sum(getattr(part, name) for part in parts) for name in _ADDED},
            **{name: max(getattr(part, name) for part in parts) for name in _PEAKS},
            cpu_share=mean(part.cpu_share for part in parts),
            waiting_share=mean(waiting) if len(waiting) == len(parts) else None,
            steal_share=mean(part.steal_share for part in parts),
            host_steal_share=mean(part.host_steal_share for part in parts),
            scheduling=worst.scheduling, priority=worst.priority, nice=worst.nice,
            cpus=tuple(sorted({cpu for part in parts for cpu in part.cpus})),
            timer_slack_ns=max(slacks) if slacks else None,
            threads=_merge_threads(parts),
        )  # fmt: skip


_ADDED = (
    "wall_ns", "user_ns", "system_ns", "voluntary_switches", "involuntary_switches", "minor_faults", "major_faults",
    "loaded_ns", "gc_pauses",
)  # fmt: skip
_PEAKS = ("peak_rss_bytes", "busiest_share", "standstill_ns", "gc_longest_ns")


def _merge_threads(parts: list[Usage]) -> tuple[ThreadUsage, ...]:
    names = dict.fromkeys(thread.name for part in parts for thread in part.threads)
    return tuple(_merge_thread([one for part in parts for one in part.threads if one.name == name]) for name in names)


def _merge_thread(parts: list[ThreadUsage]) -> ThreadUsage:
    waiting = [part.waiting_ns for part in parts]
    return ThreadUsage(
        name=parts[0].name,
        run_ns=sum(part.run_ns for part in parts),
        waiting_ns=None if None in waiting else sum(part or 0 for part in waiting),
        user_ns=sum(part.user_ns for part in parts),
        system_ns=sum(part.system_ns for part in parts),
    )
