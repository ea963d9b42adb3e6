"""What `perfgate fleet up` would start, as text: nothing is reached, and no key is shown."""

from __future__ import annotations

import json

from perfgate.fleet_file.launcher_schema import KubernetesTable, LauncherTable, SshTable
from perfgate.fleet_file.model import FleetFile
from perfgate.trust.files import CA, CERTIFICATE, KEY
from perfgate_controller.launch.agent_files import Listen, agent_toml, target_files
from perfgate_controller.launch.launcher import WantedAgent
from perfgate_controller.launch.manifests import Fleet, Manifest, check_name, manifests, pod_host
from perfgate_controller.launch.processes import same_table
from perfgate_controller.launch.start import fleet_name, wanted_agents


def preview(fleet: FleetFile) -> str:
    """Raises InputError for what cannot be."""
    agents = wanted_agents(fleet)
    directory = fleet.path.resolve().parent
    for agent in agents:
        target_files(agent.table, directory)
    pods = [agent for agent in agents if isinstance(agent.table, KubernetesTable)]
    texts = [_agent(agent) for agent in agents if agent not in pods]
    return "\n".join([*texts, *([_cluster(fleet, pods)] if pods else [])])


def _cluster(fleet: FleetFile, agents: list[WantedAgent]) -> str:
    """YAML, or what reads as YAML (its kind JSON) where no library writes it. Keys and certificates are left out."""
    table = same_table(agents)
    assert isinstance(table, KubernetesTable)
    name = fleet_name(fleet)
    check_name(name, len(agents))
    names = (CA, CERTIFICATE, KEY)
    certificates = [
        {file: f"<{file} of {agent.name}, for {pod_host(name, table, number)}>".encode() for file in names}
        for number, agent in enumerate(agents)
    ]
    wanted = Fleet(name, len(agents), table, target_files(table, fleet.path.resolve().parent), certificates)
    return "".join(f"---\n{_yaml(manifest)}" for manifest in manifests(wanted))


def _yaml(manifest: Manifest) -> str:
    try:
        import yaml
    except ModuleNotFoundError:
        return json.dumps(manifest, indent=2) + "\n"
    return str(yaml.safe_dump(manifest, sort_keys=False))


def _agent(agent: WantedAgent) -> str:
    table: LauncherTable = agent.table
    host = (table.listen if isinstance(table, SshTable) else None) or agent.host or "127.0.0.1"
    text = agent_toml(table, agent.name, Listen(host, agent.port, "certs" if table.certs else ""), "work", "cache")
    where = f"at {agent.host}" if agent.host else "where there is room"
    return f"# {agent.name}: by {table.kind}, {where}; its agent.toml:\n{text}"
