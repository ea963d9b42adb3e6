"""Usages for hypothesis to draw."""

from __future__ import annotations

from hypothesis import strategies as st

from perfgate.usage import ThreadUsage, Usage

NS = st.integers(0, 2**50)
COUNT = st.integers(0, 2**40)
SHARE = st.floats(0, 1)
THREADS = st.builds(ThreadUsage, st.sampled_from(["main", "engine"]), NS, st.none() | NS, NS, NS)
USAGES = st.builds(
    Usage,
    wall_ns=NS, user_ns=NS, system_ns=NS, voluntary_switches=COUNT, involuntary_switches=COUNT, minor_faults=COUNT,
    major_faults=COUNT, peak_rss_bytes=COUNT, loaded_ns=NS, cpu_share=SHARE, busiest_share=SHARE,
    waiting_share=st.none() | SHARE, steal_share=SHARE, host_steal_share=SHARE, standstill_ns=NS, gc_pauses=COUNT,
    gc_longest_ns=NS, scheduling=st.sampled_from(["", "realtime", "ordinary"]), priority=st.integers(0, 99),
    nice=st.integers(-20, 19), cpus=st.lists(st.integers(0, 500), max_size=3, unique=True).map(sorted).map(tuple),
    timer_slack_ns=st.none() | NS, threads=st.lists(THREADS, max_size=2, unique_by=lambda one: one.name).map(tuple),
)  # fmt: skip
