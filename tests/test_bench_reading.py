"""What the benchmark reads from the outputs of other load generators, as each really printed them (tests/golden/peers).

Versions: wrk 4.1.0, h2load of nghttp2 1.52.0, oha 1.16.0, vegeta 12.13.0, hey 0.1.5, Locust 2.47.0, aiohttp 3.14.5; one
second each, of 2 or 4 connections against nginx, by the commands of benchmarks/speed/tools.py: `closed` without a rate,
`paced` at 200/s, `missing` on a path that is answered 404, `nobody` on a port where nobody listens, `closing` against a
server that closes instead of answering.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.speed.reading import Reading, ReadingError
from benchmarks.speed.tools import TOOLS

OUTPUTS = Path(__file__).parent / "golden" / "peers"

EXPECTED = {
    "wrk-closed": Reading(1034, 0, 1.05, 0.445, 209.16),
    "wrk-missing": Reading(0, 1808, 1.09, 0.349, 26.8),
    "wrk-closing": Reading(0, 95, 1.01, 0.0, 0.0),
    "h2load-closed": Reading(1960, 0, 1.02),
    "h2load-paced": Reading(200, 0, 1.0),
    "h2load-missing": Reading(0, 19615, 1.0),
    "h2load-nobody": Reading(0, 0, 1.0),
    "h2load-closing": Reading(0, 0, 1.0),
    "oha-closed": Reading(57099, 0, 1.001872159, 0.027933, 0.111157),
    "oha-paced": Reading(200, 0, 1.001414251, 0.040597, 0.284018),
    "oha-missing": Reading(0, 200, 1.001690221, 0.06074, 0.800115),
    "oha-nobody": Reading(0, 200, 1.001528868),
    "oha-closing": Reading(0, 49, 1.001507631),
    "vegeta-closed": Reading(3154, 0, 0.996487984, 0.194477, 12.016853),
    "vegeta-paced": Reading(200, 0, 0.995049773, 0.210141, 6.337653),
    "vegeta-missing": Reading(0, 2392, 1.003827473, 0.159865, 8.438543),
    "vegeta-nobody": Reading(0, 4047, 1.019979061, 0.02987, 16.360083),
    "vegeta-closing": Reading(0, 99, 1.004744572, 20.539078, 26.150745),
    "hey-closed": Reading(4664, 0, 1.009, 0.2, 8.2),
    "hey-paced": Reading(196, 0, 1.0222, 0.3, 25.2),
    "hey-missing": Reading(0, 3661, 1.0067, 0.1, 7.8),
    "hey-nobody": Reading(0, 4840, 1.0046),
    "hey-closing": Reading(0, 96, 1.0207),
    "locust-closed": Reading(2384, 0, 1.3978505710001627, 0.0, 10.0, 0.3795529999999999),
    "aiohttp-closed": Reading(2780, 0, 1.0007741059998807, 0.42690299983405566, 7.10781899988433, 0.304109),
    "perfgate-closed": Reading(35699, 0, 1.0, 0.019197906589086336, 3.7970124800000042, 0.375753),
}


def read(name: str) -> Reading:
    tool = next(tool for key, tool in TOOLS.items() if key.lower() == name.rpartition("-")[0])
    return tool.read((OUTPUTS / f"{name}.txt").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_peer_printed_is_read_as_it_meant_it(name: str) -> None:
    found, expected = read(name), EXPECTED[name]
    assert (found.completed, found.failed, found.seconds) == (expected.completed, expected.failed, expected.seconds)
    assert found.p50_ms == pytest.approx(expected.p50_ms)
    assert found.p99_ms == pytest.approx(expected.p99_ms)
    assert found.cpu_s == pytest.approx(expected.cpu_s)


def test_every_output_that_is_kept_is_read() -> None:
    assert {path.stem for path in OUTPUTS.iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("name", ["wrk", "h2load", "vegeta", "hey", "oha", "aiohttp"])
@pytest.mark.parametrize("text", ["", "unable to connect to 127.0.0.1:9 Connection refused\n", "Running 1s test @ "])
def test_what_a_peer_never_printed_is_refused(name: str, text: str) -> None:
    with pytest.raises(ReadingError):
        TOOLS[name].read(text)
