"""How a certificate is filled in: fields, extensions, times of validity."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from perfgate.certs.key import PrivateKey
from perfgate.trust.role import Role

SKEW = dt.timedelta(minutes=5)
"""How far a clock elsewhere may be behind: a certificate is valid from so long before it was made."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose name a certificate bears as its issuer, and the key that signs it."""

    name: x509.Name
    key: PrivateKey


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def authority_certificate(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: Issuer, until: dt.datetime, below: int, now: dt.datetime
) -> x509.Certificate:
    """Of an authority; below: how many authorities may follow under it. Extensions by RFC 5280, 4.2.1."""
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = _builder(subject, key, issuer, until, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=below), critical=True)
    return builder.add_extension(usage, critical=True).sign(issuer.key, hashes.SHA256())


def party_certificate(
    name: str, role: Role, hosts: Sequence[x509.GeneralName], key: ec.EllipticCurvePublicKey, issuer: Issuer,
    until: dt.datetime, now: dt.datetime,
) -> x509.Certificate:  # fmt: skip
    """Of an agent (which may only serve) or of a controller or observer (who may only call): a key that is stolen from one
    cannot stand in for the other, since both TLS libraries check that use."""
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    extended = ExtendedKeyUsageOID.SERVER_AUTH if role is Role.AGENT else ExtendedKeyUsageOID.CLIENT_AUTH
    names = [*hosts, x509.UniformResourceIdentifier(role.uri)]
    builder = _builder(common_name(name), key, issuer, until, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([extended]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: Issuer, until: dt.datetime, now: dt.datetime
) -> x509.CertificateBuilder:
    own = x509.SubjectKeyIdentifier.from_public_key(key)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(until)
        .add_extension(own, critical=False)
        .add_extension(above, critical=False)
    )
