"""What `perfgate certs show` says of certificates: whose, for what, until when, and what is wrong with them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from perfgate.certs.authority import CA_KEY, DIRECTORIES, Authority, load_certificates, party_of
from perfgate.errors import InputError
from perfgate.trust.files import CERTIFICATE, KEY, OTHERS

SOON = dt.timedelta(days=21)


@dataclass(frozen=True, slots=True)
class Line:
    """One certificate. note: empty, or what to do about it."""

    what: str
    hosts: str
    until: dt.datetime
    fingerprint: str
    note: str


def overview(directory: Path, now: dt.datetime) -> list[Line]:
    """Of an authority's directory. Raises InputError where there is none."""
    authority = Authority(directory)
    lines = [_authority_line(number, one, now) for number, one in enumerate(authority.trusted())]
    for kind in DIRECTORIES.values():
        for path in sorted((directory / kind).glob(f"*/{CERTIFICATE}")):
            lines.append(_party_line(path, now))
    keys = [directory / CA_KEY, *directory.glob(f"*/*/{KEY}")]
    if open_keys := [str(path) for path in keys if path.exists() and path.stat().st_mode & OTHERS]:
        raise InputError(f"others may read {', '.join(open_keys)}; chmod 600, and renew what they certify")
    return lines


def describe_file(path: Path, now: dt.datetime) -> list[Line]:
    """Of the certificates in one file."""
    return [_line(one, now) for one in load_certificates(path)]


def _line(certificate: x509.Certificate, now: dt.datetime) -> Line:
    try:
        party = party_of(certificate)
    except InputError:
        return _authority_line(0, certificate, now)
    return Line(
        what=f"{party.role.value} {party.name}",
        hosts=", ".join(party.hosts),
        until=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex()[:16],
        note=_note(certificate, now, "perfgate certs rotate --leaves"),
    )


def _party_line(path: Path, now: dt.datetime) -> Line:
    return _line(load_certificates(path)[0], now)


def _authority_line(number: int, certificate: x509.Certificate, now: dt.datetime) -> Line:
    return Line(
        what=certificate.subject.rfc4514_string().removeprefix("CN="),
        hosts="",
        until=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex()[:16],
        note=_note(certificate, now, "perfgate certs rotate") or ("older one, still trusted" if number else ""),
    )


def _note(certificate: x509.Certificate, now: dt.datetime, remedy: str) -> str:
    if certificate.not_valid_after_utc <= now:
        return f"EXPIRED: {remedy}"
    if certificate.not_valid_after_utc - now < SOON:
        return f"expires soon: {remedy}"
    return ""
