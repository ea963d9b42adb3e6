"""The built-in store behind a relay of its own, as a target starts it: with TLS on a port, or on a Unix socket.

`python relayed_store.py (--socket PATH | --port N --certificate FILE) ARGUMENT…`: what is left are the store's arguments.
Ends when the store does, which is sent the same signals.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
from pathlib import Path

from certificates import serving
from relay import relayed


async def main(arguments: argparse.Namespace, store: list[str]) -> int:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: None)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perfgate.store", "--port", "0", *store, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    found = re.search(r":(\d+) pid", (await process.stdout.readline()).decode())
    if found is None:
        return await process.wait()
    tls = serving(arguments.certificate) if arguments.certificate else None
    async with relayed(int(found[1]), arguments.socket, tls, arguments.port):
        return await process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", type=Path)
    sys.exit(asyncio.run(main(*parser.parse_known_args())))
