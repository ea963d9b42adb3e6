"""Claims about real gates in both directions: the verdict names what moved, and what became faster is never blocked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cluster import ROOT, perfgate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]  # real gates of one to two minutes, on a quiet machine


def verdict(directory: Path, base: str, candidate: str, policy: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, reasons, and all that was printed."""
    (directory / "policy.toml").write_text(f'policy = "quick"\n{policy}\n')
    done = perfgate(
        [
            "gate", str(ROOT / "scenarios/ci/quick.toml"), "--target", str(ROOT / "targets/embedded.toml"),
            "--base", base, "--candidate", candidate, "--policy", str(directory / "policy.toml"),
            "--out", str(directory / "out"),
        ],
        directory / "cache", timeout=400,
    )  # fmt: skip
    result = json.loads((directory / "out" / "result.json").read_text())
    return done.returncode, result["comparison"]["verdict"]["reasons"], done.stdout + done.stderr


def test_a_median_that_is_slower_is_named_though_the_tail_stays(tmp_path: Path) -> None:
    code, reasons, text = verdict(tmp_path, "default", "slow_search_p50_20", "margin = 0.05")
    assert code == 1, text
    assert reasons[0]["metric"] == "embedding_search p50", text


def test_a_tail_that_is_slower_is_named_though_the_median_stays(tmp_path: Path) -> None:
    code, reasons, text = verdict(tmp_path, "default", "slow_search_tail_50", "margin = 0.05")
    assert code == 1, text
    assert reasons[0]["metric"] in ("embedding_search p99", "embedding_search p95"), text
    assert "embedding_search p50" not in [reason["metric"] for reason in reasons], text


def test_a_candidate_that_is_faster_passes_and_is_called_improved(tmp_path: Path) -> None:
    """One late look: at the first of several a gate passes before an improvement has been proven."""
    code, reasons, text = verdict(tmp_path, "slow_search", "default", "looks = [16]")
    assert code == 0, text
    improved = [reason["metric"] for reason in reasons if reason["code"] == "improved"]
    assert "embedding_search p95" in improved, text


def test_a_candidate_that_is_ten_per_cent_faster_everywhere_is_called_improved_in_the_quick_policy(
    tmp_path: Path,
) -> None:
    code, reasons, text = verdict(tmp_path, "slow_all_11", "default", "")
    assert code == 0, text
    assert "all operations p95" in [reason["metric"] for reason in reasons if reason["code"] == "improved"], text
