from __future__ import annotations

import base64
import json
import struct
import zlib

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from histogram_values import DURATIONS, HIGHEST, IN_RANGE_LIST, counts_of, log_normal, of, oracle, sparse
from hypothesis import given
from hypothesis import strategies as st

from perfgate.histogram import GEOMETRY, Geometry, Histogram

# HdrHistogram V2


@given(IN_RANGE_LIST)
def test_the_oracle_reads_what_is_encoded(values: list[int]) -> None:
    hdr = HdrHistogram.decode(base64.b64encode(of(values).encode()))
    assert counts_of(hdr) == sparse(of(values))
    assert hdr.get_total_count() == len(values)


@given(IN_RANGE_LIST)
def test_what_the_oracle_encodes_is_read(values: list[int]) -> None:
    decoded = Histogram.decode(base64.b64decode(oracle(values).encode()))
    assert sparse(decoded) == sparse(of(values))
    assert decoded.total == len(values)


@given(IN_RANGE_LIST)
def test_the_header_is_the_oracles_and_the_counts_are_as_the_java_original_writes_them(values: list[int]) -> None:
    ours, theirs = content_of(of(values).encode()), content_of(base64.b64decode(oracle(values).encode()))
    assert (ours[:4], ours[8:40]) == (theirs[:4], theirs[8:40])  # between them the length: see java_counts
    assert ours[40:] == java_counts(oracle(values).counts[: max(sparse(of(values)), default=-1) + 1])


def java_counts(counts: list[int]) -> bytes:
    """AbstractHistogram.fillBufferFromCountsArray; the oracle writes a single zero as -1 where Java writes 0."""
    written, position = bytearray(), 0
    while position < len(counts):
        run = 0
        while counts[position + run] == 0:
            run += 1
        token = -run if run > 1 else counts[position]
        position += max(run, 1)
        rest = (token << 1) ^ (token >> 63)
        while rest >= 0x80:
            written.append(rest & 0x7F | 0x80)
            rest >>= 7
        written.append(rest)
    return bytes(written)


def content_of(encoded: bytes) -> bytes:
    return zlib.decompress(encoded[8:])


@given(IN_RANGE_LIST)
def test_decoded_extremes_are_the_edges_of_the_outermost_buckets(values: list[int]) -> None:
    decoded = Histogram.decode(of(values).encode())
    if not values:
        assert decoded == Histogram.empty()
        return
    hdr = oracle(values)
    assert decoded.min_ns == hdr.get_lowest_equivalent_value(min(values))
    assert decoded.max_ns == min(hdr.get_highest_equivalent_value(max(values)), HIGHEST)


def test_what_another_implementation_recorded_above_the_range_becomes_overflow() -> None:
    hdr = oracle([1_000_000])
    hdr.record_value(HIGHEST + 200_000_000_000)  # its last octave reaches further than the range
    decoded = Histogram.decode(base64.b64decode(hdr.encode()))
    assert (decoded.total, decoded.overflow) == (2, 1)
    assert decoded.max_ns > HIGHEST


@given(st.lists(st.integers(1, 2**54), min_size=1, max_size=20), st.data())
def test_counts_of_any_size_and_gaps_of_any_length_survive_encoding(counts: list[int], data: st.DataObject) -> None:
    last = GEOMETRY.last_index
    n = len(counts)
    buckets = sorted(data.draw(st.sets(st.integers(0, last), min_size=n, max_size=n)))
    histogram = Histogram(np.array(buckets, dtype=np.int32), np.array(counts), 0, 0, HIGHEST)
    assert sparse(Histogram.decode(histogram.encode())) == dict(zip(buckets, counts, strict=True))


def test_a_count_beyond_the_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2\*\*55"):
        Histogram(np.array([3], dtype=np.int32), np.array([2**55]), 0, 1_600, 1_600).encode()


@pytest.mark.parametrize("fields", [(1, HIGHEST, 3), (1_000, 1_000_000, 3), (1_000, HIGHEST, 2)])
def test_decoding_another_geometry_is_refused_with_both(fields: tuple[int, int, int]) -> None:
    foreign = base64.b64decode(HdrHistogram(*fields).encode())
    with pytest.raises(ValueError, match=f"spans {fields[0]} to {fields[1]} ns with {fields[2]} digits; only 1000 to"):
        Histogram.decode(foreign)


def test_another_geometry_can_be_asked_for() -> None:
    coarse = Geometry(1_000, 1_000_000_000, 2)
    histogram = Histogram.of([5_000, 70_000_000], coarse)
    assert sparse(Histogram.decode(histogram.encode(), coarse)) == sparse(histogram)


@given(st.binary(max_size=64))
def test_garbage_is_refused_with_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        Histogram.decode(data)


@given(st.data())
def test_a_damaged_encoding_never_fails_with_anything_but_a_value_error(data: st.DataObject) -> None:
    content = bytearray(content_of(Histogram.of(log_normal(50)).encode()))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = Histogram.decode(envelope(bytes(content)))
    except ValueError:
        return
    assert np.all(decoded.counts > 0)
    assert np.all(np.diff(decoded.buckets) > 0)


def envelope(content: bytes) -> bytes:
    compressed = zlib.compress(content)
    return struct.pack(">II", 0x1C849314, len(compressed)) + compressed


def test_a_truncated_encoding_is_refused() -> None:
    encoded = Histogram.of(log_normal(50)).encode()
    for length in range(len(encoded)):
        with pytest.raises(ValueError):
            Histogram.decode(encoded[:length])


def test_a_stream_that_unpacks_to_more_than_a_geometry_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="more counts than its geometry"):
        Histogram.decode(envelope(content_of(Histogram.empty().encode()) + bytes(10_000_000)))


# JSON


@given(DURATIONS)
def test_json_and_back_is_exact_with_overflow_and_extremes(values: list[int]) -> None:
    histogram = of(values)
    assert Histogram.from_json(json.loads(json.dumps(histogram.to_json()))) == histogram


def test_other_tools_read_the_hdr_field_of_the_json() -> None:
    assert HdrHistogram.decode(Histogram.of([5_000_000] * 3).to_json()["hdr"]).get_total_count() == 3


@pytest.mark.parametrize(
    "change",
    [
        {"hdr": "not base64!"},
        {"hdr": ""},
        {"hdr": None},
        {"overflow": -1},
        {"overflow": None},
        {"min_ns": 9, "max_ns": 3},
    ],
)
def test_json_that_is_no_histogram_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Histogram.from_json({**Histogram.of([5_000]).to_json(), **change})


def test_json_without_a_field_is_refused_by_name() -> None:
    data = Histogram.of([5_000]).to_json()
    del data["overflow"]
    with pytest.raises(ValueError, match="overflow"):
        Histogram.from_json(data)
