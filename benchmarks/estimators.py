#!/usr/bin/env python3
"""Which estimator of a tail's log ratio has the smallest standard error without taking the effect away.

    .venv/bin/python -m benchmarks.estimators recordings     on tests/data/recordings (a minute)
    .venv/bin/python -m benchmarks.estimators simulation     on the noise model (two minutes; --pairs 100 for less)
    .venv/bin/python -m benchmarks.estimators noise          the recordings' own standard deviations
    .venv/bin/python -m benchmarks.estimators shape          how long the tails are, what the builds have in common

Every row is held against the plain quantile on the same requests: `SE` is the ratio of standard errors with a 90 % interval
(bootstrap over pairs), `kept` the part of a known change that it shows, over what plain shows, and `worth` how many pairs of
plain one pair with it is worth: (the least kept, at most 1, over SE)^2. See docs/estimators.md.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.grouped import Change, Groups, estimates, known_of, medians, of_recording, pooled_shift, simulated
from benchmarks.recorded import Recording
from perfgate.gate.policy_load import QUICK, STANDARD
from perfgate.simulate.profile import PROFILES
from perfgate.simulate.regression import service_factor
from perfgate.simulate.seconds import draw_noise
from perfgate.stats.control_variates import without_covariates
from perfgate.stats.trimmed import trimmed_estimate, trimmed_means

DATA = Path(__file__).resolve().parent.parent / "tests" / "data" / "recordings"
RESAMPLES = 500
LEAST_SHOWN = 0.01
"""A change that plain shows as less than that lies beyond the quantile, and says nothing of what others keep of it."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One estimator in one setting, over plain. kept: by change, of what plain shows, without what plain does not see."""

    name: str
    se: float
    low: float
    high: float
    kept: Mapping[str, float]

    @property
    def worth(self) -> float:
        return (max(0.0, min([1.0, *self.kept.values()])) / self.se) ** 2


def pair_values(by_group: Floats) -> Floats:
    """As the gate does: trimmed over a pair's groups; float64 (pairs, operations)."""
    return trimmed_means(by_group, STANDARD.couple_trim)


def standard_error(values: Floats) -> float:
    """Of the mean over pairs (pairs, operations), as the gate finds it, root mean square over operations."""
    return math.sqrt(float(np.mean([trimmed_estimate(one, STANDARD.trim).se ** 2 for one in values.T])))


def rows_of(same: Mapping[str, Floats], changed: Mapping[str, Mapping[str, Floats]], seed: int = 1) -> Iterator[Row]:
    """same, changed: by estimator (and change), what every pair says, float64 (pairs, operations)."""
    random = np.random.default_rng(seed)
    plain = same["plain"]
    drawn = random.integers(0, len(plain), (RESAMPLES, len(plain)))
    shown = {change: float(np.mean(found["plain"] - plain)) for change, found in changed.items()}
    of_plain = [standard_error(plain[chosen]) for chosen in drawn]
    for name, values in same.items():
        ratios = [standard_error(values[chosen]) / one for chosen, one in zip(drawn, of_plain, strict=True)]
        low, high = np.quantile(ratios, (0.05, 0.95)).tolist()
        kept = {
            change: float(np.mean(found[name] - values)) / shown[change]
            for change, found in changed.items()
            if abs(shown[change]) > LEAST_SHOWN
        }
        yield Row(name, standard_error(values) / standard_error(plain), low, high, kept)


def adjusted(by_group: Floats, covariates: Floats) -> Floats:
    """Without what the covariates explain over all groups of an operation; (pairs, operations, groups) and one axis more."""
    result = by_group.copy()
    for operation in range(by_group.shape[1]):
        values, known = by_group[:, operation], covariates[:, operation]
        there = ~(np.isnan(values) | np.isnan(known).any(axis=-1))
        result[:, operation][there] = without_covariates(values[there], known[there])
    return result


def with_covariates(found: Mapping[str, Floats], median: Floats, known: Floats) -> dict[str, Floats]:
    """Plain, adjusted by what is known beside it. found: by estimator, (pairs, operations, groups); median: p50 likewise."""
    plain = found["plain"]
    result = {}
    if known.shape[-1]:
        result["plain, lag of the generator out"] = adjusted(plain, known[..., :1])
        result["plain, lag and steal out"] = adjusted(plain, known[..., :2])
    if known.shape[-1] > 2:
        result["plain, idle arm out"] = adjusted(plain, known[..., 2:3])
        result["plain, a thread's waking up out"] = adjusted(plain, known[..., 3:4])
    result["plain, own p50 out"] = adjusted(plain, median[..., None])
    others = np.stack([np.delete(plain, one, axis=1).mean(axis=1) for one in range(plain.shape[1])], axis=1)
    result["plain, other operations out"] = adjusted(plain, others[..., None])
    return result


