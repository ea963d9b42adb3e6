"""What a store must be told before it is loaded: the steps `[[prepare]]` of a target file."""

from __future__ import annotations

from perfgate.address import Address
from perfgate.errors import TargetError
from perfgate.targets.adapter import Adapter, Preparing
from perfgate_agent.probe import exchange

REQUEST_S = 60.0


async def prepare(adapter: Adapter, address: Address) -> int:
    """Carry out all steps, in order; how many there were. Raises TargetError naming the step and what was said."""
    if not isinstance(adapter, Preparing):
        return 0
    steps = adapter.preparations()
    for number, request in enumerate(steps):
        try:
            problem = adapter.prepared(number, *await exchange(address, request, REQUEST_S))
        except (OSError, ValueError) as error:
            problem = str(error) or type(error).__name__
        if problem:
            line = request.partition(b"\r\n")[0].decode("ascii", "replace")
            raise TargetError(f"preparing the store failed at step {number + 1} of {len(steps)} ({line}): {problem}")
    return len(steps)
