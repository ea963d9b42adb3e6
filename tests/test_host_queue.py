"""One measurement at a time: in the order of arrival, whatever happens to those before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cluster import perfgate, write_scenario, write_target

from perfgate.errors import InputError
from perfgate.host_queue import HostQueue, Ticket

HOLD = """
import sys
from pathlib import Path
from perfgate.host_queue import HostQueue
with HostQueue(Path(sys.argv[1])).turn("perfgate gate a.toml", 0):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(directory: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_measurement_is_told_who_is_there_since_when(tmp_path: Path) -> None:
    process = holder(tmp_path)
    told = rf"perfgate gate a.toml \(pid {process.pid}, since .*--wait"
    with pytest.raises(InputError, match=told), HostQueue(tmp_path).turn("perfgate gate b.toml", 0):
        pytest.fail("it is not its turn")
    process.communicate("")
    with HostQueue(tmp_path).turn("perfgate gate b.toml", 0):
        pass
    assert not list(tmp_path.iterdir())


def test_a_killed_holder_stands_in_nobodys_way(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(tmp_path.iterdir())
    with HostQueue(tmp_path).turn("b", 0):
        pass
    assert not list(tmp_path.iterdir())


def test_those_who_wait_are_served_in_their_order_and_know_their_place(tmp_path: Path) -> None:
    queue, served, places = HostQueue(tmp_path), [], []
    drawn = [threading.Event() for _ in range(3)]

    def wait(number: int) -> None:
        def told(before: int, first: Ticket) -> None:
            places.append((number, before, first.what))
            drawn[number].set()

        with queue.turn(str(number), 60, told):
            served.append(number)

    with queue.turn("first", 0):
        threads = [threading.Thread(target=wait, args=(number,)) for number in range(3)]
        for number, thread in enumerate(threads):
            thread.start()
            assert drawn[number].wait(30)
    for thread in threads:
        thread.join(30)
    assert served == [0, 1, 2]
    assert places[:3] == [(0, 1, "first"), (1, 2, "first"), (2, 3, "first")]


def test_a_ticket_that_is_no_file_or_holds_garbage_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / f"{0:020d}-1.ticket").symlink_to("/etc/passwd")
    (tmp_path / f"{1:020d}-1.ticket").write_bytes(b"\0garbage")
    os.mkfifo(tmp_path / f"{2:020d}-1.new")
    with HostQueue(tmp_path).turn("a", 0):
        pass


def test_a_queue_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="PERFGATE_QUEUE"):
        HostQueue(tmp_path / "file")


def test_a_second_gate_on_this_host_is_refused_before_it_starts_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERFGATE_QUEUE", str(tmp_path / "queue"))
    (tmp_path / "queue").mkdir()
    process = holder(tmp_path / "queue")
    done = perfgate(
        ["gate", str(write_scenario(tmp_path)), "--target", str(write_target(tmp_path)), "--base", "default",
         "--candidate", "default", "--out", str(tmp_path / "out")], tmp_path / "cache",
    )  # fmt: skip
    process.communicate("")
    assert done.returncode == 3
    assert f"pid {process.pid}" in done.stderr
    assert "--wait" in done.stderr
