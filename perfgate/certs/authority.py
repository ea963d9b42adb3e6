"""The authority's directory: its key, whom everybody trusts, and a directory for each party it has certified."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from perfgate.certs.certificate import Issuer, authority_certificate, common_name, party_certificate, pem
from perfgate.certs.key import key_pem, load_key, make_key, write_file
from perfgate.certs.names import check_party, host_names
from perfgate.errors import InputError
from perfgate.trust.files import CA, CERTIFICATE, KEY
from perfgate.trust.role import Role, role_of

CA_KEY, CHAIN = "ca-key.pem", "ca-chain.pem"
AUTHORITY_DAYS, PARTY_DAYS = 5 * 365, 90
MAX_DAYS = 10 * 365
DIRECTORIES = {Role.AGENT: "agents", Role.CONTROLLER: "controllers", Role.OBSERVER: "observers"}


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Party:
    """Whom a certificate is for. hosts: what an agent is dialled by; empty for others."""

    name: str
    role: Role
    hosts: tuple[str, ...] = ()


class Authority:
    """Files in `directory`: ca.pem (the certificates that everybody trusts, the newest first), ca-key.pem (of the newest),
    ca-chain.pem (the newest as certified by the one before it, while that is trusted), agents/NAME, controllers/NAME and
    observers/NAME with ca.pem, cert.pem and key.pem each: what is copied to the party's host."""

    def __init__(self, directory: Path, now: Callable[[], dt.datetime] = _now) -> None:
        self.directory = directory
        self._now = now

    def make(self, days: int = AUTHORITY_DAYS, force: bool = False) -> None:
        """A new authority. Raises InputError where there is one already, unless forced."""
        if not force and (self.directory / CA_KEY).exists():
            raise InputError(
                f"{self.directory}: there is an authority already, and all certificates hang on it; perfgate certs rotate "
                "follows it by a new one, --force throws it away"
            )
        self._found(days, older=())

    def issue(self, party: Party, days: int = PARTY_DAYS, force: bool = False) -> Path:
        """A new key and certificate; returns their directory. Raises InputError where there are some already, unless
        forced, and for names that cannot be."""
        place = self.place(party)
        if not force and (place / KEY).exists():
            raise InputError(f"{place}: holds a key already; --force makes a new one, perfgate certs rotate renews all")
        if party.role is Role.AGENT and not party.hosts:
            raise InputError(f"agent {party.name}: --host is missing: the name or address that controllers dial it by")
        hosts = host_names(party.hosts)
        authorities = self.trusted()
        issuer = self._issuer(authorities[0])
        until = self._until(days)
        if until > authorities[0].not_valid_after_utc:
            raise InputError(
                f"--days {days}: the authority itself is valid until {authorities[0].not_valid_after_utc:%Y-%m-%d} only; "
                "give fewer, or perfgate certs rotate"
            )
        key = make_key()
        leaf = party_certificate(party.name, party.role, hosts, key.public_key(), issuer, until, self._now())
        write_file(place / KEY, key_pem(key), secret=True)
        write_file(place / CERTIFICATE, pem(leaf) + self._chain())
        write_file(place / CA, pem(*authorities))
        return place

    def rotate(self, days: int = AUTHORITY_DAYS, party_days: int = PARTY_DAYS) -> list[Path]:
        """A new authority beside the old one, and new certificates for all parties by it; returns their directories.

        Both are trusted, and the old one has certified the new one: so parties that have their new files and parties that
        have not understand each other, in whatever order they get them (RFC 4210, 4.4 has the same certificates).
        """
        self._found(days, older=[one for one in self.trusted() if one.not_valid_after_utc > self._now()])
        return self.renew(party_days)

    def renew(self, days: int = PARTY_DAYS) -> list[Path]:
        """New keys and certificates for all parties, by the same authority."""
        return [self.issue(party, days, force=True) for party in self.parties()]

    def drop_old(self) -> list[Path]:
        """Trust the newest authority alone; returns what changed. Raises InputError while a party's certificate is not by
        the newest one."""
        newest = self.trusted()[0]
        for party in self.parties():
            if load_certificates(self.place(party) / CERTIFICATE)[0].issuer != newest.subject:
                raise InputError(
                    f"{self.place(party)}: is certified by an older authority; perfgate certs rotate first"
                )
        (self.directory / CHAIN).unlink(missing_ok=True)
        places = [self.directory, *(self.place(party) for party in self.parties())]
        for place in places:
            write_file(place / CA, pem(newest))
            if (place / CERTIFICATE).exists():
                write_file(place / CERTIFICATE, pem(load_certificates(place / CERTIFICATE)[0]))
        return places

    def trusted(self) -> list[x509.Certificate]:
        """The newest first. Raises InputError where there is no authority."""
        if not (self.directory / CA).exists():
            raise InputError(
                f"{self.directory}: no authority here; make one with perfgate certs init, or name its --dir"
            )
        return load_certificates(self.directory / CA)

    def parties(self) -> list[Party]:
        """Everybody who has a certificate, as it says."""
        return [
            party_of(load_certificates(path)[0])
            for directory in DIRECTORIES.values()
            for path in sorted((self.directory / directory).glob(f"*/{CERTIFICATE}"))
        ]

    def place(self, party: Party) -> Path:
        """The party's directory. Raises InputError for a name that would lie outside."""
        return self.directory / DIRECTORIES[party.role] / check_party(party.name)

    def _found(self, days: int, older: Sequence[x509.Certificate]) -> None:
        key, now, until = make_key(), self._now(), self._until(days)
        name = common_name(f"perfgate authority {now:%Y-%m-%d} {secrets.token_hex(4)}")
        own = authority_certificate(name, key.public_key(), Issuer(name, key), until, 1, now)
        chain = b""
        if older:
            before = self._issuer(older[0])
            last = min(until, older[0].not_valid_after_utc)
            chain = pem(authority_certificate(name, key.public_key(), before, last, 0, now))
        write_file(self.directory / CA_KEY, key_pem(key), secret=True)
        write_file(self.directory / CHAIN, chain)
        write_file(self.directory / CA, pem(own, *older))

    def _issuer(self, newest: x509.Certificate) -> Issuer:
        key = load_key(self.directory / CA_KEY)
        if key.public_key() != newest.public_key():
            raise InputError(
                f"{self.directory}: {CA_KEY} is not the key of the first certificate in {CA}: was a rotation broken off? Take "
                "both from a copy, or begin anew with perfgate certs init --force"
            )
        return Issuer(newest.subject, key)

    def _chain(self) -> bytes:
        path = self.directory / CHAIN
        return path.read_bytes() if path.exists() else b""

    def _until(self, days: int) -> dt.datetime:
        if not 1 <= days <= MAX_DAYS:
            raise InputError(f"--days {days}: give 1 to {MAX_DAYS}")
        return self._now() + dt.timedelta(days=days)


def load_certificates(path: Path) -> list[x509.Certificate]:
    """All in a PEM file. Raises InputError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: holds no certificates in PEM: {error}") from error


def party_of(certificate: x509.Certificate) -> Party:
    """Raises InputError for a certificate that is none of perfgate's."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise InputError("the certificate names no party of perfgate's: it was not made by perfgate certs") from error
    role, common = role_of(names.get_values_for_type(x509.UniformResourceIdentifier)), str(name.value)
    if role is None:
        raise InputError(f"the certificate of {common} has no role of perfgate's: it was not made by perfgate certs")
    hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    return Party(common, role, tuple(hosts))
