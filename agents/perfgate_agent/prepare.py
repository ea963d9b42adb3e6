"""What a store must be told before it is loaded, what it must be asked, and what is awaited once it is loaded: the steps
`[[prepare]]`, `[[learn]]` and `[[finish]]` of a target file."""

from __future__ import annotations

import asyncio
import time

from perfgate.address import Address
from perfgate.errors import TargetError
from perfgate.targets.adapter import Adapter, Finishing, LastStep, Learning, Preparing
from perfgate.targets.protocol import Call, Payload
from perfgate_agent.ask import ask

REQUEST_S = 60.0
POLL_S = 0.1


async def prepare(adapter: Adapter, address: Address) -> int:
    """Carry out all steps, in order; how many there were. Raises TargetError naming the step and what was said."""
    if not isinstance(adapter, Preparing):
        return 0
    steps = adapter.preparations()
    for number, request in enumerate(steps):
        try:
            problem = adapter.prepared(number, *await ask(adapter, address, request, REQUEST_S))
        except (OSError, ValueError) as error:
            problem = str(error) or type(error).__name__
        if problem:
            raise TargetError(
                f"preparing the store failed at step {number + 1} of {len(steps)} ({_line(request)}): {problem}"
            )
    return len(steps)


async def learn(adapter: Adapter, address: Address) -> None:
    """Ask the store for what the adapter's requests must hold. Raises TargetError naming the question and what was said."""
    if not isinstance(adapter, Learning):
        return
    for number, request in enumerate(adapter.questions()):
        try:
            adapter.learn(number, *await ask(adapter, address, request, REQUEST_S))
        except (OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise TargetError(f"the store at {address} was asked {_line(request)}: {reason}") from error


async def finish(adapter: Adapter, address: Address) -> int:
    """Carry out and await all that follows loading; how many steps. Raises TargetError naming the step and what is missing."""
    if not isinstance(adapter, Finishing):
        return 0
    steps = adapter.finishing()
    for number, step in enumerate(steps):
        await _await_step(adapter, address, number, step)
    return len(steps)


async def _await_step(adapter: Finishing, address: Address, number: int, step: LastStep) -> None:
    deadline = time.monotonic_ns() + step.timeout_ns
    what = f"after loading, step {number + 1} ({_line(step.request)})"
    while True:
        try:
            left = max(POLL_S, (deadline - time.monotonic_ns()) / 1e9)
            missing = adapter.finished(number, *await ask(adapter, address, step.request, left))
        except TimeoutError as error:
            raise TargetError(f"{what}: no answer within timeout_seconds = {step.timeout_ns / 1e9:g}") from error
        except (OSError, ValueError) as error:
            raise TargetError(f"{what} failed: {str(error) or type(error).__name__}") from error
        if not missing:
            return
        if time.monotonic_ns() > deadline:
            raise TargetError(f"{what} does not hold within timeout_seconds = {step.timeout_ns / 1e9:g}: {missing}")
        await asyncio.sleep(POLL_S)


def _line(request: Payload) -> str:
    """The first line of a request, for messages."""
    if isinstance(request, Call):
        return str(request)
    return request.partition(b"\r\n")[0].decode("ascii", "replace")
