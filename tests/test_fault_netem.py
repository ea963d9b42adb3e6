"""Lines by the kernel's own netem: which commands are given, and that tc takes their words, also where the kernel cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from network_lab import check_or_skip

from benchmarks.faults.line import Line
from benchmarks.faults.network import network

LINES = [Line(), Line(1), Line(20), Line(100, 0.01), Line(20, rate=20_000), Line(0.5, 0.333, 1_234_567), Line(cut=True)]
FAKE = """#!/bin/sh
echo "$(readlink /proc/self/ns/net) $*" >> {log}
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tc that takes everything and writes down what, before the real one."""
    check_or_skip()
    log, fake = tmp_path / "tc.log", tmp_path / "tc"
    fake.write_text(FAKE.format(log=log))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return log


def test_with_netem_both_ends_of_a_hosts_line_are_set_and_no_switch_of_ours_runs(told: Path) -> None:
    with network("here", "there") as made:
        assert made.netem
        assert made._switch is None
        (asked,) = told.read_text().splitlines()
        assert "qdisc add dev try1 root netem limit 10000 delay 1ms loss 1.0% rate 160000bit" in asked
        told.write_text("")
        made.set_line("there", Line(20, 0.01))
        made.cut("there")
        made.heal("there")
        given = [line.partition(" ") for line in told.read_text().splitlines()]
        inside = os.readlink(f"/proc/{made.hosts['there'].pid}/ns/net")
        middle = os.readlink(f"/proc/{made._middle.pid}/ns/net")
    words = ["limit 10000 delay 20ms loss 1.0%", "loss 100%", "limit 10000 delay 0.0ms"]
    assert [(where, what) for where, _, what in given] == [
        (where, f"qdisc replace dev {device} root netem {word}")
        for word in words
        for where, device in ((middle, "p2"), (inside, "eth0"))
    ]


def test_with_netem_hosts_reach_each_other_over_a_bridge(told: Path) -> None:
    """The fake delays nothing; what is tried is how the hosts are wired."""
    ask = "import socket, sys; socket.create_connection((sys.argv[1], 5000), 3).recv(2)"
    serve = "import socket; l = socket.create_server(('', 5000)); print('ready', flush=True)\nwhile 1: l.accept()[0].send(b'ok')"
    with network("here", "there") as made:
        assert made.netem
        there = made.hosts["there"].start(["python3", "-I", "-c", serve])
        assert there.stdout is not None
        assert there.stdout.readline() == "ready\n"
        asked = made.hosts["here"].start(["python3", "-I", "-c", ask, made.hosts["there"].address])
        _, errors = asked.communicate(timeout=30)
        assert asked.returncode == 0, errors


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line.netem))
def test_tc_understands_every_line(line: Line) -> None:
    """A kernel without sch_netem refuses the discipline, but only after tc itself has understood all words."""
    check_or_skip()
    assert wrong_words(line.netem) == ""


def test_a_word_that_tc_does_not_know_would_be_found() -> None:
    check_or_skip()
    assert 'What is "lose"?' in wrong_words(["lose", "1%"])


def wrong_words(words: list[str]) -> str:
    """What tc says of them, in a namespace of its own; nothing where they are right."""
    tc = shutil.which("tc")
    assert tc is not None
    script = f"ip link add d0 type veth peer name d1 && exec {tc} qdisc replace dev d0 root netem {' '.join(words)}"
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False)
    said = done.stderr.strip()
    return "" if done.returncode == 0 or "qdisc kind is unknown" in said else said
