"""The data of a scenario: what is loaded before, stored during, and asked for, with the exact answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perfgate.dataset.encoding import EncodedVectors
from perfgate.dataset.texts import Texts
from perfgate.requests import stored_index, stored_space


def node_id(node: int) -> str:
    """The id on the wire of a node that is loaded before a run."""
    return f"n{node}"


def stored_id(index: int) -> str:
    """The id on the wire of a memory stored during a run; index is that of the request in the plan."""
    return f"s{index}"


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Made by build_dataset(); the arrays are memory-mapped files.

    nodes: float32 (num_nodes, dim). queries: float32 (num_queries, dim). pool: float32 (store_pool, dim), the vectors
    to be stored during a run, which are never among the answers (see geometry). truth: int32 (num_queries, 10), the
    nodes of highest cosine, best first, -1 where the query's memory space holds fewer. All vectors have length 1 and
    are rounded to multiples of 1e-5.

    With several memory spaces, node, query and pool number i belong to space i modulo `spaces`.
    """

    directory: Path
    nodes: NDArray[np.float32]
    queries: NDArray[np.float32]
    pool: NDArray[np.float32]
    truth: NDArray[np.int32]
    spaces: int
    texts: Texts
    node_json: EncodedVectors
    query_json: EncodedVectors
    pool_json: EncodedVectors

    @property
    def num_nodes(self) -> int:
        return len(self.nodes)

    @property
    def dim(self) -> int:
        return int(self.nodes.shape[1])

    def space(self, number: int) -> int:
        """The memory space, 0 to spaces - 1, of a node, query or pool vector."""
        return number % self.spaces

    def text(self, node: int) -> str:
        """The content of node i."""
        return self.texts.text(node)

    def query_text(self, node: int) -> str:
        """What a text recall of node i asks for; node i is the best answer."""
        return self.texts.query_text(node)

    def recall_text(self, key: int) -> str:
        """What a recall asks for. key: as in perfgate.requests.Requests, a node or the stored_key of a memory stored
        during the run, which is then the best answer."""
        return self.texts.query_text(key) if key >= 0 else self.texts.pool_query_text(stored_index(key))

    def recall_id(self, key: int) -> str:
        """The id on the wire of the best answer to a recall."""
        return node_id(key) if key >= 0 else stored_id(stored_index(key))

    def recall_space(self, key: int) -> int:
        """The memory space in which a recall's best answer lies."""
        if key >= 0:
            return self.space(key)
        named = stored_space(key)
        return self.space(stored_index(key) % len(self.pool)) if named is None else named

    def pool_text(self, index: int) -> str:
        """The content of the memory stored as number `index`, any index from 0."""
        return self.texts.pool_text(index)

    def encoded_node(self, node: int) -> memoryview:
        """`[0.01234,-0.5,…]`: the JSON text of node i's vector."""
        return self.node_json[node]

    def encoded_query(self, query: int) -> memoryview:
        """The JSON text of a query's vector."""
        return self.query_json[query]

    def encoded_pool(self, position: int) -> memoryview:
        """The JSON text of a pool vector."""
        return self.pool_json[position]
