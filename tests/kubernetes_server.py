"""A real API server of Kubernetes with its etcd, on loopback: it checks, defaults and keeps objects, and nothing runs them.

The two programs come from PERFGATE_KUBE (a directory; default ~/.cache/perfgate-kube/bin). etcd is Debian's package etcd-server;
kube-apiserver is built by Go from its module: scripts/kube_apiserver.sh.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from kubernetes_stand_in import write_kubeconfig

PLACE = Path(os.environ.get("PERFGATE_KUBE") or Path.home() / ".cache/perfgate-kube/bin")
READY_S = 60


def why_not() -> str:
    """Why there can be no server here; empty where there can."""
    missing = [name for name in ("etcd", "kube-apiserver") if not (PLACE / name).exists()]
    return f"no {' and '.join(missing)} in {PLACE} (scripts/kube_apiserver.sh)" if missing else ""


@contextlib.contextmanager
def kubernetes_server(directory: Path) -> Iterator[Path]:
    """Its kubeconfig, for a user who may do everything."""
    etcd, peer, port = _free_ports(3)
    token = secrets.token_hex(16)
    (directory / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    key = directory / "accounts.pem"
    subprocess.run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(key)], check=True)
    store = [
        str(PLACE / "etcd"), f"--data-dir={directory}/etcd", f"--listen-client-urls=http://127.0.0.1:{etcd}",
        f"--advertise-client-urls=http://127.0.0.1:{etcd}", f"--listen-peer-urls=http://127.0.0.1:{peer}", "--unsafe-no-fsync",
    ]  # fmt: skip
    server = [
        str(PLACE / "kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{etcd}", f"--secure-port={port}",
        "--bind-address=127.0.0.1", f"--cert-dir={directory}/serving", f"--token-auth-file={directory}/tokens.csv",
        "--authorization-mode=RBAC", f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://perfgate.test", "--service-cluster-ip-range=10.9.0.0/24",
        "--disable-admission-plugins=ServiceAccount",
    ]  # fmt: skip
    with _process(store, directory / "etcd.log"), _process(server, directory / "server.log") as process:
        address = f"https://127.0.0.1:{port}"
        _await_ready(process, f"{address}/readyz", directory)
        authority = str(directory / "serving" / "apiserver.crt")
        yield write_kubeconfig(directory, address, {"token": token}, **{"certificate-authority": authority})


@contextlib.contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.kill()


def _await_ready(process: subprocess.Popen[bytes], address: str, directory: Path) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    until = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(address, context=context, timeout=5).close()
            return
        time.sleep(0.2)
    raise AssertionError(f"the API server did not start: {(directory / 'server.log').read_text()[-2000:]}")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
