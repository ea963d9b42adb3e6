"""What is run where an agent is to live: by this machine's own launcher, and at the other end of ssh.

Only Python's own library, and only what Python 3.9 has, so that an old Python can at least say what is wrong. These files are
sent as they are (see `helper_call.py`); nothing of them stays.

An agent has a directory of its own: agent.toml, certs/, targets/, log, out, and run.json for as long as it runs, which names
its process by pid, start time and boot, so that nobody else's process is ever signalled.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import time
from typing import Any

from perfgate_controller.launch.helper.files import TAIL, Refused, check_python, locked, run, write
from perfgate_controller.launch.helper.processes import POLL_S, alive, identity_of, stop_process
from perfgate_controller.launch.helper.services import service_state, start_service, stop_service

Order = dict[str, Any]
READY = "perfgate agent ready on "


def start(order: Order) -> Order:
    """An agent as `order` says, in its directory. One that runs is left alone (`again`), but gets renewed certificates.
    Raises Refused for one that runs with other settings, and for one that does not come up."""
    directory = _directory(order)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    with locked(directory):
        running = _running(directory)
        if running and running["digest"] != order["digest"]:
            raise Refused(f"runs already, with other settings ({_who(running)}); end it first: perfgate fleet down")
        for name, content in order["files"].items():
            if not running or name.startswith("certs/"):  # an agent takes up renewed certificates by itself
                write(os.path.join(directory, name), base64.b64decode(content))
        if running:
            return dict(_public(running), again=True)
        check_python(order["command"][0])
        if order.get("service"):
            return start_service(directory, order)
        return _start_detached(directory, order)


def status(order: Order) -> Order:
    """state: running, ended (by itself; `log` has its last words) or stopped."""
    directory = _directory(order)
    running = _running(directory)
    if running:
        return dict(_public(running), state="running")
    ended = os.path.exists(os.path.join(directory, "run.json"))
    return {"state": "ended" if ended else "stopped", "log": _tail(directory) if ended else ""}


def stop(order: Order) -> Order:
    """Ends the agent and deletes its key, its record and its work; may be called again. Raises Refused where a process
    is left."""
    directory = _directory(order)
    if not os.path.isdir(directory):
        return {"how": "was not there"}
    with locked(directory):
        running = _running(directory)
        how = "was not running"
        if running and running.get("service"):
            how = stop_service(running["service"])
        elif running:
            how = stop_process(running["pid"], running, order["patience_s"])
        for name in ("certs/key.pem", "run.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(directory, name))
        shutil.rmtree(os.path.join(directory, "work"), ignore_errors=True)
        return {"how": how}


def environment(order: Order) -> Order:
    """A virtual environment with the wheels that were uploaded; complete, or not there."""
    directory = _directory(order)
    os.makedirs(os.path.dirname(directory), mode=0o700, exist_ok=True)
    python = os.path.join(directory, "bin", "python")
    with locked(os.path.dirname(directory)):
        if os.path.exists(os.path.join(directory, "complete")):
            return {"python": python, "again": True}
        shutil.rmtree(directory, ignore_errors=True)
        check_python(order["python"])
        run([order["python"], "-m", "venv", directory], "python3 -m venv (Debian: apt-get install python3-venv)")
        wheels = os.path.expanduser(order["wheels"])
        where = ["--no-index", "--find-links", wheels] if order["offline"] else []
        given = [os.path.join(wheels, name) for name in order["install"]]
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *where, *given], "pip install")
        run([python, "-c", "import perfgate_agent"], "import of what was installed")
        with open(os.path.join(directory, "complete"), "w"):
            pass
        return {"python": python, "again": False}


def uploads(order: Order) -> Order:
    """The directory for wheels, made; and which of these files are there already, whole."""
    directory = _directory(order)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    sizes = {name: os.path.getsize(os.path.join(directory, name)) for name in os.listdir(directory)}
    return {"directory": directory, "there": [name for name, size in order["sizes"].items() if sizes.get(name) == size]}


def _start_detached(directory: str, order: Order) -> Order:
    for name in ("out", "log"):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            os.replace(path, path + ".before")
    if not os.fork():
        _become(directory, order)
    until = time.monotonic() + order["wait_s"]
    while time.monotonic() < until:
        running = _running(directory)
        address = _ready(directory)
        if running and address:
            running["address"] = address
            write(os.path.join(directory, "run.json"), json.dumps(running).encode())
            return dict(_public(running), again=False)
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(-1, os.WNOHANG)[0]:
                break
        time.sleep(POLL_S)
    running = _running(directory)
    if running:
        stop_process(running["pid"], running, 1.0)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, "run.json"))
    raise Refused(f"did not start: {_tail(directory) or 'it said nothing in time'}")


def _become(directory: str, order: Order) -> None:
    """In the child: leave the caller's session, say who this is, be the agent."""
    try:
        os.setsid()
        os.chdir(directory)
        null = os.open(os.devnull, os.O_RDONLY)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        out, log = os.open("out", flags, 0o600), os.open("log", flags, 0o600)
        for number, source in enumerate((null, out, log)):
            os.dup2(source, number)
        os.closerange(3, 1024)
        run = dict(identity_of(os.getpid()), digest=order["digest"], began=time.time())
        write(os.path.join(directory, "run.json"), json.dumps(run).encode())
        os.execvpe(order["command"][0], order["command"], dict(os.environ, **order["environment"]))
    except BaseException as error:
        os.write(2, f"cannot start the agent: {error}\n".encode())
    os._exit(127)


def _running(directory: str) -> Order | None:
    """What run.json says, where that process lives."""
    try:
        with open(os.path.join(directory, "run.json")) as file:
            run: Order = json.load(file)
    except (OSError, ValueError):
        return None
    run.setdefault("address", _ready(directory))
    if run.get("service"):
        return run if service_state(run["service"]).get("ActiveState") == "active" else None
    return run if alive(run) else None


def _ready(directory: str) -> str | None:
    with contextlib.suppress(OSError), open(os.path.join(directory, "out")) as file:
        for line in file:
            if line.startswith(READY) and line.endswith("\n"):
                return line[len(READY) :].split()[0]
    return None


def _tail(directory: str) -> str:
    with contextlib.suppress(OSError), open(os.path.join(directory, "log"), errors="replace") as file:
        return " / ".join(line.strip() for line in file.readlines()[-TAIL:])
    return ""


def _directory(order: Order) -> str:
    return os.path.abspath(os.path.expanduser(str(order["directory"])))


def _public(run: Order) -> Order:
    return {key: run[key] for key in ("pid", "address", "began", "service") if key in run}


def _who(run: Order) -> str:
    return str(run.get("service") or f"pid {run['pid']}")


ACTIONS = {"start": start, "status": status, "stop": stop, "environment": environment, "uploads": uploads}


def answer(order: Order) -> Order:
    """Carry out one order; never raises."""
    try:
        return {"done": ACTIONS[order["action"]](order)}
    except Refused as error:
        return {"refused": str(error)}
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
