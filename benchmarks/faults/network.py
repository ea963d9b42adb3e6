"""Hosts on one machine: a network namespace each, joined by veth pairs at a switch, with mounts of their own. Needs root.

Namespaces have no names: each lives as long as a process in it, and every process dies with the one that made it, whatever
ends that. So nothing is left over, even after SIGKILL, and two networks never meet (network_namespaces(7), prctl(2)).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import perfgate_agent.spawn as spawn

from benchmarks.faults import offloads
from benchmarks.faults.line import Line

ROOT = Path(__file__).resolve().parent.parent.parent
NETWORK = "10.77.0"
PROGRAMS = ("ip", "tc", "nsenter", "unshare", "mount")
HOLD = "ip link set lo up && echo ok && exec sleep infinity"


class NotHere(Exception):
    """What this machine cannot do, in words."""


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """A namespace, kept open by the process `pid`."""

    number: int
    name: str
    pid: int

    @property
    def address(self) -> str:
        return f"{NETWORK}.{self.number}"

    def start(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, clock_ahead_s: int = 0,
        output: int | IO[str] = subprocess.PIPE, errors: int | IO[str] = subprocess.PIPE,
    ) -> subprocess.Popen[str]:  # fmt: skip
        """In this host; dies with this process. clock_ahead_s: of its monotonic clock, as on a machine that has run for
        longer (time_namespaces(7))."""
        ahead = ["unshare", "--time", "--monotonic", str(clock_ahead_s)] if clock_ahead_s else []
        return subprocess.Popen(
            [*entering(self.pid), *ahead, *tied(), *command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=errors, text=True, env=dict(environment or os.environ),
        )  # fmt: skip

    def path(self, inside: Path) -> Path:
        """A file or directory as this host sees it, which has mounts of its own."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def mount_small(self, directory: Path, kilobytes: int) -> None:
        """A file system there that is soon full, and that only this host sees."""
        directory.mkdir(parents=True, exist_ok=True)
        run([*entering(self.pid), "mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(directory)])

    def processes(self) -> dict[int, str]:
        """All that run here, but the one that holds it open: their command lines by pid."""
        own = os.readlink(f"/proc/{self.pid}/ns/net")
        found = {}
        for name in (entry.name for entry in os.scandir("/proc") if entry.name.isdigit()):
            with contextlib.suppress(OSError):
                if int(name) != self.pid and os.readlink(f"/proc/{name}/ns/net") == own:
                    words = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                    if words:  # of what has ended and is not waited for yet, nothing is left
                        found[int(name)] = words
        return found


class Network:
    """Made by `network`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._middle = _hold()
        self._holders = [_hold() for _ in names]
        self._switch: subprocess.Popen[str] | None = None
        self.hosts = {
            name: Host(number, name, holder.pid)
            for number, (name, holder) in enumerate(zip(names, self._holders, strict=True), 1)
        }
        self.netem = False

    def join(self) -> None:
        """Wire them up. netem: the kernel's own does what a line does to packets; otherwise our switch does it."""
        self.netem = _has_netem(self._middle.pid)
        for host in self.hosts.values():
            _join(host, list(self.hosts.values()), self._middle.pid)
        ports = [host.number for host in self.hosts.values()]
        if self.netem:
            _ip(self._middle.pid, ["link add br0 type bridge", "link set br0 up"])
            _ip(self._middle.pid, [f"link set p{port} master br0" for port in ports])
            return
        for host in self.hosts.values():
            run([*entering(host.pid), sys.executable, "-I", "-S", offloads.__file__])
        self._switch = subprocess.Popen(
            [*entering(self._middle.pid), *tied("-15"), sys.executable, "-m", "benchmarks.faults.switch", *map(str, ports)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._switch_says_ok()

    def set_line(self, name: str, line: Line) -> None:
        """From now on, for packets of both directions."""
        host = self.hosts[name]
        if self.netem:
            for pid, device in ((self._middle.pid, f"p{host.number}"), (host.pid, "eth0")):
                run([*entering(pid), "tc", "qdisc", "replace", "dev", device, "root", "netem", *line.netem])
            return
        assert self._switch is not None
        assert self._switch.stdin is not None
        self._switch.stdin.write(json.dumps({"port": host.number, **dataclasses.asdict(line)}) + "\n")
        self._switch.stdin.flush()
        self._switch_says_ok()

    def cut(self, name: str) -> None:
        self.set_line(name, Line(cut=True))

    def heal(self, name: str) -> None:
        self.set_line(name, Line())

    def close(self) -> None:
        """Ends what still runs in the hosts, and with it the hosts."""
        for host in self.hosts.values():
            for pid in host.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for one in (*([self._switch] if self._switch else []), *self._holders, self._middle):
            one.kill()
            one.communicate()

    def _switch_says_ok(self) -> None:
        assert self._switch is not None
        assert self._switch.stdout is not None
        if self._switch.stdout.readline() != "ok\n":
            raise NotHere("the switch between the namespaces has ended")


@contextlib.contextmanager
def network(*names: str) -> Iterator[Network]:
    """Hosts of these names, 10.77.0.1 and so on, each of which reaches all others. Raises NotHere."""
    check()
    made = Network(names)
    try:
        made.join()
        yield made
    finally:
        made.close()


def check() -> None:
    """Raises NotHere, saying what is missing for hosts on this machine."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise NotHere(f"{', '.join(missing)}: not installed (Debian's iproute2, util-linux and mount have them)")
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "ip", "link", "add", "p1", "type", "veth", "peer", "name", "p2"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tried.returncode:
        raise NotHere(f"no network namespaces with veth pairs for this user: {tried.stderr.strip()}")


def entering(pid: int) -> list[str]:
    """The words that make a command run in the namespaces of that process."""
    return ["nsenter", f"--net=/proc/{pid}/ns/net", f"--mount=/proc/{pid}/ns/mnt", "env", "-C", str(ROOT)]


def tied(priority: str = "normal") -> list[str]:
    """The words that make a command die with this process."""
    return [sys.executable, "-I", "-S", spawn.__file__, str(os.getpid()), "-", priority]


def run(command: Sequence[str], told: str = "") -> None:
    """Raises NotHere with what the command says when it fails."""
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHere(f"{' '.join(command)}: {done.stderr.strip()}")


def _hold() -> subprocess.Popen[str]:
    """A process in new namespaces, which does nothing."""
    holder = subprocess.Popen(
        [*tied(), "unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", HOLD],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    if holder.stdout.readline() != "ok\n":
        raise NotHere("no network namespaces for this user")
    return holder


def _join(host: Host, hosts: Sequence[Host], middle: int) -> None:
    """A veth pair to the switch. Everybody knows everybody's MAC address: with packets lost, asking takes seconds."""
    port = f"p{host.number}"
    _ip(middle, [
        f"link add {port} type veth peer name eth0 address {_mac(host)} netns {host.pid}", f"link set {port} up",
    ])  # fmt: skip
    others = [one for one in hosts if one is not host]
    _ip(host.pid, [
        f"addr add {host.address}/24 dev eth0", "link set eth0 up",
        *(f"neigh replace {one.address} lladdr {_mac(one)} dev eth0 nud permanent" for one in others),
    ])  # fmt: skip


def _mac(host: Host) -> str:
    return f"02:00:00:00:00:{host.number:02x}"


def _ip(pid: int, orders: Sequence[str]) -> None:
    run([*entering(pid), "ip", "-batch", "-"], "\n".join(orders) + "\n")


def _has_netem(pid: int) -> bool:
    """A module of its own (sch_netem), which small kernels do not have."""
    _ip(pid, ["link add try1 type veth peer name try2"])
    tried = ["tc", "qdisc", "add", "dev", "try1", "root", "netem", *Line(1, 0.01, 20_000).netem]
    has = subprocess.run([*entering(pid), *tried], capture_output=True, check=False).returncode == 0
    _ip(pid, ["link del try1"])
    return has
