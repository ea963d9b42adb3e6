"""What the bearer of a certificate may do."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

PREFIX = "perfgate://role/"


class Role(Enum):
    """agent: serve. controller: hold an agent and load. observer: ask for its state.

    A role is a URI among the certificate's alternative names (RFC 5280, 4.2.1.6). Alternative names are what TLS
    libraries hand to a program after they have checked the certificate, so neither side needs a certificate parser of
    its own; and a URI cannot be taken for a host's name, as an entry of another type might be.
    """

    AGENT = "agent"
    CONTROLLER = "controller"
    OBSERVER = "observer"

    @property
    def uri(self) -> str:
        return PREFIX + self.value


def role_of(uris: Iterable[str]) -> Role | None:
    """The one role that these URIs name. None where they name none, one that is unknown here, or more than one: nobody
    gets the wider of two."""
    found = [uri for uri in uris if uri.startswith(PREFIX)]
    known = {role.uri: role for role in Role}
    return known.get(found[0]) if len(found) == 1 else None
