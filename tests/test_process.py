"""A store's process: started once, on a port of its own, awaited, and ended for sure with all its children."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import socket
import sys
import textwrap
from pathlib import Path

import pytest
from fault_server import OK, FaultServer, always
from load_cases import PlainAdapter
from perfgate_agent.ports import free_ports
from perfgate_agent.process import Start, StoreProcess, fill_command, start_process

from perfgate.address import Address
from perfgate.errors import TargetError
from perfgate.targets.model import HostSpec

SERVER = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    connection, _ = server.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    connection.close()
"""
AT = Address("127.0.0.1", 17)
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
"""


def started(directory: Path, code: str, *arguments: str, port: int = 0, **spec: object) -> Start:
    values: dict[str, object] = {
        "command": (), "environment": {}, "start_timeout_ns": 10_000_000_000, "stop_signal": "TERM",
        "stop_grace_ns": 5_000_000_000, "copyable": True, "load_connections": 1,
    }  # fmt: skip
    port = port or free_ports(1)[0]
    host = HostSpec(**{**values, **spec})  # type: ignore[arg-type]
    command = (sys.executable, "-c", textwrap.dedent(code), *(arguments or (str(port),)))
    return Start(command, host, Address("127.0.0.1", port), directory, directory / "store.log", ())


async def ready(start: Start) -> StoreProcess:
    process = await start_process(start, {})
    await process.await_ready(PlainAdapter())
    return process


@contextlib.asynccontextmanager
async def ended(process: StoreProcess):  # type: ignore[no-untyped-def]
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return status not in "ZX"


async def gone(pid: int) -> bool:
    """Killed processes end soon, though not at once."""
    for _ in range(500):
        if not is_alive(pid):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_process_is_ready_once_it_answers_and_ends_at_the_signal(tmp_path: Path) -> None:
    process = await ready(started(tmp_path, SERVER))
    assert process.start_ns > 0
    assert process.last_output() == "listening"
    assert await process.stop() == (-15, False)
    assert not is_alive(process.pid)


async def test_a_process_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    process = await ready(started(tmp_path, STUBBORN, stop_grace_ns=200_000_000))
    assert await process.stop() == (-9, True)


async def test_children_end_with_their_parent(tmp_path: Path) -> None:
    process = await ready(started(tmp_path, PARENT + SERVER))
    child = int(process.last_output().split()[1])
    assert is_alive(child)
    await process.stop()
    assert await gone(child)


async def test_a_taken_port_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TargetError, match=rf"port {port} is taken already \(pid {os.getpid()}\)"):
            await start_process(started(tmp_path, SERVER, port=port), {})
    assert not (tmp_path / "store.log").exists()


async def test_a_stale_server_does_not_answer_for_the_store(tmp_path: Path) -> None:
    """The store ignores the port it is given; a stranger opens it meanwhile."""
    start = started(tmp_path, "import time; time.sleep(600)")
    async with ended(await start_process(start, {})) as process:
        taken = FaultServer(always(OK))
        taken.port = start.address.port
        async with taken:
            with pytest.raises(TargetError, match=f"answered by another process .pid {os.getpid()}."):
                await process.await_ready(PlainAdapter())


async def test_a_store_that_ends_at_its_start_is_reported_with_its_last_words(tmp_path: Path) -> None:
    process = await start_process(started(tmp_path, "import sys; sys.exit('no room left')"), {})
    with pytest.raises(TargetError, match="ended with status 1 before it was ready; its last words: no room left"):
        await process.await_ready(PlainAdapter())


async def test_a_program_that_is_not_there_is_reported(tmp_path: Path) -> None:
    start = started(tmp_path, "")
    start = Start(("/nowhere/store",), start.spec, start.address, start.data_dir, start.log, ())
    process = await start_process(start, {})
    with pytest.raises(TargetError, match="cannot start /nowhere/store: No such file"):
        await process.await_ready(PlainAdapter())


async def test_a_store_that_does_not_answer_in_time_is_reported(tmp_path: Path) -> None:
    start = started(
        tmp_path, "print('thinking', flush=True); import time; time.sleep(600)", start_timeout_ns=500_000_000
    )
    async with ended(await start_process(start, {})) as process:
        with pytest.raises(TargetError, match=r"within start_timeout_seconds = 0.5; its last words: thinking"):
            await process.await_ready(PlainAdapter())


async def test_environment_and_working_directory_are_set(tmp_path: Path) -> None:
    code = "import os; print(os.environ['COLOUR'], os.getcwd(), flush=True)" + SERVER
    process = await start_process(started(tmp_path, code), {"COLOUR": "green"})
    async with ended(process):
        await process.await_ready(PlainAdapter())
        assert f"green {tmp_path}" in process.last_output()


async def test_a_store_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Also when that one is killed and can clean up nothing."""
    code = f"""
    import asyncio, sys, time
    sys.path[:0] = {sys.path!r}
    from pathlib import Path
    from test_process import SERVER, ready, started
    async def main():
        print((await ready(started(Path({str(tmp_path)!r}), SERVER))).pid, flush=True)
        time.sleep(600)
    asyncio.run(main())
    """
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(code), stdout=asyncio.subprocess.PIPE
    )
    assert agent.stdout is not None
    store = int(await agent.stdout.readline())
    assert is_alive(store)
    agent.kill()
    await agent.wait()
    assert await gone(store)


async def test_a_store_on_a_unix_socket_is_awaited_and_identified(tmp_path: Path) -> None:
    path = tmp_path / "a store"
    code = SERVER.replace('create_server(("127.0.0.1", int(sys.argv[1])))', "socket(socket.AF_UNIX)") + "\n"
    code = code.replace("print(", "server.bind(sys.argv[1]); server.listen(); print(")
    start = dataclasses.replace(started(tmp_path, code, str(path)), address=Address.unix(str(path)))
    async with ended(await ready(start)) as process:
        assert process.start_ns > 0
        with pytest.raises(TargetError, match=rf"socket {path} is taken already \(pid {process.pid}\)"):
            await start_process(start, {})
        assert fill_command(["--at={socket}"], start.address, tmp_path, 8) == (f"--at={path}",)


async def test_a_stranger_on_the_socket_does_not_answer_for_the_store(tmp_path: Path) -> None:
    path = tmp_path / "s"
    start = dataclasses.replace(started(tmp_path, "import time; time.sleep(600)"), address=Address.unix(str(path)))
    async with ended(await start_process(start, {})) as process, FaultServer(always(OK), path=path):
        with pytest.raises(TargetError, match=f"answered by another process .pid {os.getpid()}."):
            await process.await_ready(PlainAdapter())


def test_placeholders_are_filled_in(tmp_path: Path) -> None:
    filled = fill_command(["{python}", "--at={port}", "{data_dir}", "{embedding_dim}"], AT, tmp_path, 8)
    assert filled == (sys.executable, "--at=17", str(tmp_path), "8")


@pytest.mark.parametrize("part", ["{prt}", "{", "{0}"])
def test_placeholders_that_do_not_exist_are_refused(part: str, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"bad placeholder .*there are {python}, {port}, {data_dir}, {embedding_dim}"):
        fill_command([part], AT, tmp_path, 8)
