"""The three files that one side of mutual TLS needs: whom it trusts, its certificate, its key."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from perfgate.errors import InputError

CA, CERTIFICATE, KEY = "ca.pem", "cert.pem", "key.pem"
ENVIRONMENT = "PERFGATE_CERTS"
MAX_BYTES = 1_000_000
OTHERS = stat.S_IRWXO | stat.S_IWGRP


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """Their content as PEM. The key is left out of the repr, so that no message can show it."""

    authorities: bytes
    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Their paths: content of a key is never an argument, which any process list would show."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def of_directory(cls, directory: Path) -> TlsFiles:
        """As `perfgate certs` lays them out."""
        return cls(directory / CA, directory / CERTIFICATE, directory / KEY)

    def read(self) -> TlsMaterial:
        """Raises InputError naming the file: not there, not PEM, a key that others may read, or one that does not belong
        to the certificate."""
        material = TlsMaterial(
            authorities=_pem(self.ca, b"CERTIFICATE"),
            certificate=_pem(self.certificate, b"CERTIFICATE"),
            key=_pem(self.key, b"PRIVATE KEY"),
        )
        _private(self.key)
        self._check_match()
        return material

    def _check_match(self) -> None:
        import ssl  # only where it is needed

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except InputError:
            raise
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise InputError(
                f"certificate {self.certificate} and key {self.key} do not go together: {reason}; "
                "take both from one directory that perfgate certs has made"
            ) from error


def controller_files(ca: Path | None, certificate: Path | None, key: Path | None) -> TlsFiles | None:
    """Of --tls-ca, --tls-cert and --tls-key, or else of the directory $PERFGATE_CERTS; None where neither is given.

    Raises InputError where only some of the three are given, or a file cannot be used.
    """
    given = {"--tls-ca": ca, "--tls-cert": certificate, "--tls-key": key}
    if ca is not None and certificate is not None and key is not None:
        files = TlsFiles(ca, certificate, key)
    elif missing := [option for option, path in given.items() if path is None and any(given.values())]:
        raise InputError(f"{' and '.join(missing)}: missing; mutual TLS needs all of {', '.join(given)}")
    elif directory := os.environ.get(ENVIRONMENT):
        files = TlsFiles.of_directory(Path(directory))
    else:
        return None
    files.read()
    return files


def _pem(path: Path, kind: bytes) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; a directory by `perfgate certs agent` or `controller` holds {CA}, "
            f"{CERTIFICATE} and {KEY}"
        ) from error
    if b"-----BEGIN " not in content or kind + b"-----" not in content:
        raise InputError(f"{path}: holds no PEM block of a {kind.decode().lower()}; is it the right file?")
    return content


def _private(path: Path) -> None:
    """As ssh does it: a key that others can read is no secret, whoever made it so."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        raise InputError(f"{path}: mode {mode:04o} lets others at the private key; chmod 600 {path}")


def _no_password() -> str:
    raise InputError("the private key is encrypted, and an agent cannot ask for a password; give it without one")
