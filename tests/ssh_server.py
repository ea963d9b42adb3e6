"""An OpenSSH server of one's own on loopback: its configuration, host key and user key below a temporary directory."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
ForceCommand {directory}/noting
"""

NOTING = """#!/bin/sh
# Keeps what the other side asked for, as the process list would show it, and does it.
printf '%s\\n' "$SSH_ORIGINAL_COMMAND" >> {directory}/asked
case "$SSH_ORIGINAL_COMMAND" in
  internal-sftp*|*sftp-server*) exec {sftp} ;;
  *) exec /bin/sh -c "$SSH_ORIGINAL_COMMAND" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class SshServer:
    """key: of a user who may log in. known_hosts: with the server's host key. asked: every command, one a line."""

    port: int
    user: str
    key: Path
    stranger: Path
    known_hosts: Path
    asked: Path


def find_sshd() -> str | None:
    """Debian keeps it outside of an ordinary user's PATH."""
    return shutil.which("sshd") or next((path for path in ("/usr/sbin/sshd",) if os.path.exists(path)), None)


@contextlib.contextmanager
def ssh_server() -> Iterator[SshServer]:
    """Ended at the end, with whatever it serves."""
    program = find_sshd()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="perfgate-ssh-") as name:
        directory = Path(name)
        for key in ("host_key", "user_key", "stranger_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / key)], check=True)
        shutil.copy(directory / "user_key.pub", directory / "authorized_keys")
        port = _free_port()
        _write_settings(directory, port)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        process = subprocess.Popen(
            [program, "-D", "-e", "-f", str(directory / "config")], stderr=subprocess.PIPE, text=True
        )
        try:
            _await_listening(process)
            yield SshServer(
                port, getpass.getuser(), directory / "user_key", directory / "stranger_key", directory / "known_hosts",
                directory / "asked",
            )  # fmt: skip
        finally:
            process.terminate()
            process.communicate()


def _write_settings(directory: Path, port: int) -> None:
    sftp = next(
        (path for path in ("/usr/lib/openssh/sftp-server", "/usr/libexec/sftp-server") if os.path.exists(path)), ""
    )
    (directory / "config").write_text(CONFIG.format(port=port, directory=directory))
    (directory / "noting").write_text(NOTING.format(directory=directory, sftp=sftp))
    (directory / "noting").chmod(0o755)
    (directory / "asked").touch()
    public = (directory / "host_key.pub").read_text()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")


def _await_listening(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        if "Server listening" in line:
            return
        said += line
    raise AssertionError(f"sshd did not start: {said}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
