"""Start, serve, shut down."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
import time
from collections.abc import Mapping

import uvloop

from perfgate.errors import InputError
from perfgate.store.api import Api, Refusal, Reply, Request
from perfgate.store.data_dir import DataDir
from perfgate.store.http import StoreServer
from perfgate.store.misbehave import Mischief
from perfgate.store.options import StoreOptions

_DRAIN_S = 0.2
_BACKLOG = 1_024


def serve(options: StoreOptions) -> int:
    """Runs a store until SIGTERM or SIGINT, keeps its memories and returns 0.

    Prints one line to stdout when it listens. Raises InputError for a taken port or a wrong data directory.
    """
    time.sleep(options.misbehaviour.start_delay_s)
    listener = _listen_on(options)
    data_dir = None if options.data_dir is None else DataDir(options.data_dir, options.dim)
    spaces = {} if data_dir is None else data_dir.load(options.misbehaviour.lose_index)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 1_000)
    about = {"pid": os.getpid(), "identity": data_dir.identity if data_dir else None, "dim": options.dim}
    mischief = Mischief(options.misbehaviour)
    spoils = options.misbehaviour.forget or options.misbehaviour.warm_tier is not None
    api = Api(options.dim, spaces, about, mischief.distort if spoils else None, mischief.drops)
    uvloop.run(_Service(api, mischief).run(listener))
    if data_dir is not None:
        data_dir.save(api.spaces)
    return 0


def _listen_on(options: StoreOptions) -> socket.socket:
    """Where it was told to; or, as one that moves on, at the first free port that far beyond."""
    step = options.misbehaviour.move_port
    if not step or not options.port:
        return _listen(options.host, options.port)
    ports = range(options.port + step, min(2**16, options.port + 101 * step), step)
    for port in ports:
        try:
            return _listen(options.host, port)
        except InputError:
            if port == ports[-1]:
                raise
    raise InputError(f"--move-port {step}: there is no port so far beyond {options.port}; write less")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InputError(f"--host {host!r}: {error.strerror}; write an address of this machine") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"--port {port} is taken: stop what listens there, or write --port 0") from None
        raise InputError(f"--host {host!r} --port {port}: {error.strerror}; choose another") from None
    return listener


class _Service:
    """The running server."""

    def __init__(self, api: Api, mischief: Mischief) -> None:
        self._api = api
        self._mischief = mischief

    async def run(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        protocols = StoreServer(self._answer)
        server = await loop.create_server(protocols, sock=listener)
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"perfgate store ready on http://{shown}:{port} pid {os.getpid()}", flush=True)
        self._mischief.start_stalling(loop)
        await stopped.wait()
        server.close()
        await protocols.shutdown(_DRAIN_S)

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes, arrived_ns: int) -> Reply:
        request = Request(method, path, headers, body)
        operation = request.operation
        if operation is None:
            if request.route == "/health" and self._mischief.is_busy:
                return Refusal(503, "BUSY", "under load, asked for by --busy-health").reply
            return self._api.answer(request)
        if (failure := await self._mischief.before(operation, headers.get("X-Memory-Space") or "default")) is not None:
            return failure
        reply = self._api.empty(operation) if self._mischief.is_empty(operation) else self._api.answer(request)
        self._mischief.after(operation, arrived_ns)
        return reply
