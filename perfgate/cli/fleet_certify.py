"""Certificates for agents that are launched: those that are there, and new ones where the authority's key is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.errors import InputError
from perfgate.fleet_file.launcher_load import beside, launcher_table
from perfgate.trust.files import CERTIFICATE, TlsFiles
from perfgate.trust.inspect import inspect
from perfgate.trust.role import Role

if TYPE_CHECKING:
    from perfgate_controller.launch.launcher import Certify

    from perfgate.fleet_file import FleetFile


def certifier(fleet: FleetFile) -> Certify:
    """Asked for each agent once its address is known."""
    directories = {
        host.name: beside(fleet, certs) for host in fleet.hosts if (certs := launcher_table(fleet, host).certs)
    }

    def certify(name: str, host: str) -> TlsFiles | None:
        return _files(directories[name], name, host) if name in directories else None

    return certify


def _files(authority: Path, name: str, host: str) -> TlsFiles:
    """Raises InputError for a certificate that has expired, is for another name, or cannot be made."""
    files = TlsFiles.of_directory(authority / "agents" / name)
    if not files.certificate.exists():
        return _issue(authority, name, host)
    inspect(files, Role.AGENT)
    known = _hosts(files.certificate)
    if known is not None and host.lower() not in known:
        raise InputError(
            f"{files.certificate}: is for {', '.join(known)}, but {name} is dialled by {host}; perfgate certs agent {name} "
            f"--host {host} --force --dir {authority}, or give the host a tls_name"
        )
    return files


def _issue(authority: Path, name: str, host: str) -> TlsFiles:
    try:
        from perfgate.certs.authority import CA_KEY, Authority, Party
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cryptography":
            raise
        raise InputError(
            f"launcher.certs: {authority} has nothing for {name}, and to make it needs perfgate[fleet]"
        ) from error
    if not (authority / CA_KEY).exists():
        raise InputError(
            f"launcher.certs: {authority} has neither agents/{name}/{CERTIFICATE} nor the authority's key to make it; perfgate "
            f"certs init --dir {authority}, or copy the agent's directory there"
        )
    return TlsFiles.of_directory(Authority(authority).issue(Party(name, Role.AGENT, (host,))))


def _hosts(certificate: Path) -> tuple[str, ...] | None:
    """What it is made out to; None where the library that reads it is missing: the controller will say."""
    try:
        from perfgate.certs.authority import load_certificates, party_of
    except ModuleNotFoundError:
        return None
    return party_of(load_certificates(certificate)[0]).hosts
