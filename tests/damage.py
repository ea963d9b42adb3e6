"""Damages stored documents as a hand, a full disk or a wrong copy would: one change each, drawn from a seed."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Iterator
from typing import Any

Place = list[Any]
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**30, 10**400, 1e308, math.nan, math.inf, "", "inf", "a\0b", "\ud800", [], {}, [[]], {"": None},
)  # fmt: skip
"""What a field may become."""


def places(document: Any) -> Iterator[Place]:
    """Every field of a document, at every depth."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield [key]
        for rest in places(value):
            yield [key, *rest]


def at(document: Any, place: Place) -> Any:
    for key in place:
        document = document[key]
    return document


def damaged(document: Any, draw: random.Random, every: list[Place]) -> tuple[str, str]:
    """What was done, and the text of the document then. every: its `places`."""
    made, place = copy.deepcopy(document), draw.choice(every)
    holder, key = at(made, place[:-1]), place[-1]
    kind = draw.choice(("drop", "put", "put", "put", "rename", "cut"))
    if kind == "cut":
        text = json.dumps(made)
        return "cut", text[: draw.randrange(len(text))]
    if kind == "put":
        holder[key] = draw.choice(WRONG)
        return f"{place} = {str(holder[key])[:20]!r}", json.dumps(made)
    value = holder.pop(key)
    if kind == "rename" and isinstance(holder, dict):
        holder[f"{key}_"] = value
    return f"{kind} {place}", json.dumps(made)
