"""Which agents a verb uses, and by which certificate: of --agents, --fleet and --tls-…"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from perfgate.errors import InputError

if TYPE_CHECKING:
    from perfgate_controller.member import Member

    from perfgate.fleet_file.model import FleetFile
    from perfgate.trust.files import TlsFiles


def fleet_file(arguments: argparse.Namespace) -> FleetFile | None:
    """None without `--fleet`. Hosts that a launcher has placed get their addresses from its record. Raises InputError
    where `--agents` is given as well."""
    if arguments.fleet is None:
        return None
    from perfgate.fleet_file import load_fleet
    from perfgate.fleet_file.launched import with_addresses

    if arguments.agents:
        raise InputError("--agents and --fleet: give one of them; a fleet file says which agents there are")
    return with_addresses(load_fleet(arguments.fleet))


def controller_tls(arguments: argparse.Namespace, fleet: FleetFile | None = None) -> TlsFiles | None:
    """Of --tls-…, else of the fleet file, else of $PERFGATE_CERTS. Raises InputError for files that are of no use, before
    anything is dialled."""
    from datetime import UTC, datetime

    from perfgate.trust.files import controller_files

    given = (arguments.tls_ca, arguments.tls_cert, arguments.tls_key)
    if fleet is not None and fleet.tls is not None and not any(given):
        given = (fleet.tls.ca, fleet.tls.certificate, fleet.tls.key)
    files = controller_files(*given)
    if files is not None:
        from perfgate.trust.inspect import inspect
        from perfgate.trust.role import Role

        if words := inspect(files, Role.CONTROLLER).expiring(datetime.now(UTC)):
            print(f"perfgate: warning: {words}", file=sys.stderr)
    return files


def members(agents: Sequence[str], fleet: FleetFile | None) -> Sequence[str | Member]:
    """As the fleet file has them, where there is one. Raises InputError for a host that has no address yet."""
    from perfgate_controller.member import members_of

    return members_of(fleet) if fleet is not None else agents
