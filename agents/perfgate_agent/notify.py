"""Words to systemd, as sd_notify(3) sends them: one datagram to the socket that $NOTIFY_SOCKET names."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(**words: str) -> None:
    """notify(READY="1", STATUS="…"). Does nothing where nobody listens: a service that is not started by systemd."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    message = "\n".join(f"{key}={' '.join(value.split())}" for key, value in words.items())
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as endpoint:
        endpoint.sendto(message.encode(), "\0" + path[1:] if path.startswith("@") else path)
