"""The `[tls]` table of a settings file, whoever's it is: which files, seen from the settings file's own directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from perfgate.errors import InputError
from perfgate.trust.files import CA, CERTIFICATE, KEY, TlsFiles


class TlsTable(Protocol):
    """directory: as `perfgate certs` lays it out; the others, where they are given, come before it."""

    @property
    def directory(self) -> str | None: ...

    @property
    def ca_file(self) -> str | None: ...

    @property
    def cert_file(self) -> str | None: ...

    @property
    def key_file(self) -> str | None: ...


def tls_files(place: Path, table: TlsTable, origin: str) -> TlsFiles:
    """Raises InputError naming the file where one of the three is missing."""
    written = {CA: table.ca_file, CERTIFICATE: table.cert_file, KEY: table.key_file}
    if table.directory is None and None in written.values():
        raise InputError(f"{origin}: [tls]: give directory, or ca_file, cert_file and key_file")
    ca, certificate, key = (
        Path(os.path.abspath(place / Path(own or f"{table.directory}/{name}").expanduser()))
        for name, own in written.items()
    )
    return TlsFiles(ca, certificate, key)
