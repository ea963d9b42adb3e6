"""The built-in store described by templates, as `perfgate target new` writes it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import orjson

from perfgate.targets.load import target_from_json
from perfgate.targets.model import Target

ROOT = Path(__file__).parent.parent
NEW = ROOT / "perfgate" / "targets" / "new" / "http.toml"
MEMORY = '{"id":"{id}","content":"{text}","confidence":{confidence},"embedding":{vector}}'


def document() -> dict[str, Any]:
    """What the file holds."""
    return tomllib.loads(NEW.read_text())


def template(spaces: int = 1, bulk: bool = False, **options: Any) -> Target:
    """Without scores, which the replies that tests make up do not have."""
    written = document()
    requests = written["requests"]
    for operation in ("recall", "embedding_search"):
        requests[operation].pop("scores", None)
    if spaces > 1:
        requests["count"]["path"] = "/api/v1/system/health"
    if bulk:
        requests["load"] = {
            "path": "/api/v1/memories/remember_batch", "headers": {"X-Memory-Space": "{space}"}, "batch": 7,
            "body": '{"memories":[{items}]}', "item": MEMORY, "success": [201],
        }  # fmt: skip
    written["options"].update(options)
    return target_from_json(orjson.dumps(written).decode())
