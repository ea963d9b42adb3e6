"""A store's processes, real ones: all of them stand still, also those of other groups, and none is left over."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest
from perfgate_agent.ports import descendants, free_ports
from perfgate_controller.store_tree import CannotPause, StoreTree, room_left
from test_process import SERVER, ended, gone, ready, started

from perfgate.address import Address

BUSY_CHILD = (
    """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "while True: sum(range(10_000))"], start_new_session=True)
"""
    + SERVER
)


def burn(ns: int) -> None:
    """Processor time of our own, so that whoever may run has had the time to."""
    ends = time.thread_time_ns() + ns
    while time.thread_time_ns() < ends:
        pass


async def test_a_paused_store_uses_no_processor_and_goes_on_afterwards(tmp_path: Path) -> None:
    async with ended(await ready(started(tmp_path, BUSY_CHILD))) as process:
        tree = StoreTree(process.pid, "theirs", process.start.address)
        tree.check()
        await tree.pause()
        before = tree.rest()
        burn(60_000_000)
        assert before.stopped
        assert tree.rest() == before
        child = next(iter(descendants(process.pid) - {process.pid}))
        tree.resume()
        for _ in range(1_000):
            if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "R":
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("the child does not go on")
        await tree.pause()
        assert tree.rest().ticks >= before.ticks
        os.kill(child, 9)


async def test_a_paused_store_ends_at_the_signal_with_its_children(tmp_path: Path) -> None:
    async with ended(await ready(started(tmp_path, BUSY_CHILD))) as process:
        tree = StoreTree(process.pid, "theirs", process.start.address)
        await tree.pause()
        child = next(iter(descendants(process.pid) - {process.pid}))
        status, killed = await process.stop()
        assert (status, killed) == (-15, False)  # it saw the signal, and was not killed after the time of grace
        os.kill(child, 9)  # it runs, as it would after any other stop: it is no child of the group
        assert await gone(child)


async def test_what_is_paused_in_a_group_of_its_own_is_killed_with_the_store(tmp_path: Path) -> None:
    async with ended(await ready(started(tmp_path, BUSY_CHILD))) as process:
        tree = StoreTree(process.pid, "theirs", process.start.address)
        await tree.pause()
        child = next(iter(descendants(process.pid) - {process.pid}))
        process.kill()
        await process.wait()
        assert await gone(child)


async def test_a_store_that_ends_while_it_is_paused_can_be_let_go_on(tmp_path: Path) -> None:
    async with ended(await ready(started(tmp_path, SERVER))) as process:
        tree = StoreTree(process.pid, "theirs", process.start.address)
        await tree.pause()
        process.kill()
        await process.wait()
        tree.resume()
        tree.resume()


async def test_a_server_that_is_no_child_of_the_process_is_refused(tmp_path: Path) -> None:
    """As a container's, of which the process is only the client."""
    async with ended(await ready(started(tmp_path, SERVER))) as process:
        client = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(600)")
        try:
            with pytest.raises(CannotPause, match="theirs is not below the process that was started"):
                StoreTree(client.pid, "theirs", process.start.address).check()
        finally:
            client.kill()
            await client.wait()
        with pytest.raises(CannotPause, match="container"):
            StoreTree(process.pid, "theirs", Address("127.0.0.1", free_ports(1)[0])).check()


def test_the_room_left_is_a_share() -> None:
    left = room_left()
    assert left is None or 0 < left < 1
