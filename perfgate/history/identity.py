"""What makes two results the same run: so that one is never in a history twice, however often it is added."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

LENGTH = 16
_OF_RECORD = ("kind", "started_wall_ns", "duration_ns", "scenario_digest", "target", "seed", "builds")


def run_id(result: Mapping[str, Any]) -> str:
    """16 hex digits of what is in result.json: what was run, on which host, when to the ns and for how long.

    Not of the whole text: a later perfgate may write the same record with fields that this one does not know.
    """
    record = result["record"]
    parts = [record[name] for name in _OF_RECORD] + [record["environment"].get("controller", "")]
    return digest(parts)


def digest(value: Any) -> str:
    """Of anything that is JSON, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
