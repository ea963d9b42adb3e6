"""Claims about stores that run as another user than the agent: what they may, and that nothing of the agent's is given away."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from load_cases import PlainAdapter
from perfgate_agent.allowed import LOCAL
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.configuration_file import load_configuration
from perfgate_agent.host import Host
from perfgate_agent.lease import Lease
from perfgate_agent.process import start_process
from perfgate_agent.session import AgentSession
from perfgate_agent.store_user import StoreUser, find_user
from test_process import SERVER, started

from perfgate.errors import InputError, TargetError

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
TELL = """
import ctypes, json, os, sys
signal = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(signal), 0, 0, 0)
def may(what, *about):
    try:
        what(*about)
        return True
    except OSError:
        return False
told = {
    "ids": [*os.getresuid(), *os.getresgid()], "groups": os.getgroups(), "dies_with_parent": signal.value,
    "cwd": os.getcwd(), "home": os.environ["HOME"], "user": os.environ["USER"],
    "back": may(os.setuid, 0), "shadow": may(open, "/etc/shadow"), "log": may(open, sys.argv[2], "a"),
    "kept": may(os.listdir, sys.argv[3]), "writes": may(os.mkdir, "here"),
}
with open(os.path.join(sys.argv[4], "told.json"), "w") as file:
    json.dump(told, file)
"""


@pytest.fixture
def work() -> Iterator[Path]:
    """Not below pytest's own directory, which nobody but root may pass through."""
    directory = Path(tempfile.mkdtemp(prefix="perfgate-user-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def session_of(work: Path, user: StoreUser) -> AgentSession:
    """Opened, with its directories."""
    (work / "work").mkdir(mode=0o700)
    (work / "work" / "kept").mkdir(mode=0o700)
    settings = AgentConfiguration("a", "127.0.0.1", 0, work / "cache", work / "work", 1, allowed=LOCAL, store_user=user)
    session = AgentSession(settings, Lease("token", "ci", "run", 0))
    session.open()
    return session


@AS_ROOT
async def test_a_store_of_another_user_is_that_user_and_no_more_and_dies_with_the_agent(work: Path) -> None:
    user = find_user("nobody", "host.user")
    host: Host = session_of(work, user)._host
    place = work / "work" / "session-token" / "process-1"
    data = host._fresh(place / "data")
    start = started(place, TELL + SERVER)
    words = (
        "/usr/bin/python3",
        "-c",
        TELL + SERVER,
        str(start.address.port),
        str(start.log),
        str(work / "work" / "kept"),
    )
    start = dataclasses.replace(start, command=(*words, str(data)), user=user, home=place / "home")
    process = await start_process(start, {})
    try:
        await process.await_ready(PlainAdapter())
        process.check_owner()
    finally:
        process.kill()
        await process.wait()
    told = json.loads((data / "told.json").read_text())
    assert told["ids"] == [user.uid] * 3 + [user.gid] * 3
    assert set(told["groups"]) == set(user.groups)
    assert told["dies_with_parent"] == 9, "whoever becomes somebody else must be tied anew"
    assert told["cwd"] == told["home"] == str(place / "home")
    assert (told["user"], told["writes"]) == ("nobody", True)
    assert not any(told[name] for name in ("back", "shadow", "log", "kept"))
    assert (data / "told.json").stat().st_uid == user.uid


@AS_ROOT
async def test_a_link_that_a_store_leaves_in_its_data_leads_the_agent_nowhere(work: Path) -> None:
    user = find_user("nobody", "host.user")
    host: Host = session_of(work, user)._host
    secret = work / "secret"
    secret.write_text("of root alone")
    secret.chmod(0o600)
    session = work / "work" / "session-token"
    data = host._fresh(session / "build-0" / "data")
    (data / "link").symlink_to(secret)
    (data / "own").write_text("data")
    os.chown(data / "own", user.uid, user.gid)
    copy = await host._copy(data, session / "process-1" / "data")
    assert (copy / "link").is_symlink()
    assert (copy / "own").read_text() == "data"
    assert {path.lstat().st_uid for path in copy.iterdir()} == {user.uid}
    os.chown(data / "own", 0, 0)
    (data / "own").chmod(0o600)
    with pytest.raises(TargetError, match=r"cannot be copied by user nobody: cp: cannot open .*own"):
        await host._copy(data, session / "process-2" / "data")


@AS_ROOT
def test_the_agents_file_names_the_user(tmp_path: Path) -> None:
    assert configured(tmp_path, "nobody").store_user == find_user("nobody", "")


@pytest.mark.parametrize(
    ("name", "euid", "words"),
    [
        ("no-such-user", 0, r"agent.toml: host.user = 'no-such-user': this machine has no such user"),
        (
            "nobody",
            1000,
            r"agent.toml: host.user = 'nobody': only an agent that runs as root can start stores as another",
        ),
        ("root", 0, r"agent.toml: host.user = 'root': that is root itself"),
    ],
)
def test_a_user_that_stores_cannot_be_started_as_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, euid: int, words: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    with pytest.raises(InputError, match=words):
        configured(tmp_path, name)


def configured(directory: Path, user: str) -> AgentConfiguration:
    path = directory / "agent.toml"
    path.write_text(f'work_dir = "work"\ncache_dir = "cache"\n[host]\nuser = "{user}"\n')
    return load_configuration(path)
