"""What the tests of histograms share: values to draw, and the PyPI package `hdrhistogram` as the oracle."""

from __future__ import annotations

import numpy as np
from hdrh.histogram import HdrHistogram
from hypothesis import strategies as st

from perfgate.histogram import GEOMETRY, Histogram

HIGHEST = GEOMETRY.highest_ns
IN_RANGE = st.one_of(st.integers(0, 3_000_000), st.integers(0, HIGHEST))
DURATIONS = st.lists(st.one_of(IN_RANGE, st.integers(HIGHEST + 1, 2**53)), max_size=60)
IN_RANGE_LIST = st.lists(IN_RANGE, max_size=60)


def oracle(values: list[int]) -> HdrHistogram:
    """The PyPI package's histogram of the same geometry."""
    hdr = HdrHistogram(GEOMETRY.lowest_ns, GEOMETRY.highest_ns, GEOMETRY.digits)
    for value in values:
        assert hdr.record_value(value)
    return hdr


def counts_of(hdr: HdrHistogram) -> dict[int, int]:
    return {index: count for index, count in enumerate(hdr.counts) if count}


def sparse(histogram: Histogram) -> dict[int, int]:
    return dict(zip(histogram.buckets.tolist(), histogram.counts.tolist(), strict=True))


def log_normal(n: int, seed: int = 1) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(14, 1, n)).astype(np.int64)


def of(values: list[int]) -> Histogram:
    return Histogram.of(np.array(values, dtype=np.int64))
