"""Mutual TLS with an agent: the channel, and a first handshake that says in words what is wrong.

gRPC itself only says that it cannot connect, after its whole deadline."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from perfgate.address import is_loopback
from perfgate.errors import FleetError, InputError
from perfgate.trust.files import TlsFiles
from perfgate.trust.inspect import credential_of
from perfgate.trust.role import Role

MAX_MESSAGE = 16 * 1024 * 1024
OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.http2.bdp_probe", 0),  # no windows of megabytes: what a slow controller has not read yet waits on the agent
]
HANDSHAKE_S = 5.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""Of HTTP/2 (RFC 9113, 3.4), with empty settings: what a server of gRPC answers at once."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """warning: a sentence for whoever runs this, or nothing."""

    warning: str = ""


def make_channel(
    address: str, files: TlsFiles | None, tls_name: str = "", options: Sequence[tuple[str, int]] = ()
) -> grpc.aio.Channel:
    """tls_name: what the certificate must be made out to, where that is not the host dialled. options: more of gRPC's own.

    Raises InputError for an address elsewhere without TLS: whoever is on the way could read and change everything."""
    if files is None:
        if not is_loopback(split_address(address)[0]):
            raise InputError(
                f"agent {address}: is not on this machine, and without TLS anybody on the way could act for you; give "
                "PERFGATE_CERTS, or --tls-ca, --tls-cert and --tls-key (perfgate certs controller makes them)"
            )
        return grpc.aio.insecure_channel(address, options=[*OPTIONS, *options])
    material = files.read()
    credentials = grpc.ssl_channel_credentials(material.authorities, material.key, material.certificate)
    named = [("grpc.ssl_target_name_override", tls_name)] if tls_name else []
    return grpc.aio.secure_channel(address, credentials, options=[*OPTIONS, *options, *named])


def split_address(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT or [IPV6]:PORT. Raises InputError."""
    host, separator, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not separator or not bare or not port.isdigit() or not 0 < int(port) < 65536 or (":" in bare and bare == host):
        raise InputError(f"agent {address!r}: give HOST:PORT, as perf-1.example.org:7400 or [fd00::5]:7400")
    return bare, int(port)


async def greet(address: str, files: TlsFiles, tls_name: str = "") -> Greeting:
    """One handshake. Raises FleetError saying what is wrong with the agent's certificate or, as far as it says so, with
    ours. Where nobody answers yet, it leaves that to gRPC, which waits."""
    host, port = split_address(address)
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(files.certificate, files.key, password="")
    context.set_alpn_protocols(["h2"])
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=tls_name or host)
    except ssl.SSLCertVerificationError as error:
        raise FleetError(f"agent {address} is not trusted: {error.verify_message}; {_remedy(error)}") from error
    except ssl.SSLError as error:
        raise FleetError(
            f"agent {address} speaks no TLS here ({error.reason}); is it served without [tls]? Then leave PERFGATE_CERTS and "
            "--tls-… away"
        ) from error
    except (OSError, TimeoutError):
        return Greeting()
    try:
        await _check_taken(address, reader, writer)
        return _checked(address, writer.get_extra_info("peercert"))
    finally:
        writer.transport.abort()


async def speaks_tls(address: str) -> bool:
    """Whether who listens there answers a plain greeting by hanging up, but TLS by going on."""
    host, port = split_address(address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(HANDSHAKE_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
            writer.transport.abort()
            return True
    return False


async def _check_taken(address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """With TLS 1.3 a client hears only after the handshake whether its own certificate was taken."""
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            writer.write(PREFACE)
            if await reader.read(1):
                return
            reason = "it hung up"
    except TimeoutError:
        return
    except ssl.SSLError as error:
        reason = str(error.reason)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise FleetError(
        f"agent {address} does not take this controller's certificate ({reason}): it trusts another authority, or serves as "
        "many clients as it may; see perfgate certs show, and the agent's own log"
    )


def _checked(address: str, certificate: dict[str, object]) -> Greeting:
    found = credential_of(certificate)
    if found.role is not Role.AGENT:
        raise FleetError(
            f"agent {address} is not trusted: the certificate of {found.name!r} is no agent's; make one by perfgate certs agent"
        )
    return Greeting(found.expiring(dt.datetime.now(dt.UTC)))


def _remedy(error: ssl.SSLCertVerificationError) -> str:
    if "match" in error.verify_message:
        return "dial it by a name in its certificate, or make one with --host for this name (perfgate certs agent)"
    if "expired" in error.verify_message or "not yet valid" in error.verify_message:
        return "perfgate certs rotate --leaves renews certificates; is the clock right, on both machines?"
    return "is it by the same authority as this controller's? perfgate certs show"
