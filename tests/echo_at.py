"""The doctor's echo on a given port, as a target starts a store: `python echo_at.py PORT`."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from perfgate.doctor.echo import Echo


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
