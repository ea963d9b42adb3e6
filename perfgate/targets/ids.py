"""What the ids of memories look like on the wire, where a store does not take any text for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perfgate.dataset import node_id, stored_id
from perfgate.requests import stored_index
from perfgate.targets.requests_model import IdForm

STORED = 1 << 52
"""Added to the index of a memory stored during a run; JSON numbers are exact up to 1 << 53."""


class Ids:
    """node: of a memory that is loaded before a run; stored: of one stored during it, by its index."""

    def __init__(self, form: IdForm) -> None:
        self.node, self.stored = _FORMS[form]

    def of(self, key: int) -> str:
        """A key below 0 names a stored memory, as in perfgate.requests.Requests."""
        return self.node(key) if key >= 0 else self.stored(stored_index(key))


def _stored_number(index: int) -> str:
    return str(STORED + index)


def _node_number(node: int) -> str:
    return str(node)


def _node_uuid(node: int) -> str:
    """Version and variant as RFC 9562 has them for version 8, so that a store that looks takes it."""
    return f"00000000-0000-8000-8000-{node:012x}"


def _stored_uuid(index: int) -> str:
    return f"00000000-0000-8000-9000-{index:012x}"


_FORMS: Mapping[IdForm, tuple[Callable[[int], str], Callable[[int], str]]] = {
    "text": (node_id, stored_id),
    "number": (_node_number, _stored_number),
    "uuid": (_node_uuid, _stored_uuid),
}
