"""Whether the exact answers fit the data that stores are loaded with: found anew for a sample of the queries."""

from __future__ import annotations

import numpy as np

from perfgate.dataset import Dataset

SAMPLE = 32
TOLERANCE = 1e-6
"""Of cosines: two nodes as near as that may stand in either order."""


def truth_fault(dataset: Dataset, num_nodes: int) -> str:
    """Empty where the truth fits, otherwise what does not."""
    if dataset.num_nodes != num_nodes:
        return f"the data hold {dataset.num_nodes} memories, where the scenario has {num_nodes}"
    if len(dataset.truth) != len(dataset.queries):
        return f"there are exact answers to {len(dataset.truth)} queries, but {len(dataset.queries)} queries"
    nodes = np.asarray(dataset.nodes, dtype=np.float64)
    spaces = np.arange(num_nodes) % dataset.spaces
    step = max(1, len(dataset.queries) // SAMPLE)
    for query in range(0, len(dataset.queries), step):
        cosines = nodes @ np.asarray(dataset.queries[query], dtype=np.float64)
        cosines[spaces != query % dataset.spaces] = -np.inf
        truth = dataset.truth[query]
        answers = truth[truth >= 0]
        best = np.sort(cosines)[::-1][: len(truth)]
        best = best[np.isfinite(best)]
        if (
            len(answers) != len(best)
            or len(set(answers.tolist())) != len(answers)
            or answers.max(initial=0) >= num_nodes
        ):
            return f"the exact answers to query {query} are not {len(best)} different memories"
        if np.abs(cosines[answers] - best).max(initial=0.0) > TOLERANCE:
            return f"the exact answers to query {query} are not its nearest memories"
    return ""
