"""TLS to a store, by the terms of its address. The handshake is over before a connection counts as open."""

from __future__ import annotations

import ssl
from functools import lru_cache

from perfgate.address import Address
from perfgate.errors import InputError

REMEDY = "give its authority as [tls] ca_file in the target file, its name as server_name, or say insecure = true"


@lru_cache(maxsize=8)  # reading the system's authorities takes some 10 ms
def client_context(address: Address) -> ssl.SSLContext | None:
    """None for an address without TLS. Raises InputError for authorities that are no certificates."""
    if not address.tls:
        return None
    try:
        context = ssl.create_default_context(cadata=address.authorities or None)
    except (ssl.SSLError, ValueError) as error:
        raise InputError(
            f"the authorities for {address} are no PEM certificates ({error}); mend [tls] ca_file"
        ) from error
    if address.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def distrust(address: Address, error: Exception) -> str:
    """What a TLS handshake came to grief over, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {address} is not trusted: {error.verify_message}; {REMEDY}"
    reason = getattr(error, "reason", "") or str(error) or type(error).__name__
    return f"no TLS with {address}: {reason}; is it https there?"
