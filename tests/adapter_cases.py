"""An adapter of a small data set (fixtures `dataset` and `three_spaces`), as a target file would make it."""

from __future__ import annotations

from typing import TypeVar

import orjson

from perfgate.dataset import Dataset
from perfgate.targets.adapter import Adapter, make_adapter
from perfgate.targets.load import target_from_json

Kind = TypeVar("Kind", bound=Adapter)


def adapter_of(kind: type[Kind], name: str, dataset: Dataset, **options: object) -> Kind:
    """name: as in `adapter =` of a target file, whose `[options]` are these; kind: what it must come to."""
    target = target_from_json(orjson.dumps({"name": "t", "adapter": name, "options": options}).decode())
    adapter = make_adapter(target, dataset, "127.0.0.1", 1)
    assert isinstance(adapter, kind)
    return adapter
