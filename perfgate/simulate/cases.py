"""Which special cases there are. A new one is a file with a CASE, and its line here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from perfgate.simulate.case import Case

MODULES: Mapping[str, str] = {
    "periodic": "case_periodic",
    "bimodal": "case_bimodal",
    "cold-start": "case_cold_start",
    "heavy-tail": "case_heavy_tail",
    "rare-stalls": "case_rare_stalls",
    "family": "case_family",
    "errors": "case_errors",
    "recall": "case_recall",
    "floor": "case_floor",
    "peeking": "case_peeking",
    "creep": "case_creep",
    "compete": "case_compete",
}
"""By the name that the command line knows: the module of this package that holds its CASE."""


def load_case(name: str) -> Case:
    """Raises KeyError for a name that is not there."""
    case: Case = import_module(f"perfgate.simulate.{MODULES[name]}").CASE
    return case
