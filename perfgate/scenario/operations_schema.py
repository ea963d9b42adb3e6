"""The form of `[operations]` and `[correlation]`: what is asked for."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from perfgate.scenario.tables import Compression, Hour, Table, refuse, renamed

Weight = Annotated[float, Field(ge=0, le=1e9, examples=[0.35])]


def search_weight(value: Any) -> Any:
    """`search_weight` is another name for `embedding_search_weight`."""
    return renamed(value, {"search_weight": "embedding_search_weight"})


class Weights(Table):
    """On any scale: only their ratios count."""

    store_weight: Weight = 0.0
    recall_weight: Weight = 0.0
    embedding_search_weight: Weight = 0.0
    pattern_completion_weight: Weight = 0.0

    def any_positive(self) -> bool:
        return any(getattr(self, name) > 0 for name in Weights.model_fields)


class DayPart(Weights):
    """One entry of `diurnal_schedule`: what is asked for from hours[0] until hours[1], past midnight where that is
    earlier."""

    hours: Annotated[list[Annotated[float, Field(ge=0, le=24)]], Field(min_length=2, max_length=2, examples=[[8, 18]])]

    @model_validator(mode="after")
    def _some_time_and_something_to_do(self) -> Self:
        if self.hours[0] % 24 == self.hours[1] % 24 and self.hours != [0, 24]:
            refuse("hours", "two different hours")
        if not self.any_positive():
            raise PydanticCustomError("all_zero", "all weights are zero")
        return self

    def stretches(self) -> list[tuple[float, float]]:
        """As stretches of one day that do not pass midnight."""
        start, end = self.hours[0] % 24, self.hours[1]
        return [(start, end)] if start < end else [(start, 24.0), *([(0.0, end)] if end > 0 else [])]


def _day_part_names(value: Any) -> Any:
    return [search_weight(one) for one in value] if isinstance(value, list) else value


class Operations(Weights):
    """Weights, and others by the hour. time_compression, start_hour: of the schedule's days; None for those of a
    diurnal `[arrival]`, else 1 and 0."""

    diurnal_schedule: Annotated[
        list[DayPart] | None,
        Field(min_length=1, max_length=1_000, examples=[[{"hours": [8, 18], "recall_weight": 0.7}]]),
        BeforeValidator(_day_part_names),
    ] = None
    time_compression: Annotated[Compression | None, Field(examples=[24.0])] = None
    start_hour: Annotated[Hour | None, Field(examples=[0.0])] = None

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if self.diurnal_schedule is None:
            if not self.any_positive():
                raise PydanticCustomError("all_zero", "all weights are zero")
            for name in ("time_compression", "start_hour"):
                if getattr(self, name) is not None:
                    refuse(name, "left out where there is no diurnal_schedule")
            return self
        at, taken = 0.0, sorted(part for one in self.diurnal_schedule for part in one.stretches())
        for start, end in [*taken, (24.0, 24.0)]:
            if start < at:
                refuse("diurnal_schedule", f"hours that do not overlap (at {start:g})")
            if start > at and not self.any_positive():
                refuse("diurnal_schedule", f"hours from 0 to 24 without a gap (after {at:g}), or give weights for it")
            at = end
        return self


class Keys(Table):
    """How recalls and searches choose what they ask for."""

    distribution: Literal["even", "zipf"] = Field(default="even", examples=["zipf"])
    exponent: Annotated[float | None, Field(gt=0, le=10, examples=[1.0])] = None

    @model_validator(mode="after")
    def _exponent_of_a_law(self) -> Self:
        if self.exponent is not None and self.distribution != "zipf":
            refuse("exponent", 'left out, unless distribution = "zipf"')
        return self

    def skew(self) -> float:
        """The exponent; 0: all alike."""
        return (self.exponent or 1.0) if self.distribution == "zipf" else 0.0


class Correlation(Table):
    """store_to_recall_prob: the share of stores that are followed by a recall of the same memory, on top of the arrival
    process. Either delay_ms or delay_sec: from store to recall, both as intended."""

    enabled: bool = Field(default=True, examples=[True])
    store_to_recall_prob: float = Field(default=0.5, ge=0, le=1, examples=[0.5])
    delay_ms: Annotated[float | None, Field(ge=0, le=3_600_000, examples=[100.0])] = None
    delay_sec: Annotated[float | None, Field(ge=0, le=3_600, examples=[0.1])] = None

    @model_validator(mode="after")
    def _one_delay(self) -> Self:
        if self.delay_ms is not None and self.delay_sec is not None:
            refuse("delay_sec", "left out where delay_ms is given")
        return self

    def delay_seconds(self) -> float:
        """0.1 where neither delay is given."""
        if self.delay_ms is not None:
            return self.delay_ms / 1_000
        return 0.1 if self.delay_sec is None else self.delay_sec