def everything(groups: Groups, q: float) -> dict[str, Floats]:
    """By estimator, (pairs, operations, groups), covariates too."""
    found = estimates(groups, q)
    return found | with_covariates(found, medians(groups), known_of(groups))


def show(title: str, rows: list[Row], extra: Mapping[str, Mapping[str, float]] | None = None) -> None:
    changes = list(rows[0].kept)
    heads = ["estimator", "SE (90 %)", *(extra or {}), *(f"kept: {name}" for name in changes), "worth"]
    print(f"\n**{title}**\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        more = [f"{values[row.name]:.2f}" for values in (extra or {}).values()]
        cells = [row.name, f"{row.se:.2f} ({row.low:.2f}–{row.high:.2f})", *more]
        print(
            f"| {' | '.join([*cells, *(f'{row.kept[name]:.2f}' for name in changes), f'{row.worth:.2f}'])} |",
            flush=True,
        )


# --- on recordings


def scaled(log_change: float) -> Change:
    return lambda logs, random: logs + log_change


def towards_the_tail(log_change: float) -> Change:
    """Nothing at the median, `log_change` at the p99, on a line in the log of how many requests are slower, as queues do."""

    def change(logs: Floats, random: np.random.Generator) -> Floats:
        slower = 1 - (logs.argsort().argsort() + 0.5) / len(logs)
        return logs + log_change * np.clip(np.log(0.5 / slower) / math.log(50), 0.0, 1.2)

    return change


def slow_ones(share: float, log_change: float) -> Change:
    """Some requests, drawn at random."""
    return lambda logs, random: logs + log_change * (random.random(len(logs)) < share)


def slowest(share: float, log_change: float) -> Change:
    """The slowest of all requests only: what a quantile beyond them sees and one before them does not."""
    return lambda logs, random: logs + log_change * (logs > np.quantile(logs, 1 - share))


RECORDED_CHANGES = {
    "+10 % everywhere": scaled(math.log(1.1)),
    "+10 % at p99, 0 at p50": towards_the_tail(math.log(1.1)),
    "1 in 50 half slower": slow_ones(0.02, math.log(1.5)),
    "slowest 2 % +10 %": slowest(0.02, math.log(1.1)),
}


def recordings(arguments: argparse.Namespace) -> None:
    for path in sorted(DATA.glob("*-*.npz"), key=lambda path: (path.stem[:5] == "asked", float(path.stem[6:]))):
        recording = Recording.load(path)
        asked = ", idle store asked" if path.stem.startswith("asked") else ""
        about = f"recorded{asked}, slices of {recording.slice_s:g} s, {recording.pairs} pairs"
        for q in (0.99, 0.95):
            shown = -1
            for least in (QUICK.group_requests, STANDARD.group_requests):
                same = of_recording(recording, least)
                groups = max(len(own) for pair in same for own in pair)
                if groups == shown:
                    continue
                shown = groups
                title = f"{about}, groups of {least}, p{100 * q:g}"
                changed = {
                    name: _values(everything(of_recording(recording, least, change), q))
                    for name, change in RECORDED_CHANGES.items()
                }
                values = _values(everything(same, q))
                show(f"{title} (SE of plain {standard_error(values['plain']):.4f})", list(rows_of(values, changed)))


def _values(found: Mapping[str, Floats]) -> dict[str, Floats]:
    return {name: pair_values(by_group) for name, by_group in found.items()}


# --- on the noise model


def simulation(arguments: argparse.Namespace) -> None:
    rate = 400.0
    factors = {f"+{100 * change:g} %": service_factor(change, rate / 2) for change in (0.05, 0.10)}
    changes = [
        lambda service, random: service,
        *(lambda service, random, by=factor: service * by for factor in factors.values()),
        lambda service, random: service * np.where(random.random(service.shape) < 0.02, 1.5, 1.0),
        lambda service, random: service * np.where(service > np.quantile(service, 0.98), 1.1, 1.0),
    ]
    names = [*factors, "1 in 50 half slower", "slowest 2 % of service +10 %"]
    for slice_s, least in ((0.25, 60), (0.25, 400), (1.0, 400), (3.0, 400)):
        same, *changed = simulated(arguments.pairs, rate, slice_s, 9.0, least, changes)
        for q in (0.99, 0.95):
            found = everything(same, q)
            values = _values(found)
            of_changes = {name: _values(everything(groups, q)) for name, groups in zip(names, changed, strict=True)}
            truth = [pooled_shift(same, groups, q) for groups in changed]
            shown = [float(np.mean(of_changes[name]["plain"] - values["plain"])) for name in names]
            title = (
                f"simulated, slices of {slice_s:g} s, {arguments.pairs} pairs, groups of {least}, p{100 * q:g}; true "
                + (
                    ", ".join(
                        f"{name}: {t:+.4f} (plain shows {s:+.4f})"
                        for name, t, s in zip(names, truth, shown, strict=True)
                    )
                )
            )
            extra = {f"SE, {name}": _in_seconds(same, found, q, slice_s, name) for name in ("typical", "shared")}
            show(title, list(rows_of(values, of_changes)), extra)


def _in_seconds(groups: Groups, found: Mapping[str, Floats], q: float, slice_s: float, name: str) -> dict[str, float]:
    """Standard errors over that of plain with the seconds' noise of a profile added, which all estimators feel alike."""
    profile = PROFILES[name]
    policy = replace(STANDARD, slice_ns=round(slice_s * 1e9))
    noise = draw_noise(profile, policy, round(9.0 / slice_s), 1, len(groups), np.random.default_rng(5))
    felt = profile.bursts.p95 if profile.bursts and q < 0.99 else 1.0
    level = (noise.level + felt * noise.burst)[0]
    by_couple = level[..., 1] - level[..., 0]
    added = np.full(found["plain"].shape, np.nan)
    for pair, operations in enumerate(groups):
        for operation, own in enumerate(operations):
            for number, group in enumerate(own):
                added[pair, operation, number] = by_couple[pair, group.couples].mean()
    noisy = {kind: by_group + added for kind, by_group in found.items() if not kind.startswith("plain,")}
    median = medians(groups) + added
    noisy |= with_covariates(noisy, median, known_of(groups))
    plain = standard_error(pair_values(noisy["plain"]))
    return {kind: standard_error(pair_values(by_group)) / plain for kind, by_group in noisy.items()}


# --- how noisy this machine is


def noise(arguments: argparse.Namespace) -> None:
    """Standard deviations over pairs of the log ratio, all operations together as in the design's recordings."""
    print("| slice | pairs | pooled p99 | trimmed couples p99 | pooled p50 |\n|---|---|---|---|---|")
    for path in sorted(DATA.glob("slice-*.npz"), key=lambda path: -float(path.stem[6:])):
        recording = Recording.load(path)
        pooled, trimmed = [], []
        for couple, _, times in recording.by_pair():
            logs = np.log(times[:, ~np.isnan(times).any(axis=0)])
            couple = couple[~np.isnan(times).any(axis=0)]
            pooled.append(np.subtract(*np.quantile(logs, (0.5, 0.99), axis=1).T[::-1]))
            by_couple = [
                np.subtract(*np.quantile(logs[:, couple == one], 0.99, axis=1)[::-1]) for one in np.unique(couple)
            ]
            trimmed.append(float(trimmed_means(np.array(by_couple), STANDARD.couple_trim)))
        p50, p99 = np.array(pooled).std(axis=0, ddof=1)
        print(
            f"| {recording.slice_s:g} s | {recording.pairs} | {p99:.3f} | {np.std(trimmed, ddof=1):.3f} | {p50:.3f} |"
        )


def shape(arguments: argparse.Namespace) -> None:
    """How long the tails are, and what the two builds' times of one request have in common."""
    print(
        "| source | p50 | p95 | p99 | p99.9 (ms) | correlation of logs | slowest 1 % of both |\n|---|---|---|---|---|---|---|"
    )
    for path in sorted(DATA.glob("slice-*.npz"), key=lambda path: float(path.stem[6:])):
        recording = Recording.load(path)
        groups = of_recording(recording, STANDARD.group_requests)
        _shape(f"recorded, {recording.slice_s:g} s", groups)
    _shape(
        "simulated, 0.25 s",
        simulated(4, 400.0, 0.25, 9.0, STANDARD.group_requests, [lambda service, random: service])[0],
    )


def _shape(name: str, groups: Groups) -> None:
    """Means over pairs and operations; quantiles as medians of theirs."""
    each = [np.concatenate([group.logs for group in own], axis=1) for pair in groups for own in pair]
    times = 1e3 * np.median([np.exp(np.quantile(logs, (0.5, 0.95, 0.99, 0.999))) for logs in each], axis=0)
    if name.startswith("recorded"):
        times = times / 1e9
    alike = float(np.mean([np.corrcoef(logs)[0, 1] for logs in each]))
    slow = [logs > np.quantile(logs, 0.99, axis=1)[:, None] for logs in each]
    shared = float(np.mean([(base & candidate).sum() / base.sum() for base, candidate in slow]))
    print(f"| {name} | {' | '.join(f'{time:.2f}' for time in times)} | {alike:.2f} | {100 * shared:.1f} % |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("recordings", "simulation", "noise", "shape"))
    parser.add_argument("--pairs", type=int, default=300, help="simulated (default: 300)")
    arguments = parser.parse_args()
    {"recordings": recordings, "simulation": simulation, "noise": noise, "shape": shape}[arguments.what](arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
