"""Loads over TLS and Unix sockets: by certificates that are made for the test, with real handshakes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from certificates import NAME, make_certificate, serving
from fault_server import OK, FaultServer, always
from load_cases import PlainAdapter, outcomes, part, plan, run, segments
from perfgate_agent.part import Part
from perfgate_agent.probe import exchange

from perfgate.address import Address
from perfgate.errors import InputError, TargetError
from perfgate.outcome import Outcome
from perfgate.segment import Arm
from perfgate.targets.load import load_target

REQUEST = b"GET / HTTP/1.1\r\n\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def trusting(server: FaultServer, certificate: Path) -> Address:
    text = certificate.read_text()
    authority = text[text.index("-----BEGIN CERTIFICATE") :]
    return server.address.with_tls(server_name=NAME, authorities=authority)


def load(address: Address) -> Part:
    return part([1], plan(), segments(200), addresses={Arm.BASE: address}, adapters={Arm.BASE: PlainAdapter()})


async def test_a_load_over_tls_is_answered_when_the_certificate_is_trusted(certificate: Path) -> None:
    async with FaultServer(always(OK), tls=serving(certificate)) as server:
        address = trusting(server, certificate)
        assert await exchange(address, REQUEST, 5.0) == (200, b"{}")
        _, intervals = await run(load(address))
    assert outcomes(intervals) == {Outcome.OK: 40}


async def test_a_certificate_that_nobody_vouches_for_is_named_before_the_run_and_refused_during_it(
    certificate: Path,
) -> None:
    async with FaultServer(always(OK), tls=serving(certificate)) as server:
        with pytest.raises(
            TargetError, match=r"certificate of https://127.* is not trusted: self.signed.*insecure = true"
        ):
            await exchange(server.address, REQUEST, 5.0)
        _, intervals = await run(load(server.address))
        assert not server.requests
    assert outcomes(intervals) == {Outcome.REFUSED: 40}
    assert "CERTIFICATE_VERIFY_FAILED" in intervals[0].examples[0]


def test_the_target_file_says_whom_to_trust(certificate: Path, tmp_path: Path) -> None:
    file, text = (
        tmp_path / "target.toml",
        'name = "mine"\nadapter = "engram"\n[tls]\nserver_name = "store"\nca_file = "%s"\n',
    )
    (tmp_path / "ca.pem").write_text(certificate.read_text())
    file.write_text(text % "ca.pem")
    address = load_target(file).tls.applied(Address.parse("https://127.0.0.1:1"))
    assert (address.certificate_name, "BEGIN CERTIFICATE" in address.authorities) == ("store", True)
    assert "PRIVATE KEY" not in address.authorities
    assert load_target(file).tls.applied(Address.parse("http://127.0.0.1:1")) == Address("127.0.0.1", 1)
    for name in ("nothing.pem", "target.toml"):
        file.write_text(text % name)
        with pytest.raises(InputError, match=rf"\[tls\] ca_file .*{name}.*; give a PEM file"):
            load_target(file).tls.applied(Address.parse("https://127.0.0.1:1"))


async def test_a_certificate_for_another_name_is_not_taken(certificate: Path) -> None:
    async with FaultServer(always(OK), tls=serving(certificate)) as server:
        other = trusting(server, certificate).with_tls(
            server_name="other.example.org", authorities=trusting(server, certificate).authorities
        )
        with pytest.raises(TargetError, match=r"is not trusted: Hostname mismatch"):
            await exchange(other, REQUEST, 5.0)


async def test_insecure_takes_any_certificate(certificate: Path) -> None:
    async with FaultServer(always(OK), tls=serving(certificate)) as server:
        assert await exchange(server.address.with_tls(insecure=True), REQUEST, 5.0) == (200, b"{}")


async def test_a_server_without_tls_is_named_as_such() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        address = Address("127.0.0.1", server.sockets[0].getsockname()[1], tls=True, insecure=True)
        with pytest.raises(TargetError, match="is it https there"):
            await exchange(address, REQUEST, 5.0)


@pytest.mark.usefixtures("driver")
async def test_a_load_over_a_unix_socket_is_answered(tmp_path: Path) -> None:
    async with FaultServer(always(OK), path=tmp_path / "s") as server:
        assert await exchange(server.address, REQUEST, 5.0) == (200, b"{}")
        _, intervals = await run(load(server.address))
    assert outcomes(intervals) == {Outcome.OK: 40}


@pytest.mark.usefixtures("driver")
async def test_a_unix_socket_that_is_not_there_is_refused(tmp_path: Path) -> None:
    _, intervals = await run(load(Address.unix(str(tmp_path / "nothing"))))
    assert outcomes(intervals) == {Outcome.REFUSED: 40}
