"""Checks manifests against the API's own schema, as the classes of kubernetes-asyncio have it (they are generated from
Kubernetes' OpenAPI document): every key must be one of its class, and every value of the type that the class says."""

from __future__ import annotations

import re
from typing import Any

from kubernetes_asyncio.client import models

PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float), "bytearray": str}
CLASSES = {
    "ConfigMap": "V1ConfigMap", "Secret": "V1Secret", "Service": "V1Service", "NetworkPolicy": "V1NetworkPolicy",
    "Job": "V1Job",
}  # fmt: skip


def problems(manifest: dict[str, Any]) -> list[str]:
    """What the API server would not take for its form; empty when all is well."""
    return list(_object(manifest, CLASSES[manifest["kind"]], manifest["kind"]))


def _object(value: Any, name: str, path: str) -> list[str]:
    kind = getattr(models, name)
    if not isinstance(value, dict):
        return [f"{path}: not an object"]
    attributes = {written: own for own, written in kind.attribute_map.items()}
    found = [f"{path}.{key}: unknown key" for key in value if key not in attributes]
    for key in set(value) & set(attributes):
        found += _value(value[key], kind.openapi_types[attributes[key]], f"{path}.{key}")
    try:
        kind(**{attributes[key]: value[key] for key in value if key in attributes})  # which misses what is required
    except ValueError as error:
        found.append(f"{path}: {error}")
    return found


def _value(value: Any, kind: str, path: str) -> list[str]:
    if inner := re.fullmatch(r"(?:list|List)\[(.*)\]", kind):
        if not isinstance(value, list):
            return [f"{path}: not a list"]
        return [problem for n, one in enumerate(value) for problem in _value(one, inner[1], f"{path}[{n}]")]
    if inner := re.fullmatch(r"(?:dict|Dict)[\[(]str, (.*)[\])]", kind):
        if not isinstance(value, dict):
            return [f"{path}: not an object"]
        return [problem for key, one in value.items() for problem in _value(one, inner[1], f"{path}.{key}")]
    if kind == "object":  # an integer or a text
        return []
    if kind in PLAIN:
        right = isinstance(value, PLAIN[kind]) and (kind == "bool" or not isinstance(value, bool))
        return [] if right else [f"{path}: {value!r} is no {kind}"]
    return _object(value, kind, path)
