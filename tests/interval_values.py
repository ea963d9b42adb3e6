"""Intervals and records for hypothesis to draw."""

from __future__ import annotations

from histogram_values import of
from hypothesis import strategies as st

from perfgate.histogram import GEOMETRY, Histogram
from perfgate.interval import FAILED_KEYS_KEPT, RECALL_STEPS, Interval, OperationInterval
from perfgate.operation import OPERATIONS
from perfgate.outcome import OUTCOMES

NS = st.integers(0, 2**50)
COUNT = st.integers(0, 10**9)
HISTOGRAMS = st.lists(st.integers(0, 2 * GEOMETRY.highest_ns), max_size=4).map(of)
OPERATION_INTERVALS = st.builds(
    OperationInterval,
    response=HISTOGRAMS,
    service=HISTOGRAMS,
    outcomes=st.tuples(*(COUNT for _ in OUTCOMES)),
    checked=COUNT,
    found=COUNT,
    expected=COUNT,
    failed=st.lists(NS, max_size=5).map(sorted).map(tuple),
    recalls=st.just(()) | st.tuples(*(COUNT for _ in range(RECALL_STEPS + 1))),
)
WORKERS = st.sets(st.sampled_from(["agent-1/0", "agent-1/1", "agent-2/0"])).map(sorted).map("+".join)
INTERVALS = st.builds(
    Interval,
    segment=st.just(3),
    start_ns=NS,
    end_ns=NS,
    due=COUNT,
    sent=COUNT,
    last_done_ns=NS,
    operations=st.dictionaries(st.sampled_from(OPERATIONS), OPERATION_INTERVALS, max_size=2),
    lag=HISTOGRAMS,
    wait=HISTOGRAMS,
    worker=WORKERS,
    examples=st.lists(st.text(max_size=8), max_size=3, unique=True).map(tuple),
    spaces=st.dictionaries(
        st.sampled_from(["0", "others"]),
        st.dictionaries(st.sampled_from(OPERATIONS), OPERATION_INTERVALS, max_size=1),
        max_size=1,
    ),
)


def failing(indices: range) -> OperationInterval:
    """One request each that failed, as one worker's interval keeps them."""
    outcomes = (0, len(indices)) + (0,) * (len(OUTCOMES) - 2)
    return OperationInterval(Histogram.empty(), Histogram.empty(), outcomes, failed=tuple(indices)[:FAILED_KEYS_KEPT])


def interval(segment: int = 0, **fields: object) -> Interval:
    """An interval of nothing, but for `fields`."""
    empty = Histogram.empty()
    values: dict[str, object] = {"operations": {}, "lag": empty, "wait": empty}
    for name in ("start_ns", "end_ns", "due", "sent", "last_done_ns"):
        values[name] = 0
    return Interval(segment=segment, **{**values, **fields})  # type: ignore[arg-type]
