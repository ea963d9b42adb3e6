"""Whether gates differ by more than their errors say."""

import json
from pathlib import Path

import numpy as np

from benchmarks.between_gates import read, row


def keep(directory: Path, number: int, estimate: float, se: float) -> None:
    place = directory / f"gate-{number}"
    place.mkdir()
    effect = {"statistic": "p50", "operation": "recall", "estimate": estimate, "se": se}
    unknown = {"statistic": "p99", "operation": "recall", "estimate": 0.1, "se": 0.9}
    (place / "result.json").write_text(json.dumps({"comparison": {"effects": [effect, unknown]}}))


def chi2(line: str) -> float:
    return float(line.split("|")[-2])


def test_gates_that_scatter_as_they_promise_have_a_chi2_of_about_one_and_others_more(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    for number, effect in enumerate(draw.normal(0.05, 0.01, 400)):
        keep(tmp_path, number, float(effect), 0.01)
    (found,) = read([tmp_path]).values()
    assert abs(chi2(row("recall p50", found)) - 1) < 0.2
    twice = [(effect, se / 2) for effect, se in found]
    assert abs(chi2(row("recall p50", twice)) - 4) < 0.8


def test_a_metric_that_few_gates_know_is_left_out(tmp_path: Path) -> None:
    for number in range(4):
        keep(tmp_path, number, 0.0, 0.01)
    assert not read([tmp_path])
    keep(tmp_path, 4, 0.0, 0.01)
    assert list(read([tmp_path])) == ["recall p50"]
