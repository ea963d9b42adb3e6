"""The tables of a fleet file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from perfgate.scenario.tables import Table

Text = Annotated[str, Field(min_length=1)]


class HostTable(Table):
    """address: HOST:PORT; None where a launcher will say. weight: of its workers, when lanes are shared. tls_name: the
    name in its certificate, where that is not the host's. launcher: keys that come before those of the file."""

    name: Annotated[str, Field(min_length=1, max_length=100, examples=["perf-1"])]
    address: Text | None = Field(default=None, examples=["perf-1.example.org:7400"])
    roles: list[Literal["load", "host"]] = Field(default=["load"], min_length=1, examples=[["load", "host"]])
    weight: float = Field(default=1.0, gt=0, le=1000, examples=[1.0])
    tls_name: Text | None = Field(default=None, examples=["perf-1.example.org"])
    launcher: dict[str, Any] = Field(default={}, examples=[{"kind": "ssh"}])


class TlsTable(Table):
    """The controller's own. directory: as `perfgate certs` lays it out; files that are given come before those in
    it."""

    directory: Text | None = Field(default=None, examples=["~/.config/perfgate/ci"])
    ca_file: Text | None = Field(default=None, examples=["certs/ca.pem"])
    cert_file: Text | None = Field(default=None, examples=["certs/cert.pem"])
    key_file: Text | None = Field(default=None, examples=["certs/key.pem"])


class TargetTable(Table):
    """A store that runs already, as the agents see it."""

    address: Text = Field(examples=["http://10.0.0.5:7432"])


class FleetTables(Table):
    """Paths are seen from the file's own directory."""

    name: str = Field(default="", max_length=100, examples=["perf tier"])
    hosts: list[HostTable] = Field(min_length=1, max_length=1000, examples=[[{"name": "perf-1"}]])
    tls: TlsTable | None = None
    target: TargetTable | None = None
    launcher: dict[str, Any] = Field(default={}, examples=[{"kind": "ssh"}])
