"""What a gate on a scenario will take and what it will be able to see, estimated before anything is measured.

The noise of one pair's log ratio of a quantile (the policy's primary one; figures here for p99) has two parts that
can be told beforehand:

- restarts: two processes, each with its own level: 2 · restart_sd². The sds are those of the noise profiles that the
  decision rule is simulated under (docs/statistics.md): 1 % on a quiet host, 3 % on a typical one.
- sampling: the p99 of n latencies whose logarithms have sd s varies by sqrt(0.99 · 0.01 / n) / density, the density
  of log latency at its 99 % point being φ(2.326) / s. With s = 0.6, the simulator's service times, that is 2.24 / √n:
  3.7 % for 9 s at 400/s. Both builds have it: 2 · (2.24 / √n)².

Drift and bursts are left out (short alternating slices and trimming remove most of them), and so is what replaying
the same requests gains. The typical standard error for three operations at 400/s and 30 pairs comes out at 1.3 %,
which is what the simulated power of 93 % at +7 % implies. A store with a heavier tail is noisier than this estimate;
after a gate the report gives the real figure. Where `perfgate calibrate` has measured the noise of a pair, none of this is
assumed: the standard error is the measured one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from perfgate.calibration.profile import Component, HostProfile
from perfgate.gate.policy import Policy
from perfgate.operation import Operation
from perfgate.scenario.model import Scenario
from perfgate.units import NS_PER_S, format_duration, format_percent

RESTART_SD = {"quiet": 0.01, "typical": 0.03}
LOG_LATENCY_SD = 0.6
ASSUMED_START_NS = 2 * NS_PER_S
POWER = 0.80
ROUNDING = 1e-9
"""As in stats/trimmed.py, which would load numpy here: 0.29 of 100 is 29."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Sight:
    """What can be seen of one operation's primary quantile: the least regression (a fraction) blocked in 80 % of gates."""

    operation: Operation
    requests: int
    """Measured an arm and pair."""
    detectable: dict[str, float]
    """By host: quiet, typical; or `here`, as calibrated."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """shortest_ns, longest_ns: the measuring at the first and at the last look, without loading the data."""

    policy: str
    statistic: str
    margin: float
    shortest_ns: int
    longest_ns: int
    first_look: int
    last_look: int
    sights: tuple[Sight, ...]
    calibrated: bool = False
    starts: int = 0


def gate_outlook(
    scenario: Scenario, policy: Policy, mean_rate: float, profile: HostProfile | None = None
) -> Outlook:  # fmt: skip
    """The outlook for a scenario sent at `mean_rate` requests a second. profile: of this host, scenario and policy, where
    there is one: its figures take the place of what is assumed otherwise."""
    turns = 1 if policy.mode == "duet" else 2
    pair_ns = profile.pair_ns if profile else ASSUMED_START_NS + turns * (policy.warmup_ns + policy.measured_ns)
    return Outlook(
        policy=policy.name,
        statistic=policy.primary,
        margin=policy.margin,
        shortest_ns=policy.looks[0] * pair_ns,
        longest_ns=policy.looks[-1] * pair_ns,
        first_look=policy.looks[0],
        last_look=policy.looks[-1],
        sights=tuple(
            _sight(policy, operation, mean_rate * weight, len(scenario.weights), profile)
            for operation, weight in scenario.weights.items()
        ),
        calibrated=profile is not None,
        starts=policy.starts,
    )


def describe(outlook: Outlook) -> list[str]:
    """The outlook in sentences for people."""
    pairs = (
        f"{outlook.first_look} to {outlook.last_look} pairs"
        if outlook.first_look != outlook.last_look
        else f"{outlook.last_look} pairs"
    )
    start = "" if outlook.calibrated else f", if the store starts in {format_duration(ASSUMED_START_NS)}"
    where = "on this host" if outlook.calibrated else "(quiet host / typical host)"
    served = f"{outlook.starts} processes a build" if outlook.starts else "fresh processes"
    lines = [
        f"{pairs} of {served} ({outlook.policy} policy)",
        f"{format_duration(outlook.shortest_ns)} to {format_duration(outlook.longest_ns)} after loading{start}",
        f"blocks {outlook.statistic}s that are more than {format_percent(outlook.margin)} worse; 4 gates in 5 see {where}:",
    ]
    width = max(len(sight.operation.value) for sight in outlook.sights)
    for sight in outlook.sights:
        lines.append(f"  {sight.operation.value:<{width}}  {_figures(sight)}")
    return lines


def detectable(policy: Policy, requests: int, restart_sd: float, operations: int) -> float:
    """The least regression of one operation's primary quantile (a fraction) that is blocked with 80 % power at the last look.

    A block needs the estimate above the margin and the interval above 0, so the harder of the two decides. inf for
    no requests or too few pairs.
    """
    if requests < 1:
        return math.inf
    q = int(policy.primary.removeprefix("p")) / 100
    return _blocked(
        policy,
        standard_error(requests, restart_sd, policy.looks[-1], policy.trim, q, policy.starts),
        policy.looks[-1],
        operations,
    )


def seen(
    policy: Policy, trimmed_sd: float, operations: int, pairs: int | None = None, power: float = POWER
) -> float:  # fmt: skip
    """`detectable` on a calibrated host. trimmed_sd: of its profile's component (the standard error of n pairs is the n-th
    root's part of it). pairs: after which the rule is asked for the last time; None: the policy's last look."""
    count = policy.looks[-1] if pairs is None else pairs
    return _blocked(policy, trimmed_sd / math.sqrt(count), count, operations, power)


def standard_error(
    requests: int, restart_sd: float, pairs: int, trim: float, q: float = 0.99, starts: int = 0
) -> float:
    """Of the trimmed mean over pairs of the log ratio of quantiles at q; see the module. Trimming normal data costs some 0.6
    of the trimmed share in efficiency (asymptotically 94 % at 10 %, 84 % at 25 %). starts: processes a build, where each
    serves several pairs."""
    tail = _NORMAL.pdf(_NORMAL.inv_cdf(q)) / LOG_LATENCY_SD
    sampling = q * (1 - q) / requests / tail**2
    return math.sqrt(2 * (restart_sd**2 / (starts or pairs) + sampling / pairs) / (1 - 0.6 * trim))


def student_quantile(probability: float, freedom: int) -> float:
    """Student's t by its expansion in 1 / freedom (Abramowitz & Stegun 26.7.5); within 3 % from 4 degrees on."""
    z = _NORMAL.inv_cdf(probability)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / freedom + second / freedom**2 + third / freedom**3 + fourth / freedom**4


