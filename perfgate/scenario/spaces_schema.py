"""The form of `[spaces]` and `[noisy_neighbour]`: who asks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from perfgate.scenario.tables import Table, refuse

MAX_SPACES = 1_000

Share = Annotated[float, Field(ge=0, le=1e9)]


class Spaces(Table):
    """How requests are spread over memory spaces."""

    count: int = Field(ge=1, le=MAX_SPACES, examples=[8])
    distribution: Literal["even", "zipf"] = Field(default="even", examples=["zipf"])
    exponent: Annotated[float | None, Field(gt=0, le=10, examples=[1.0])] = None
    weights: Annotated[list[Share] | None, Field(min_length=1, max_length=MAX_SPACES, examples=[[3, 1]])] = None

    @model_validator(mode="after")
    def _one_way_to_spread(self) -> Self:
        if self.exponent is not None and self.distribution != "zipf":
            refuse("exponent", 'left out, unless distribution = "zipf"')
        if self.weights is None:
            return self
        if "distribution" in self.model_fields_set:
            refuse("weights", "left out where a distribution is given")
        if len(self.weights) != self.count:
            refuse("weights", f"a list of {self.count}, one weight a space")
        if not any(self.weights):
            refuse("weights", "greater than 0 somewhere, or nothing would be sent")
        return self

    def shares(self) -> tuple[float, ...]:
        """Of the requests, space by space; they add up to 1."""
        exponent = (self.exponent or 1.0) if self.distribution == "zipf" else 0.0
        weights = self.weights or [(rank + 1) ** -exponent for rank in range(self.count)]
        total = sum(weights)
        return tuple(weight / total for weight in weights)


class NoisyNeighbour(Table):
    """One space that is asked so many times as much, by `perfgate neighbour` alone."""

    space: int = Field(default=0, ge=0, lt=MAX_SPACES, examples=[0])
    factor: float = Field(default=10.0, gt=1, le=1_000, examples=[10.0])
    sent: bool = Field(default=False, examples=[False])
    """Whether the second arm is sent it: written by `perfgate neighbour`, never by hand."""
