"""What one's own certificate says, and whether others can take it: asked of OpenSSL by a handshake with oneself in memory.

A program then knows before it serves or dials that its certificate has expired, is by another authority or is for another
use; and needs no parser of certificates for that."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from typing import Any

from perfgate.errors import InputError
from perfgate.trust.files import TlsFiles
from perfgate.trust.role import Role, role_of

SOON = dt.timedelta(days=14)
ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Credential:
    """name: the certificate's common name. role: None where it has none of perfgate's, or more than one."""

    name: str
    role: Role | None
    until: dt.datetime

    def expiring(self, now: dt.datetime) -> str:
        """A sentence where that is soon, else nothing."""
        if self.until - now > SOON:
            return ""
        return (
            f"the certificate of {self.name} expires on {self.until:%Y-%m-%d %H:%M} UTC; perfgate certs rotate --leaves"
        )


def inspect(files: TlsFiles, *roles: Role) -> Credential:
    """One's own certificate. Raises InputError where it has none of these roles, has expired, or is not by an authority
    among those that these files trust."""
    files.read()
    try:
        found = credential_of(_handshake(files, serving=Role.AGENT in roles))
    except ssl.SSLCertVerificationError as error:
        raise InputError(
            f"{files.certificate}: of no use: {error.verify_message}; get a new one by perfgate certs rotate, or the files of "
            f"{' or '.join(role.value for role in roles)}"
        ) from error
    except (ssl.SSLError, OSError) as error:
        raise InputError(f"{files.certificate}, {files.ca}: TLS cannot be done with them: {error}") from error
    if found.role not in roles:
        has = found.role.value if found.role else "none of perfgate's"
        raise InputError(
            f"{files.certificate}: its role is {has}, but {' or '.join(role.value for role in roles)} is needed here; see "
            "perfgate certs show"
        )
    return found


def credential_of(certificate: dict[str, Any]) -> Credential:
    """From what `SSLSocket.getpeercert` says of a certificate that has been verified."""
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    subject = dict(pair for part in certificate.get("subject", ()) for pair in part)
    until = dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), dt.UTC)
    return Credential(subject.get("commonName", ""), role_of(names), until)


def _handshake(files: TlsFiles, serving: bool) -> dict[str, Any]:
    """The certificate as the other side sees it. serving: that of the server is looked at, else that of the client."""
    server_context, client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_REQUIRED if serving else ssl.CERT_NONE
    server_context.verify_mode = ssl.CERT_NONE if serving else ssl.CERT_REQUIRED
    for context in (server_context, client_context):
        context.load_cert_chain(files.certificate, files.key, password="")
        context.load_verify_locations(files.ca)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up)
    server = server_context.wrap_bio(up, down, server_side=True)
    sides = [client, server]
    for _ in range(ROUNDS):
        sides = [side for side in sides if not _finished(side)]
    seen = (client if serving else server).getpeercert()
    if seen is None:
        raise OSError("the handshake did not end")
    return dict(seen)


def _finished(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
