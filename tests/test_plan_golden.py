"""Plans that exist stay as they are, to the bit: a baseline of last year must have been asked the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plan_digests import digest

from perfgate.plan import Plan
from perfgate.scenario import load_scenario, parse_scenario

SEED = Path(__file__).parent.parent / "scenarios" / "ci" / "fast_regression_check.toml"
OTHER = 2**63 + 5
ARRIVALS: dict[str, dict[str, Any]] = {
    "constant": {"pattern": "constant", "rate": 333.25},
    "poisson": {"pattern": "poisson", "rate": 800.0},
    "slow poisson": {"pattern": "poisson", "rate": 1.5},
    "bursts": {
        "pattern": "periodic_burst", "base_rate": 200.0, "burst_rate": 1500.0, "burst_duration_sec": 3.5,
        "burst_period_sec": 10,
    },
    "bursts and pauses": {
        "pattern": "periodic_burst", "base_rate": 0, "burst_rate": 900, "burst_duration_sec": 0.3,
        "burst_period_sec": 1.7,
    },
}  # fmt: skip
GOLDEN = [
    ("constant", 1, "84b5df7f397fe371", [35107, 34945, 29923, 0], "09fe9f35046e333c"),
    ("constant", OTHER, "a5b7e53f835027af", [35095, 34986, 29894, 0], "09fe9f35046e333c"),
    ("poisson", 1, "c46b17ef69a0e217", [84158, 83879, 71533, 0], "6640d41323e684af"),
    ("poisson", OTHER, "317857938314106a", [83911, 83823, 71991, 0], "6640d41323e684af"),
    ("slow poisson", 1, "090f503acbd5c596", [178, 134, 132, 0], "857f272b88136642"),
    ("slow poisson", OTHER, "12c050e3de1b2727", [149, 156, 125, 0], "857f272b88136642"),
    ("bursts", 1, "936a08a4676aa633", [68988, 68936, 58576, 0], "13ef54c89bc94d54"),
    ("bursts", OTHER, "122a5651950d0161", [68861, 68890, 58749, 0], "13ef54c89bc94d54"),
    ("bursts and pauses", 1, "527f735e4aa1ead1", [16853, 16635, 14302, 0], "0d7a9da4b4aebff3"),
    ("bursts and pauses", OTHER, "5a944d222ee7b8c3", [16739, 16759, 14292, 0], "0d7a9da4b4aebff3"),
]


def test_the_reference_scenario_is_sent_as_ever() -> None:
    scenario = load_scenario(SEED)
    assert scenario.digest == "f762fbdfba372523"
    assert digest(Plan(scenario)) == "9a1dbe4890940c82"
    assert digest(Plan(scenario, OTHER)) == "5df8b4040bbe29e2"


@pytest.mark.parametrize(("name", "seed", "requests", "counts", "content"), GOLDEN)
def test_a_plan_stays_the_same_bit_by_bit(name: str, seed: int, requests: str, counts: list[int], content: str) -> None:
    import tomli

    scenario = parse_scenario({**tomli.loads(SEED.read_text()), "arrival": ARRIVALS[name]})
    plan = Plan(scenario, seed)
    assert digest(plan) == requests
    assert plan.counts().sum(axis=0).tolist() == counts
    assert scenario.digest == content
