"""The form of `[arrival]`: a table a pattern."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from perfgate.scenario.tables import (
    MAX_LEVELS,
    MAX_RATE,
    MAX_SECONDS,
    Compression,
    Hour,
    Ops,
    Rate,
    Seconds,
    Table,
    not_blank,
    refuse,
    renamed,
)
from perfgate.scenario.trace import MAX_CHARACTERS


def other_names(value: Any) -> Any:
    """`type` for `pattern`, and of a single rate `lambda` (of a Poisson process) and `ops_per_sec`."""
    value = renamed(value, {"type": "pattern"})
    if isinstance(value, dict) and value.get("pattern") in ("poisson", "exponential"):
        return renamed(renamed(value, {"lambda": "rate"}), {"ops_per_sec": "rate"})
    return (
        renamed(value, {"ops_per_sec": "rate"})
        if isinstance(value, dict) and value.get("pattern") == "constant"
        else value
    )


Spacing = Annotated[Literal["regular", "poisson"], Field(examples=["poisson"])]


class Constant(Table):
    """`[arrival]`. rate: requests a second, as all rates and `…_ops` here."""

    pattern: Literal["constant"]
    rate: Rate


class Poisson(Table):
    """`exponential` is another name for it: its gaps are."""

    pattern: Literal["poisson", "exponential"]
    rate: Rate


class Spaced(Table):
    """Patterns whose rate changes can keep their distance as it says, or fall at random around it."""

    spacing: Spacing = "regular"


class PeriodicBurst(Spaced):
    """Each period begins with its burst. burst_period_sec: from one burst's start to the next one's."""

    pattern: Literal["periodic_burst"]
    base_rate: float = Field(ge=0, le=MAX_RATE, examples=[500.0])
    burst_rate: Rate
    burst_duration_sec: Seconds
    burst_period_sec: Annotated[float, Field(gt=0, le=MAX_SECONDS, examples=[300.0])]

    @model_validator(mode="after")
    def _burst_fits_its_period(self) -> Self:
        if self.burst_duration_sec > self.burst_period_sec:
            refuse("burst_duration_sec", f"at most burst_period_sec ({self.burst_period_sec:g})")
        return self


class Ramp(Spaced):
    """A straight line, then held. duration_sec: None for the whole of `[duration]`."""

    pattern: Literal["ramp"]
    start_ops: Ops
    end_ops: Ops
    duration_sec: Seconds | None = None

    @model_validator(mode="after")
    def _something_is_sent(self) -> Self:
        if not (self.start_ops or self.end_ops):
            refuse("end_ops", "greater than 0, because start_ops is 0")
        return self


class Level(Table):
    """One step of `step`."""

    ops: Ops
    duration_sec: Seconds


class Step(Spaced):
    """Either the steps one by one, or a staircase."""

    pattern: Literal["step"]
    steps: list[Level] | None = Field(
        default=None, min_length=1, max_length=MAX_LEVELS, examples=[[{"ops": 100, "duration_sec": 30}]]
    )
    start_ops: Annotated[float | None, Field(ge=0, le=MAX_RATE, examples=[100.0])] = None
    end_ops: Annotated[float | None, Field(ge=0, le=MAX_RATE, examples=[1000.0])] = None
    step_ops: Annotated[float | None, Field(gt=0, le=MAX_RATE, examples=[100.0])] = None
    step_duration_sec: Annotated[float | None, Field(gt=0, le=MAX_SECONDS, examples=[30.0])] = None

    @model_validator(mode="after")
    def _one_of_the_two_ways(self) -> Self:
        given = [name for name, value in self._stairs() if value is not None]
        if self.steps is not None and given:
            refuse(given[0], "left out where steps are listed")
        if self.steps is None and len(given) < len(self._stairs()):
            names = [name for name, _ in self._stairs()]
            missing = next(name for name in names if name not in given)
            others = ", ".join(name for name in names if name != missing)
            refuse(missing, f"given, with {others}; or write steps = [{{ops = 100, duration_sec = 30}}, …]")
        if not any(level.ops for level in self.levels()):
            refuse("steps" if self.steps else "end_ops", "greater than 0 somewhere, or nothing would be sent")
        return self

    def levels(self) -> list[Level]:
        """The steps one by one, whichever way they were written."""
        if self.steps is not None:
            return self.steps
        start, end, step, seconds = (value or 0.0 for _, value in self._stairs())
        stairs = math.ceil(round(abs(end - start) / step, 9))
        if stairs >= MAX_LEVELS:
            refuse("step_ops", f"larger: this makes more than {MAX_LEVELS:,} steps")
        rates = [start + math.copysign(step * number, end - start) for number in range(stairs)]
        return [Level(ops=rate, duration_sec=seconds) for rate in [*rates, end]]

    def _stairs(self) -> tuple[tuple[str, float | None], ...]:
        names = ("start_ops", "end_ops", "step_ops", "step_duration_sec")
        return tuple((name, getattr(self, name)) for name in names)


class Diurnal(Spaced):
    """baseline_ops: at the trough; at the peak `peak_multiplier` times that. time_compression: hours of the day that
    pass in one of the clock. start_hour: at which the run begins."""

    pattern: Literal["diurnal"]
    baseline_ops: Rate
    peak_multiplier: float = Field(ge=1, le=1_000_000, examples=[3.0])
    peak_hour: Hour
    trough_hour: Hour
    time_compression: Compression = 1.0
    start_hour: Hour = 0.0

    @model_validator(mode="after")
    def _a_day_that_can_be_drawn(self) -> Self:
        if not 0.25 <= (self.peak_hour - self.trough_hour) % 24 <= 23.75:
            refuse("trough_hour", "at least a quarter of an hour away from peak_hour")
        if self.baseline_ops * self.peak_multiplier > MAX_RATE:
            refuse("peak_multiplier", f"so small that the peak stays within {MAX_RATE:,.0f} a second")
        return self


class Burst(Table):
    """One burst of `burst_sequence`."""

    multiplier: float = Field(ge=0, le=1_000_000, examples=[5.0])
    duration_sec: Seconds
    delay_sec: float = Field(default=0.0, ge=0, le=MAX_SECONDS, examples=[10.0])


class BurstSequence(Spaced):
    """baseline_ops: outside of bursts, and after the last."""

    pattern: Literal["burst_sequence"]
    baseline_ops: Rate
    bursts: list[Burst] = Field(
        min_length=1, max_length=MAX_LEVELS, examples=[[{"multiplier": 5, "duration_sec": 10, "delay_sec": 20}]]
    )

    @model_validator(mode="after")
    def _bursts_that_can_be_sent(self) -> Self:
        if self.baseline_ops * max(burst.multiplier for burst in self.bursts) > MAX_RATE:
            refuse("bursts", f"multiplied so little that they stay within {MAX_RATE:,.0f} a second")
        return self


class Part(Table):
    """Of `composite`: how much of the pattern's rate is added."""

    weight: float = Field(default=1.0, gt=0, le=1_000_000, examples=[0.5])


