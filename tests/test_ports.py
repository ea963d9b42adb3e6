"""Claims about who owns a port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from perfgate_agent.ports import descendants, free_ports, is_listening, listeners


def test_free_ports_are_different_sorted_and_free() -> None:
    ports = free_ports(8)
    assert ports == sorted(set(ports))
    assert not any(is_listening(port) for port in ports)


def test_the_owner_of_a_listening_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert is_listening(port)
        assert listeners(port) == {os.getpid()}
    assert listeners(port) == set()


def test_children_of_children_count_as_descendants() -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '30']); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert {child.pid, grandchild} <= descendants(os.getpid())
        assert os.getpid() not in descendants(child.pid)
        os.kill(grandchild, 9)
