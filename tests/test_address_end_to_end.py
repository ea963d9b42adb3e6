"""Claims about loads over TLS and Unix sockets, through the command line: the real store behind a relay of the test's."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from background import in_background
from certificates import NAME, make_certificate, serving
from cluster import measured, perfgate, write_scenario, write_target
from embedded_store import running_store
from relay import relayed

from perfgate.address import Address

RELAYED = Path(__file__).with_name("relayed_store.py")
WHERE = {"tls": '"--port", "{port}", "--certificate", "CERTIFICATE"', "socket": '"--socket", "{socket}"'}
INSECURE = "the store's certificate was not checked"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def relayed_store(tls: ssl.SSLContext | None = None, path: Path | None = None) -> AsyncIterator[Address]:
    """The built-in store, where nobody else knows its own port."""
    async with running_store(16) as port, relayed(port, tls=tls, path=path) as address:
        yield address


def load(
    directory: Path, cache: Path, address: Address, tls: str = "", out: str = "out"
) -> subprocess.CompletedProcess[str]:
    """`perfgate run --url` for a second; tls: the lines of the target file's `[tls]`."""
    scenario, target = write_scenario(directory, seconds=1), write_target(directory)
    if tls:
        target.write_text(f"{target.read_text()}\n[tls]\n{tls}\n")
    words = ["run", str(scenario), "--target", str(target), "--url", str(address), "--out", str(directory / out)]
    return perfgate([*words, "--warmup", "0s"], cache)


def record(directory: Path, out: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / out / "result.json").read_text())["record"]
    return found


def check_all_answered(directory: Path) -> None:
    operations = record(directory)["arms"]["base"]["operations"].values()
    assert sum(part["outcomes"]["ok"] for part in operations) == 400
    assert sum(part["found"] for part in operations) > 0, "answers are looked at, too"


def test_a_store_behind_tls_is_filled_verified_and_loaded(tmp_path: Path, cache: Path, certificate: Path) -> None:
    trust = f'ca_file = "{certificate}"\nserver_name = "{NAME}"'
    with in_background(relayed_store(tls=serving(certificate))) as address:
        first = load(tmp_path, cache, address, trust)
    assert measured(first), first.stdout + first.stderr
    check_all_answered(tmp_path)
    assert record(tmp_path)["builds"] == {"base": str(address)}
    assert str(address).startswith("https://")
    assert INSECURE not in first.stdout
    assert "PRIVATE KEY" not in (tmp_path / "out" / "result.json").read_text()


def test_a_store_behind_a_unix_socket_is_filled_verified_and_loaded(tmp_path: Path, cache: Path) -> None:
    with in_background(relayed_store(path=tmp_path / "a store")) as address:
        done = load(tmp_path, cache, address)
    assert measured(done), done.stdout + done.stderr
    check_all_answered(tmp_path)
    again = record(tmp_path)["environment"]["command"]
    assert f"--url {address}" in again
    assert str(address).startswith("unix:/")


def test_a_certificate_that_nobody_vouches_for_is_one_message_before_the_run(
    tmp_path: Path, cache: Path, certificate: Path
) -> None:
    with in_background(relayed_store(tls=serving(certificate))) as address:
        done = load(tmp_path, cache, address)
    assert done.returncode == 3
    assert f"the certificate of {address} is not trusted" in done.stderr
    assert "insecure = true" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "result.json").exists()


def test_a_run_that_checked_no_certificate_says_so(tmp_path: Path, cache: Path, certificate: Path) -> None:
    with in_background(relayed_store(tls=serving(certificate))) as address:
        done = load(tmp_path, cache, address, "insecure = true")
    assert measured(done), done.stdout + done.stderr
    check_all_answered(tmp_path)
    (warning,) = record(tmp_path)["warnings"]
    assert warning.startswith(INSECURE)
    assert INSECURE in " ".join(done.stdout.split())
    assert INSECURE in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize("how", ["tls", "socket"])
def test_a_store_that_is_started_may_listen_with_tls_or_on_a_unix_socket(
    how: str, tmp_path: Path, cache: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It serves a copy of its loaded data, too, which it saves when it is stopped."""
    scenario, target = write_scenario(tmp_path, seconds=1), write_target(tmp_path)
    text = target.read_text().replace('"-m", "perfgate.store", "--port", "{port}"', f'"{RELAYED}", {WHERE[how]}')
    if how == "tls":
        text = text.replace("CERTIFICATE", str(certificate)).replace("[host]", "[host]\ntls = true")
        text += f'\n[tls]\nca_file = "{certificate}"\nserver_name = "{NAME}"\n'
    target.write_text(text)
    monkeypatch.setenv("TMPDIR", own := tempfile.mkdtemp(prefix="pg-"))  # short, as a socket's path must be
    words = ["run", str(scenario), "--target", str(target), "--out", str(tmp_path / "out"), "--warmup", "0s"]
    done = perfgate(words, cache)
    assert measured(done), done.stdout + done.stderr
    check_all_answered(tmp_path)
    assert not list(Path(own).glob("perfgate-*")), "its socket's directory is gone"
    shutil.rmtree(own)


def test_a_unix_socket_that_is_not_there_is_one_message(tmp_path: Path, cache: Path) -> None:
    address = Address.unix(str(tmp_path / "nothing"))
    done = load(tmp_path, cache, address)
    assert done.returncode == 3
    assert f"no store answers at {address}" in done.stderr
    assert "Traceback" not in done.stderr
