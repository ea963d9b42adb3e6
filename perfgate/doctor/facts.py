"""What a host says of itself. None, everywhere: it does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ProcessorFacts:
    """Of the processors. allowed: those this process may use (affinity, cpuset). quota: CPU seconds a second that the
    control group grants, inf without a limit; quota_file: where it is set. siblings: threads of one core, by processor.
    idle_us: the longest wake-up of an idle state that is enabled, in µs."""

    model: str | None = None
    allowed: tuple[int, ...] | None = None
    quota: float | None = None
    quota_file: str | None = None
    siblings: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    isolated: tuple[int, ...] | None = None
    nohz_full: tuple[int, ...] | None = None
    governors: tuple[str, ...] = ()
    driver: str | None = None
    boost: bool | None = None
    boost_command: str = ""
    idle_us: int | None = None


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """hypervisor: its name, `unknown hypervisor`, or empty on bare metal. container: its kind, or empty. realtime_limit:
    RLIMIT_RTPRIO; may_nice: CAP_SYS_NICE."""

    release: str | None = None
    preemption: str | None = None
    clock_source: str | None = None
    clock_sources: tuple[str, ...] = ()
    hypervisor: str | None = None
    container: str = ""
    realtime_limit: float | None = None
    may_nice: bool | None = None
    timer_slack_ns: int | None = None


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """open_files: RLIMIT_NOFILE (soft, hard), inf for no limit. ports: first and last ephemeral port. disk_*: of the
    directory in which data are cached."""

    open_files: tuple[float, float] | None = None
    ports: tuple[int, int] | None = None
    somaxconn: int | None = None
    memory_available: int | None = None
    swap_used: int | None = None
    disk_free: int | None = None
    disk_directory: str = ""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Everything that is read before anything is measured. worker_cpus, store_cpus: where an agent would put its load
    workers and the stores."""

    processor: ProcessorFacts = ProcessorFacts()
    kernel: KernelFacts = KernelFacts()
    limits: LimitFacts = LimitFacts()
    worker_cpus: tuple[int, ...] = ()
    store_cpus: tuple[int, ...] = ()
