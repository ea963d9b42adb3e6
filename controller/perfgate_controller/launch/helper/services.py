"""An agent as a unit of the user's own systemd."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from typing import Any

from perfgate_controller.launch.helper.files import Refused, run, write


def start_service(directory: str, order: dict[str, Any]) -> dict[str, Any]:
    """A unit of the user's own systemd, which restarts it; `start` returns when it says that it is ready."""
    unit, name = _unit_path(order["service"]), order["service"]
    text = base64.b64decode(order["unit"]).replace(b"@DIRECTORY@", directory.replace("%", "%%").encode())
    write(unit, text)
    _systemctl("daemon-reload")
    try:
        _systemctl("start", name)
    except Refused as error:
        stop_service(name)
        raise Refused(f"{error}; journalctl --user -u {name} says why") from None
    state = service_state(name)
    record = {"service": name, "pid": int(state.get("MainPID", 0)), "began": time.time(), "address": order["address"]}
    write(os.path.join(directory, "run.json"), json.dumps(dict(record, digest=order["digest"])).encode())
    return dict(record, again=False)


def stop_service(name: str) -> str:
    """Takes the unit away, too. Returns how it ended. Raises Refused with systemd's words."""
    _systemctl("stop", name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_unit_path(name))
    _systemctl("daemon-reload")
    return "ended by systemd"


def service_state(name: str) -> dict[str, str]:
    """ActiveState and MainPID, as systemd writes them; a unit that it does not know is `inactive`."""
    text = _systemctl("show", "--property=ActiveState,MainPID", name)
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _unit_path(name: str) -> str:
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(base, "systemd", "user", name + ".service")


def _systemctl(*arguments: str) -> str:
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return run(["systemctl", "--user", *arguments], "systemctl --user", dict(os.environ, XDG_RUNTIME_DIR=runtime))
