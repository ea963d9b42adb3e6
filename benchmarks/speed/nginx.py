"""The server that all are measured against: nginx with one process on one core and a configuration of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.launch import SERVER_CPU, ToolError, pinned, process_cpu_s

START_S = 5.0
STOP_S = 3.0
STORED = '{"memory_id":"s0","storage_confidence":{"value":0.95}}'
FOUND = (
    '{"memories":{"vivid":[{"id":"n0","content":"one","similarity_score":0.9,"activation_level":0.9}],'
    '"associated":[],"reconstructed":[]}}'
)
CONFIGURATION = """\
daemon off;
master_process off;
user {user};
pid {directory}/nginx.pid;
error_log {directory}/error.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{ # a small reply
    listen 127.0.0.1:{get_port} backlog=4096;
    default_type text/plain;
    location = / {{ return 200 "hello\\n"; }}
  }}
  server {{ # the seed's mix: bodies of some 8 KB, queries of some 10 KB, replies that the adapter accepts
    listen 127.0.0.1:{mix_port} backlog=4096;
    default_type application/json;
    client_max_body_size 1m;
    client_body_buffer_size 64k;
    client_header_buffer_size 32k;
    large_client_header_buffers 8 64k;
    location = /api/v1/memories/remember {{ return 201 '{stored}'; }}
    location = /api/v1/memories/recall {{ return 200 '{found}'; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """Running. get_port serves `/`; mix_port the seed's mix."""

    pid: int
    get_port: int
    mix_port: int

    @property
    def get_url(self) -> str:
        return f"http://127.0.0.1:{self.get_port}/"

    def cpu_s(self) -> float:
        return process_cpu_s(self.pid)


def find_nginx() -> str | None:
    """Debian keeps it where an ordinary user's PATH does not look."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def running_nginx(directory: Path) -> Iterator[Nginx]:
    """Ends with the block, or with this process. Raises ToolError when it does not start."""
    binary = find_nginx()
    if binary is None:
        raise ToolError("nginx is not installed: scripts/peers.sh nginx (or apt-get install nginx-light)")
    get_port, mix_port = _free_ports(2)
    path = directory / "nginx.conf"
    path.write_text(
        CONFIGURATION.format(
            user=getpass.getuser(),
            directory=directory,
            get_port=get_port,
            mix_port=mix_port,
            stored=STORED,
            found=FOUND,
        )
    )
    command = [binary, "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(path)]
    process = subprocess.Popen(
        pinned(command, SERVER_CPU), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=(directory / "stderr.log").open("wb"), start_new_session=True,
    )  # fmt: skip
    try:
        for port in (get_port, mix_port):
            _await_port(port, process, directory)
        yield Nginx(process.pid, get_port, mix_port)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(port: int, process: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    said = "".join(
        (directory / name).read_text() for name in ("stderr.log", "error.log") if (directory / name).exists()
    )
    raise ToolError(f"nginx does not answer on port {port}: {said.strip() or 'it said nothing'}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            os.close(one.detach())
