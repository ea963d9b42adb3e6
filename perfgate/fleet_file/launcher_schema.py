"""The tables of [launcher]: how the agents of a fleet are started, and what they may do there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from perfgate.scenario.tables import Table

Text = Annotated[str, Field(min_length=1)]


class AgentLimits(Table):
    """As [limits] of agent.toml."""

    rate: float | None = Field(default=None, gt=0, examples=[20_000])
    connections: int | None = Field(default=None, ge=1, examples=[512])
    memory_mb: int | None = Field(default=None, ge=512, examples=[4096])
    run_seconds: float | None = Field(default=None, gt=0, examples=[3600])
    processes: int | None = Field(default=None, ge=1, examples=[4])


class LauncherTable(Table):
    """What goes for every way. Files are seen from the fleet file's directory; the rest is of the agent's host."""

    kind: str
    workers: int = Field(default=1, ge=1, le=64, examples=[1])
    targets: list[Text] = Field(default=[], examples=[["targets/mystore.toml"]])
    programs: list[Text] | None = Field(default=None, examples=[["/usr/local/bin/mystore"]])
    stores_listen: Text | None = Field(default=None, examples=["10.0.0.5"])
    addresses: list[Text] | None = Field(default=None, examples=[["10.1.0.0/16:7432"]])
    vector_directories: list[Text] = Field(default=[], examples=[["/srv/vectors"]])
    limits: AgentLimits = AgentLimits()
    drain_seconds: float = Field(default=5.0, ge=0, le=86_400, examples=[5])
    certs: Text | None = Field(default=None, examples=["~/.config/perfgate/authority"])
    ready_seconds: float = Field(default=60.0, gt=0, le=3600, examples=[60])


class LocalTable(LauncherTable):
    """directory: where each agent has one of its own."""

    kind: Literal["local"]
    directory: Text = Field(default="~/.local/share/perfgate", examples=["~/.local/share/perfgate"])


class SshTable(LauncherTable):
    """None: as ssh itself has it, ~/.ssh/config included. directory, python: there. listen: where the agent listens,
    None for its address. wheels: files or directories of them here, of which an environment is made there; empty:
    `python` has perfgate. offline: nothing but these wheels. systemd: as a unit of the user's own."""

    kind: Literal["ssh"]
    user: Text | None = Field(default=None, examples=["perf"])
    port: int | None = Field(default=None, ge=1, le=65535, examples=[22])
    key_file: Text | None = Field(default=None, examples=["~/.ssh/id_ed25519"])
    known_hosts: Text = Field(default="~/.ssh/known_hosts", examples=["~/.ssh/known_hosts"])
    ssh_config: Text | None = Field(default=None, examples=["~/.ssh/config"])
    connect_seconds: float = Field(default=10.0, gt=0, le=300, examples=[10])
    directory: Text = Field(default="~/.local/share/perfgate", examples=["~/.local/share/perfgate"])
    listen: Text | None = Field(default=None, examples=["0.0.0.0"])
    python: Text = Field(default="python3", examples=["python3.12"])
    wheels: list[Text] = Field(default=[], examples=[["dist/perfgate-0.1.0-py3-none-linux_x86_64.whl"]])
    offline: bool = Field(default=False, examples=[True])
    systemd: bool = Field(default=False, examples=[True])


class RayTable(LauncherTable):
    """cluster: `auto`, or HOST:PORT of its head. cpus: of Ray's, for each agent. python: on the nodes, None for Ray's
    own. port: 0 for a free one. trusted_network: keys may go through a cluster that speaks plainly."""

    kind: Literal["ray"]
    cluster: Text = Field(default="auto", examples=["auto"])
    cpus: float = Field(default=2.0, gt=0, le=1024, examples=[2])
    python: Text | None = Field(default=None, examples=["/opt/perfgate/bin/python"])
    directory: Text = Field(default="~/.local/share/perfgate", examples=["~/.local/share/perfgate"])
    port: int = Field(default=0, ge=0, le=65535, examples=[7400])
    trusted_network: bool = Field(default=False, examples=[True])


class KubernetesTable(LauncherTable):
    """context, kubeconfig: None for the current one, or the pod's own account. cpus: whole ones, requested and the
    limit. memory_mb, disk_mb: MiB. controllers: networks (CIDR) that may dial agents, besides pods that are labelled
    so. deadline_hours: after which the cluster ends the agents."""

    kind: Literal["kubernetes"]
    image: Text = Field(examples=["registry.example.org/perfgate:0.1.0"])
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")] = Field(
        default="default", examples=["perfgate"]
    )
    context: Text | None = Field(default=None, examples=["perf"])
    kubeconfig: Text | None = Field(default=None, examples=["~/.kube/config"])
    cluster_domain: Text = Field(default="cluster.local", examples=["cluster.local"])
    port: int = Field(default=7400, ge=1, le=65535, examples=[7400])
    cpus: int = Field(default=2, ge=1, le=1024, examples=[2])
    memory_mb: int = Field(default=4096, ge=512, examples=[4096])
    disk_mb: int = Field(default=16_384, ge=256, examples=[16_384])
    controllers: list[Text] = Field(default=[], examples=[["10.2.0.0/16"]])
    node_selector: dict[str, str] = Field(default={}, examples=[{"perfgate.dev/tier": "perf"}])
    image_pull_secret: Text | None = Field(default=None, examples=["registry"])
    deadline_hours: float = Field(default=24.0, gt=0, le=24 * 90, examples=[24])


TABLES: dict[str, type[LauncherTable]] = {
    "local": LocalTable, "ssh": SshTable, "ray": RayTable, "kubernetes": KubernetesTable,
}  # fmt: skip
