"""A diagnosis as JSON, for archives and for programs. Its form: docs/doctor.schema.json."""

from __future__ import annotations

import dataclasses
from typing import Any

from perfgate import __version__
from perfgate.doctor.diagnosis import Diagnosis, Spectrum
from perfgate.doctor.echo_load import EchoResult
from perfgate.doctor.interruptions import Interruptions
from perfgate.histogram import Histogram
from perfgate.interval import OperationInterval
from perfgate.segment import Arm

SCHEMA_VERSION = 1
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def diagnosis_to_json(found: Diagnosis) -> dict[str, Any]:
    """JSON-ready. Times are integers or floats of ns (_ns), shares are fractions, what is not known is null."""
    subject = dataclasses.asdict(found.subject)
    subject["policy"] = found.subject.policy.name
    return {
        "schema_version": SCHEMA_VERSION,
        "perfgate": __version__,
        "fitness": found.fitness.value,
        "exit_code": found.fitness.exit_code,
        "reasons": list(found.reasons),
        "subject": subject,
        "checks": [{**dataclasses.asdict(check), "state": check.state.value} for check in found.checks],
        "noise": [_noise(*one) for one in zip(found.stillness.noise, found.spectra, strict=True)],
        "culprits": [dataclasses.asdict(one) for one in found.stillness.culprits],
        "realtime_granted": found.stillness.realtime,
        "stolen_share": found.stolen,
        "echo": _echo(found.echo) if found.echo else None,
        "own_error": None if found.own is None else {
            **dataclasses.asdict(found.own),
            "added_share": found.own.added_share,
            "difference_share": found.own.difference_share,
        },
        "sights": [{**dataclasses.asdict(one), "operation": one.operation.value} for one in found.sights],
    }  # fmt: skip


def _noise(heard: Interruptions, spectrum: Spectrum) -> dict[str, Any]:
    bands = [
        {**dataclasses.asdict(band), "most_ns": None if band.most_ns >= 2**62 else band.most_ns}
        for band in heard.bands()
    ]
    period = spectrum.period
    return {
        "cpu": heard.cpu,
        "span_ns": heard.span_ns,
        "lost_share": heard.lost_share,
        "longest_ns": heard.longest_ns,
        "interruptions": len(heard.starts_ns),
        "dropped": heard.dropped,
        "reading_ns": heard.reading_ns,
        "involuntary_switches": heard.switches,
        "bands": bands,
        "octaves": [dataclasses.asdict(octave) for octave in spectrum.octaves],
        "period": None if period is None else {**dataclasses.asdict(period), "hz": period.hz},
    }


def _echo(echo: EchoResult) -> dict[str, Any]:
    total = echo.total
    return {
        "slice_ns": echo.slice_ns,
        "measured_ns": echo.measured_ns,
        "couples": len(echo.pair.couples),
        "couples_usable": len(echo.pair.usable),
        "due": total.due,
        "sent": total.sent,
        "completed": total.completed,
        "failed": total.failures,
        "examples": list(total.examples),
        "lag": _quantiles(total.lag),
        "wait": _quantiles(total.wait),
        "operations": {name.value: _operation(part) for name, part in total.operations.items()},
        "workers": [dataclasses.asdict(report) for report in echo.reports],
        "steal_fraction": echo.pair.steal_fraction,
        "couples_p99_ns": [
            {arm.name.lower(): _p99s(couple.arm(arm).operations) for arm in Arm} for couple in echo.pair.couples
        ],
    }


def _operation(part: OperationInterval) -> dict[str, Any]:
    return {"response": _quantiles(part.response), "service": _quantiles(part.service)}


def _p99s(operations: Any) -> dict[str, float]:
    return {name.value: part.response.quantile(0.99) for name, part in operations.items() if part.response.total}


def _quantiles(histogram: Histogram) -> dict[str, Any]:
    if not histogram.total:
        return {"count": 0, "min_ns": None, "max_ns": None, **dict.fromkeys((f"{name}_ns" for name in QUANTILES), None)}
    values = histogram.quantiles(list(QUANTILES.values())).tolist()
    return {
        "count": histogram.total,
        "min_ns": histogram.min_ns,
        **{f"{name}_ns": value for name, value in zip(QUANTILES, values, strict=True)},
        "max_ns": histogram.max_ns,
    }
