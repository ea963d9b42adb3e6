"""The fleet file: which hosts serve agents, what each of them does, and how a controller reaches them."""

from perfgate.fleet_file.load import load_fleet
from perfgate.fleet_file.model import FleetFile, FleetHost, HostRole

__all__ = ["FleetFile", "FleetHost", "HostRole", "load_fleet"]
