"""The data of a scenario: vectors, texts, queries and their exact answers, a pure function of scenario and seed."""

from __future__ import annotations

from perfgate.dataset.build import DatasetCancelled, build_dataset
from perfgate.dataset.dataset import Dataset, node_id, stored_id
from perfgate.dataset.truth import TRUTH_K

__all__ = ["TRUTH_K", "Dataset", "DatasetCancelled", "build_dataset", "node_id", "stored_id"]
