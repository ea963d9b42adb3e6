"""Orders to the helper, on this machine or at the other end of a connection.

The helper's own sources go before the order, on standard input: nothing has to be installed there, no file stays, and no
argument says more than how to read them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from perfgate.errors import FleetError

PACKAGE = "perfgate_controller.launch.helper"
MODULES = ("files", "processes", "services", "actions")
BOOT = """
import json, sys, types
call = json.loads(sys.stdin.buffer.read())
parts = call["package"].split(".")
for end in range(1, len(parts) + 1):
    package = types.ModuleType(".".join(parts[:end]))
    package.__path__ = []
    sys.modules[package.__name__] = package
for name, source in call["sources"]:
    module = types.ModuleType(call["package"] + "." + name)
    sys.modules[module.__name__] = module
    exec(compile(source, module.__name__, "exec"), module.__dict__)
print(json.dumps(module.answer(call["order"])))
"""

Transport = Callable[[bytes], Awaitable[bytes]]
"""Runs `python -I -c BOOT` with this on standard input; what it wrote to standard output."""


@cache
def _sources() -> tuple[tuple[str, str], ...]:
    return tuple((name, files(PACKAGE).joinpath(f"{name}.py").read_text(encoding="utf-8")) for name in MODULES)


async def call(transport: Transport, where: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """Raises FleetError with the helper's own words, or what came in their place."""
    output = await transport(json.dumps({"package": PACKAGE, "sources": _sources(), "order": order}).encode())
    try:
        answer = json.loads(output.decode().strip().splitlines()[-1])
        if "refused" in answer:
            raise FleetError(f"{where}: {answer['refused']}")
        return dict(answer["done"])
    except (ValueError, IndexError, KeyError, TypeError) as error:
        said = output.decode(errors="replace").strip()[:300] or "nothing"
        raise FleetError(
            f"{where}: the launcher's helper answered {said!r}; is there a Python 3.9 or newer?"
        ) from error


async def on_this_machine(stdin: bytes) -> bytes:
    """A Transport."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", BOOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate(stdin)
    return output