class ConstantPart(Constant, Part): ...


class PoissonPart(Poisson, Part): ...


class PeriodicBurstPart(PeriodicBurst, Part): ...


class RampPart(Ramp, Part): ...


class StepPart(Step, Part): ...


class DiurnalPart(Diurnal, Part): ...


class BurstSequencePart(BurstSequence, Part): ...


AnyPart = ConstantPart | PoissonPart | PeriodicBurstPart | RampPart | StepPart | DiurnalPart | BurstSequencePart


class Composite(Table):
    """The rate is the sum of weight times rate over the parts; neither a composite nor a replay can be one."""

    pattern: Literal["composite"]
    patterns: list[Annotated[Annotated[AnyPart, Field(discriminator="pattern")], BeforeValidator(other_names)]] = Field(
        min_length=1, max_length=1_000, examples=[[{"type": "constant", "rate": 100, "weight": 0.5}]]
    )


class Replay(Table):
    """path: CSV, seen from the scenario file. speed: times are divided by it. rate_scale: how often each row is played;
    0.5 leaves out every second one."""

    pattern: Literal["replay"]
    path: Annotated[str, Field(max_length=4_096, examples=["trace.csv"]), AfterValidator(not_blank)]
    speed: float = Field(default=1.0, gt=0, le=1_000, examples=[2.0])
    rate_scale: float = Field(default=1.0, ge=0.001, le=100, examples=[0.5])
    trace: Annotated[str | None, Field(min_length=1, max_length=MAX_CHARACTERS)] = None
    """The file's content: written when the file is read, never by hand; `path` is then no more than a name."""


AnyArrival = Constant | Poisson | PeriodicBurst | Ramp | Step | Diurnal | BurstSequence | Composite | Replay
