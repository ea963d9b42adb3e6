"""Lines between hosts: what they do to packets, as a function of time, and for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_lab import check_or_skip

from benchmarks.faults.line import MOST_WAITING_NS, Direction, Line
from benchmarks.faults.network import ROOT, network
from perfgate.units import NS_PER_MS, NS_PER_S

SIZES = st.lists(st.integers(60, 1514), min_size=1, max_size=50)


def direction(line: Line) -> Direction:
    made = Direction(Random(1))
    made.line = line
    return made


@given(SIZES, st.floats(0, 500))
def test_a_delay_moves_every_packet_by_the_same_time(sizes: list[int], delay_ms: float) -> None:
    one = direction(Line(delay_ms))
    for now, size in enumerate(sizes):
        assert one.leaves_ns(now, size) == now + round(delay_ms * NS_PER_MS)


@given(SIZES, st.integers(1000, 10**6))
def test_a_slow_line_carries_no_more_than_its_rate_and_keeps_the_order(sizes: list[int], rate: int) -> None:
    one = direction(Line(rate=rate))
    times = [(one.leaves_ns(0, size), size) for size in sizes]
    kept = [(left, size) for left, size in times if left is not None]
    assert kept == sorted(kept, key=lambda pair: pair[0])
    for place, (left, _) in enumerate(kept, 1):
        sent = sum(size for _, size in kept[:place])
        assert left == pytest.approx(sent / rate * NS_PER_S, abs=place)
        assert left <= MOST_WAITING_NS + 1514 / rate * NS_PER_S + place


def test_one_packet_in_a_hundred_is_lost() -> None:
    one = direction(Line(loss=0.01))
    lost = sum(one.leaves_ns(0, 60) is None for _ in range(100_000))
    assert 850 < lost < 1150  # five standard deviations


def test_nothing_passes_a_line_that_is_cut() -> None:
    assert {direction(Line(1, cut=True)).leaves_ns(now, 60) for now in range(100)} == {None}


def test_hosts_hear_each_other_until_the_line_is_cut_and_again_when_it_is_healed() -> None:
    check_or_skip()
    ask = "import socket, sys; socket.create_connection((sys.argv[1], 5000), 1).recv(2)"
    serve = "import socket; l = socket.create_server(('', 5000)); print('ready', flush=True)\nwhile 1: l.accept()[0].send(b'ok')"
    with network("here", "there") as made:
        there = made.hosts["there"].start([sys.executable, "-I", "-c", serve])
        assert there.stdout is not None
        assert there.stdout.readline() == "ready\n"

        def heard() -> bool:
            asked = made.hosts["here"].start([sys.executable, "-I", "-c", ask, made.hosts["there"].address])
            asked.communicate()
            return asked.returncode == 0

        assert heard()
        made.cut("there")
        assert not heard()
        made.heal("there")
        assert heard()


def test_nothing_is_left_of_hosts_whose_maker_is_killed(tmp_path: Path) -> None:
    check_or_skip()
    maker = textwrap.dedent("""
        import sys, time
        from benchmarks.faults.network import network
        with network("here", "there") as made:
            inside = made.hosts["there"].start(["sleep", "600"])
            print(inside.pid, *(host.pid for host in made.hosts.values()), made._switch.pid if made._switch else 1, flush=True)
            time.sleep(600)
    """)
    path = f"{ROOT}:{ROOT / 'agents'}:{ROOT / 'controller'}"
    process = subprocess.Popen(
        [sys.executable, "-c", maker],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 10
    while alive := [pid for pid in pids if pid > 1 and Path(f"/proc/{pid}").exists() and not _ended(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)
    assert len(pids) == 4


def _ended(pid: int) -> bool:
    """Dead, whether somebody has waited for it or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
