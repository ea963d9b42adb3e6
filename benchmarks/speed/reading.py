"""What a load generator says of its run, read from its output into one form."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}


class ReadingError(ValueError):
    """The output is not what this version of the tool is known to print."""


@dataclass(frozen=True, slots=True)
class Reading:
    """completed: requests answered with a good status; failed: all others; seconds: how long it says it sent.

    p50_ms, p99_ms: response times, None where it tells none. cpu_s: CPU time while it sent, for tools that know it
    themselves because their start-up takes long; None: that of the whole process is taken.
    """

    completed: int
    failed: int
    seconds: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    cpu_s: float | None = None

    @property
    def rate(self) -> float:
        """Good replies a second."""
        return self.completed / self.seconds


def read_wrk(text: str) -> Reading:
    """Of `wrk --latency`; a failed request is one that a socket error or another status ended."""
    requests, seconds, unit = _groups(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    refused = int(bad[1]) if bad else 0
    return Reading(
        completed=int(requests) - refused,
        failed=refused + sum(map(int, errors.groups()) if errors else ()),
        seconds=float(seconds) * UNITS_MS[unit] / 1e3,
        p50_ms=_wrk_latency("50", text),
        p99_ms=_wrk_latency("99", text),
    )


def _wrk_latency(percent: str, text: str) -> float:
    value, unit = _groups(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", text)
    return float(value) * UNITS_MS[unit]


def read_h2load(text: str) -> Reading:
    """It tells no percentiles. What was under way at the end counts neither way."""
    seconds, unit = _groups(r"finished in ([\d.]+)(us|ms|s|m),", text)
    succeeded, failed, timeout = _groups(
        r"requests: .* (\d+) succeeded, (\d+) failed, \d+ errored, (\d+) timeout", text
    )
    wrong = int(failed) + int(timeout)
    return Reading(int(succeeded), wrong, float(seconds) * UNITS_MS[unit] / 1e3)


def read_oha(text: str) -> Reading:
    """Of `--output-format json`. Requests that its own deadline cut off are no failures."""
    document = _json(text)
    errors = {name: count for name, count in document["errorDistribution"].items() if "deadline" not in name}
    statuses = {int(code): int(count) for code, count in document["statusCodeDistribution"].items()}
    good = sum(count for code, count in statuses.items() if code < 400)
    percentiles = document["latencyPercentiles"]
    return Reading(
        completed=good,
        failed=sum(statuses.values()) - good + sum(map(int, errors.values())),
        seconds=float(document["summary"]["total"]),
        p50_ms=_scaled(percentiles["p50"], 1e3),
        p99_ms=_scaled(percentiles["p99"], 1e3),
    )


def read_vegeta(text: str) -> Reading:
    """Of `vegeta report -type=json`."""
    document = _json(text)
    good = sum(int(count) for code, count in document["status_codes"].items() if 200 <= int(code) < 400)
    return Reading(
        completed=good,
        failed=int(document["requests"]) - good,
        seconds=float(document["duration"]) / 1e9,
        p50_ms=float(document["latencies"]["50th"]) / 1e6,
        p99_ms=float(document["latencies"]["99th"]) / 1e6,
    )


def read_hey(text: str) -> Reading:
    """Percentiles are in seconds with four decimals: 0.1 ms is its grain. None where nothing was answered."""
    (total,) = _groups(r"^\s*Total:\s+([\d.]+) secs", text)
    statuses = {int(code): int(count) for code, count in re.findall(r"^\s*\[(\d{3})\]\s+(\d+) responses", text, re.M)}
    errors = re.search(r"^Error distribution:\n((?:\s*\[\d+\].*\n?)*)", text, re.M)
    broken = sum(map(int, re.findall(r"^\s*\[(\d+)\]", errors[1], re.M))) if errors else 0
    good = sum(count for code, count in statuses.items() if 200 <= code < 400)
    return Reading(
        completed=good,
        failed=sum(statuses.values()) - good + broken,
        seconds=float(total),
        p50_ms=_hey_latency("50", text),
        p99_ms=_hey_latency("99", text),
    )


def _hey_latency(percent: str, text: str) -> float | None:
    found = re.search(rf"^\s+{percent}%%? in ([\d.]+) secs", text, re.M)
    return float(found[1]) * 1e3 if found else None


def read_own(text: str) -> Reading:
    """Of the programs here: perfgate's worker, the aiohttp client, the Locust file. The last line that is JSON."""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise ReadingError(f"no line of JSON in {text[-200:]!r}")
    document = _json(lines[-1])
    return Reading(
        completed=int(document["completed"]),
        failed=int(document["failed"]),
        seconds=float(document["seconds"]),
        p50_ms=_scaled(document.get("p50_ms"), 1.0),
        p99_ms=_scaled(document.get("p99_ms"), 1.0),
        cpu_s=float(document["cpu_s"]),
    )


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else float(value) * factor


def _json(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ReadingError(f"not JSON ({error}): {text[:200]!r}") from error
    return document


def _groups(pattern: str, text: str) -> tuple[str, ...]:
    found = re.search(pattern, text, re.M)
    if found is None:
        raise ReadingError(f"nothing like {pattern!r} in {text[:200]!r}")
    return found.groups()
