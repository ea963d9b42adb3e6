"""One exchange outside the hot path, in whatever protocol the adapter speaks."""

from __future__ import annotations

import asyncio

from perfgate.address import Address
from perfgate.targets.protocol import Call, Calling, Payload
from perfgate_agent.dial import reader_of
from perfgate_agent.probe import exchange
from perfgate_agent.tls import client_context


async def ask(adapter: object, address: Address, request: Payload, timeout_s: float) -> tuple[int, bytes]:
    """Send one request on a connection of its own; returns (status, decoded body).

    Raises TargetError for a TLS handshake that fails, which trying again does not mend; OSError (incl. TimeoutError)
    when nobody answers; ValueError for what is no reply of the protocol.
    """
    if not isinstance(request, Call):
        return await exchange(address, request, timeout_s, reader_of(adapter))
    assert isinstance(adapter, Calling)
    async with asyncio.timeout(timeout_s):
        session = await adapter.connect(address, client_context(address))
        try:
            return await session.call(request)
        finally:
            session.abort()
