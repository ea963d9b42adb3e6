"""Who calls, by the certificate that the handshake has verified, and whether that role may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from perfgate.trust.role import Role, role_of

LONGEST = 200


@dataclass(frozen=True, slots=True)
class Peer:
    """name: the certificate's; empty without TLS, where whoever is on this machine may do what an agent does."""

    name: str
    role: Role

    def called(self, own_words: str) -> str:
        """How it is shown: the name that is certified, and what it calls itself."""
        words = printable(own_words)
        return f"{self.name} ({words})" if self.name else words


async def admit(context: Any, *roles: Role) -> Peer:
    """The caller. Ends the call with PERMISSION_DENIED where its certificate has none of these roles."""
    properties = context.auth_context()
    if properties.get("transport_security_type", [b""])[0] != b"ssl":  # the server listens on loopback, then
        return Peer("", Role.CONTROLLER)
    name = printable(_text(properties, "x509_common_name")[0]) if _text(properties, "x509_common_name") else "unnamed"
    role = role_of(_text(properties, "peer_uri"))
    if role is None or role not in roles:
        has = f"the role {role.value}" if role else "no role of perfgate's"
        await context.abort(
            grpc.StatusCode.PERMISSION_DENIED,
            f"the certificate of {name} has {has}; {' or '.join(one.value for one in roles)} is needed for this",
        )
        raise AssertionError  # abort has raised
    return Peer(name, role)


def printable(text: str) -> str:
    """Nothing that comes over the wire writes lines of its own into a log, or colours a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST])


def _text(properties: Any, name: str) -> list[str]:
    return [value.decode(errors="replace") for value in properties.get(name, ())]
