"""What the results of a search come to, for adapters that read ids and scores themselves."""

from __future__ import annotations

from collections.abc import Sequence

from perfgate.dataset import Dataset, node_id
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import Judgement, wrong_answer


def wanted_ids(dataset: Dataset, operation: Operation, key: int, k: int) -> set[str]:
    """The true answers: the memory that a recall asks for, or the k nearest to a query, as far as its memory space has them."""
    if operation is Operation.RECALL:
        return {dataset.recall_id(key)}
    truth: list[int] = dataset.truth[key][:k].tolist()
    return {node_id(node) for node in truth if node >= 0}


def judge_results(
    operation: Operation, ids: Sequence[str], scores: Sequence[float], wanted: set[str], body: bytes, *, falling: bool
) -> Judgement:
    """ids: best first. scores: one for each, falling (similarities) or rising (distances)."""
    if not ids:
        return wrong_answer(operation, "no results", body)
    if len(ids) != len(scores) or list(scores) != sorted(scores, reverse=falling):
        return wrong_answer(operation, "results that are not in the order of their scores", body)
    return Judgement(Outcome.OK, found=len(wanted.intersection(ids)), expected=len(wanted))
