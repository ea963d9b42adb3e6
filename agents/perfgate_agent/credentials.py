"""The server's side of mutual TLS. Renewed files are taken up with the next connection, without a restart."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

import grpc

from perfgate.errors import InputError
from perfgate.trust.files import TlsFiles, TlsMaterial

log = logging.getLogger("perfgate.agent")


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Which no client passes without a certificate of its own. Raises InputError for files that cannot be used."""
    renewal = Renewal(files)
    fetch: Any = renewal.fetch  # the stubs forget that None means: as before
    return grpc.dynamic_ssl_server_credentials(_configured(files.read()), fetch, require_client_authentication=True)


class Renewal:
    """Looks at the files whenever somebody connects; called by gRPC's threads."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._seen = self._look()

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """None: as before. Files that cannot be used (half copied, say) change nothing."""
        with self._lock:
            found = self._look()
            if found == self._seen:
                return None
            try:
                configuration = _configured(self._files.read())
            except InputError as error:
                log.warning("the renewed TLS files are not used yet: %s", error)
                return None
            self._seen = found
            log.info("renewed TLS files are in use: %s", self._files.certificate)
            return configuration

    def _look(self) -> list[Any]:
        return [_state(path) for path in (self._files.ca, self._files.certificate, self._files.key)]


def _state(path: os.PathLike[str]) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _configured(material: TlsMaterial) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(material.key, material.certificate)], root_certificates=material.authorities
    )
