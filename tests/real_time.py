"""Which tests are in real time: those whose files use processes, servers, sockets or clocks, themselves or by a helper here;
and which of them want the machine for themselves, since they measure it, load it, or play a load within milliseconds.

On a machine that is shared, another process may take the core for a second in the middle of any of them. Such a test is
tried again, and its summary says so; what fails three times has not failed by chance. A test that only computes is never
tried again.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
TRIES = 3
USES = frozenset({"asyncio", "fcntl", "multiprocessing", "socket", "subprocess", "threading", "time"})
ROOMS = (
    "benchmarks.faults",
    "perfgate_agent.host",
    "perfgate_agent.process",
    "perfgate_agent.serve",
    "perfgate_controller.fleet",
)
"""Of the product: what starts processes and speaks to them."""
ALONE = frozenset({"load_cases", "test_invalid_end_to_end", "test_overload_end_to_end", "test_usage"})


@cache
def in_real_time(name: str) -> bool:
    """name: of a module in this directory."""
    path = HERE / f"{name}.py"
    if not path.exists():
        return False
    return any(
        _is_real(module) or in_real_time(module) for module in imports(path.read_text("utf-8")) - {name, "conftest"}
    )


def wants_all(name: str) -> bool:
    """A test of that file is not run beside another one by scripts/test.sh."""
    path = HERE / f"{name}.py"
    return name in ALONE or (path.exists() and not imports(path.read_text("utf-8")).isdisjoint(ALONE))


def _is_real(module: str) -> bool:
    return module.partition(".")[0] in USES or module.startswith(ROOMS)


def imports(text: str) -> set[str]:
    """The modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found
