"""What is true in a simulation: how the candidate differs from the base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Truth:
    """change: of the true p99, as a fraction, of one operation or of all of them."""

    name: str
    label: str
    change: float
    everywhere: bool = False


TRUTHS: Mapping[str, Truth] = {
    truth.name: truth
    for truth in (
        Truth("same", "the same build (A/A)", 0.0),
        Truth("one7", "one operation +7 %", 0.07),
        Truth("one10", "one operation +10 %", 0.10),
        Truth("one20", "one operation +20 %", 0.20),
        Truth("all5", "all operations +5 %", 0.05, everywhere=True),
        Truth("all10", "all operations +10 %", 0.10, everywhere=True),
        Truth("faster10", "all operations -10 %", -0.10, everywhere=True),
    )
}
