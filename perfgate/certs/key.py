"""Private keys and how they get onto the disk."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from perfgate.errors import InputError

PrivateKey = ec.EllipticCurvePrivateKey


def make_key() -> PrivateKey:
    """On P-256, which every TLS library takes. Ed25519 is not offered by BoringSSL, which gRPC is built with, unless each
    side asks for it (SSL_CTX_set_verify_algorithm_prefs)."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey) -> bytes:
    """PKCS #8, without a password: an agent that a machine starts has nobody to ask."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_key(path: Path) -> PrivateKey:
    """Raises InputError for a file that is no P-256 key."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; the authority's key lies only where certs init was called"
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm):  # whose text may show a part of the file
        raise InputError(f"{path}: no private key without a password in PEM; is it the right file?") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError(f"{path}: not a key on an elliptic curve; make a new authority with perfgate certs init")
    return key


def write_file(path: Path, content: bytes, secret: bool = False) -> None:
    """In one step (a reader sees the old file or the new one), mode 0600 from the first byte on for a secret, else 0644.
    Raises InputError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # which makes it 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), 0o600 if secret else 0o644)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a --dir that can be written") from error