def _blocked(policy: Policy, error: float, pairs: int, operations: int, power: float = POWER) -> float:
    """The regression that is blocked with `power` at a standard error over `pairs` pairs; inf for too few."""
    freedom = pairs - 2 * math.floor(policy.trim * pairs + ROUNDING) - 1
    if freedom < 2:
        return math.inf
    certain = student_quantile(1 - policy.alpha_block * policy.primary_share / operations, freedom)
    sure = student_quantile(power, freedom)
    return math.expm1(max(math.log1p(policy.margin) + sure * error, (certain + sure) * error))


def _sight(policy: Policy, operation: Operation, rate: float, operations: int, profile: HostProfile | None) -> Sight:
    requests = round(rate * policy.measured_ns / NS_PER_S)
    if profile is not None:
        component = profile.component(operation, policy.primary)
        here = _seen_here(policy, component, operations) if component else math.inf
        return Sight(operation, requests, {"here": here})
    sees = {host: detectable(policy, requests, restart_sd, operations) for host, restart_sd in RESTART_SD.items()}
    return Sight(operation, requests, sees)


def _seen_here(policy: Policy, component: Component, operations: int) -> float:
    """`seen`, also where each process serves several pairs: what starts add is then divided by processes, not by pairs."""
    if not policy.starts:
        return seen(policy, component.trimmed_sd, operations)
    pairs, restart = policy.looks[-1], 2 * component.restart_sd**2
    rest = max(0.0, component.trimmed_sd**2 - restart)
    return _blocked(policy, math.sqrt(restart / policy.starts + rest / pairs), pairs, operations)


def _figures(sight: Sight) -> str:
    if math.isinf(max(sight.detectable.values())):
        return "nothing: too few requests or pairs; raise the rate, the weight or the looks"
    figures = " / ".join(f"+{value * 100:.1f} %" for value in sight.detectable.values())
    return f"{figures}   ({sight.requests:,} requests a build and pair)"
