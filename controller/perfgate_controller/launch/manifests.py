"""The objects of a fleet in a Kubernetes cluster, as plain data. Pure: nothing is reached.

An indexed Job: pod N has the host name FLEET-N, and with the headless service the DNS name FLEET-N.FLEET.NAMESPACE.svc.DOMAIN,
so that certificates can be made before anything runs. One secret holds all agents' certificates, since the pods of a Job have
one template; each pod mounts its own directory of it alone (subPathExpr).
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perfgate.errors import InputError
from perfgate.fleet_file.launcher_schema import KubernetesTable
from perfgate_controller.launch.agent_files import Listen, agent_toml

Manifest = dict[str, Any]
INDEX = "batch.kubernetes.io/job-completion-index"
CONTROLLER = {"perfgate.dev/role": "controller"}
USER = 10_001
HOME = "/etc/perfgate"


@dataclass(frozen=True, slots=True)
class Fleet:
    """certificates: by agent (in order), file name to content; empty: without TLS, which is refused off loopback. targets:
    file name to content."""

    name: str
    agents: int
    table: KubernetesTable
    targets: Mapping[str, bytes]
    certificates: Sequence[Mapping[str, bytes]] = ()


def pod_host(fleet: str, table: KubernetesTable, index: int) -> str:
    """What the agent is dialled by, within the cluster."""
    return f"{fleet}-{index}.{fleet}.{table.namespace}.svc.{table.cluster_domain}"


def manifests(fleet: Fleet) -> list[Manifest]:
    """In the order in which they are made; the Job is the last."""
    return [
        _object("v1", "ConfigMap", fleet, data=_settings(fleet)),
        _object("v1", "Secret", fleet, type="Opaque", data=_secret(fleet)),
        _object("v1", "Service", fleet, spec=_service(fleet)),
        _object("networking.k8s.io/v1", "NetworkPolicy", fleet, spec=_network_policy(fleet)),
        _object("batch/v1", "Job", fleet, spec=_job(fleet)),
    ]


def labels(fleet: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "perfgate-agent",
        "app.kubernetes.io/instance": fleet,
        "app.kubernetes.io/managed-by": "perfgate",
    }


def check_name(fleet: str, agents: int) -> None:
    """Raises InputError for what can be no DNS label with its index behind it (RFC 1123)."""
    longest = 63 - len(f"-{agents - 1}")
    if len(fleet) > longest or not all(letter.isdigit() or letter in "abcdefghijklmnopqrstuvwxyz-" for letter in fleet):
        raise InputError(
            f"fleet {fleet!r}: names objects of the cluster: rename the file to at most {longest} small letters, digits and '-'"
        )
    if not fleet[0].isalpha() or fleet.endswith("-"):
        raise InputError(f"fleet {fleet!r}: names objects of the cluster: begin with a letter, end with one or a digit")


def _object(version: str, kind: str, fleet: Fleet, **rest: Any) -> Manifest:
    metadata = {"name": fleet.name, "namespace": fleet.table.namespace, "labels": labels(fleet.name)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _settings(fleet: Fleet) -> dict[str, str]:
    """Keys of a ConfigMap know no '/'."""
    certificates = f"{HOME}/certs" if fleet.certificates else ""
    listen = Listen("0.0.0.0" if certificates else "127.0.0.1", fleet.table.port, certificates)
    text = agent_toml(fleet.table, "", listen, "/var/lib/perfgate/work", "/var/lib/perfgate/cache")
    return {"agent.toml": text, **{_key(name): content.decode() for name, content in fleet.targets.items()}}


def _secret(fleet: Fleet) -> dict[str, str]:
    return {
        f"{number}.{name}": base64.b64encode(content).decode()
        for number, files in enumerate(fleet.certificates)
        for name, content in files.items()
    }


def _service(fleet: Fleet) -> Manifest:
    """Headless: it only gives the pods their names, from before they are ready on."""
    port = {"name": "agent", "port": fleet.table.port, "targetPort": "agent", "protocol": "TCP"}
    return {
        "clusterIP": "None", "publishNotReadyAddresses": True, "selector": labels(fleet.name), "ports": [port],
    }  # fmt: skip


def _network_policy(fleet: Fleet) -> Manifest:
    """In: controllers, on the agent's port. Out: what the agents may load, and names; where launcher.addresses has more than
    networks, a policy cannot say it, and the agents' own list alone holds."""
    peers: list[Manifest] = [{"podSelector": {"matchLabels": CONTROLLER}}]
    peers += [{"ipBlock": {"cidr": _network(one)}} for one in fleet.table.controllers]
    policy: Manifest = {
        "podSelector": {"matchLabels": labels(fleet.name)},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": peers, "ports": [{"protocol": "TCP", "port": fleet.table.port}]}],
    }
    blocks = [_block(one) for one in fleet.table.addresses or []]
    if blocks and all(blocks):
        names = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}
        policy["policyTypes"] = ["Ingress", "Egress"]
        policy["egress"] = [names, *({"to": [{"ipBlock": {"cidr": one[0]}}], **one[1]} for one in blocks if one)]
    return policy


def _job(fleet: Fleet) -> Manifest:
    """A pod that fails is not started again and takes no other with it: who lost an agent is to be told so."""
    return {
        "completionMode": "Indexed", "completions": fleet.agents, "parallelism": fleet.agents,
        "backoffLimitPerIndex": 0, "maxFailedIndexes": fleet.agents,
        "activeDeadlineSeconds": int(fleet.table.deadline_hours * 3600), "ttlSecondsAfterFinished": 3600,
        "template": {"metadata": {"labels": labels(fleet.name)}, "spec": _pod(fleet)},
    }  # fmt: skip


def _pod(fleet: Fleet) -> Manifest:
    table = fleet.table
    apart = {"labelSelector": {"matchLabels": labels(fleet.name)}, "topologyKey": "kubernetes.io/hostname"}
    pod: Manifest = {
        "restartPolicy": "Never",
        "subdomain": fleet.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": int(table.drain_seconds) + 20,
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(fleet)],
        "volumes": _volumes(fleet),
    }  # fmt: skip
    if table.node_selector:
        pod["nodeSelector"] = dict(table.node_selector)
    if table.image_pull_secret:
        pod["imagePullSecrets"] = [{"name": table.image_pull_secret}]
    return pod


def _container(fleet: Fleet) -> Manifest:
    """Requests equal limits, and whole processors: such a pod gets processors of its own from a kubelet with the static CPU
    policy. The probe only connects, since those of Kubernetes speak no TLS."""
    table = fleet.table
    resources = {"cpu": str(table.cpus), "memory": f"{table.memory_mb}Mi"}
    mounts = [
        {"name": "settings", "mountPath": HOME, "readOnly": True},
        {"name": "state", "mountPath": "/var/lib/perfgate"},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    if fleet.certificates:
        mounts.append(
            {"name": "certificates", "mountPath": f"{HOME}/certs", "readOnly": True, "subPathExpr": "$(AGENT_INDEX)"}
        )
    index = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}
    return {
        "name": "agent",
        "image": table.image,
        "command": ["perfgate", "agent", "serve", "--config", f"{HOME}/agent.toml"],
        "env": [{"name": "AGENT_INDEX", "valueFrom": index}],
        "ports": [{"name": "agent", "containerPort": table.port, "protocol": "TCP"}],
        "readinessProbe": {"tcpSocket": {"port": "agent"}, "periodSeconds": 2, "failureThreshold": 30},
        "resources": {"requests": resources, "limits": resources},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }  # fmt: skip


def _volumes(fleet: Fleet) -> list[Manifest]:
    """Secrets lie in the node's memory. Readable for the agent's group, which is its own alone."""
    items = [{"key": "agent.toml", "path": "agent.toml"}]
    items += [{"key": _key(name), "path": name} for name in fleet.targets]
    volumes: list[Manifest] = [
        {"name": "settings", "configMap": {"name": fleet.name, "items": items}},
        {"name": "state", "emptyDir": {"sizeLimit": f"{fleet.table.disk_mb}Mi"}},
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
    ]
    if fleet.certificates:
        paths = [
            {"key": f"{number}.{name}", "path": f"{number}/{name}"}
            for number, files in enumerate(fleet.certificates)
            for name in files
        ]
        secret = {"secretName": fleet.name, "defaultMode": 0o440, "items": paths}
        volumes.append({"name": "certificates", "secret": secret})
    return volumes


def _key(name: str) -> str:
    return name.replace("/", ".")


def _network(written: str) -> str:
    try:
        return str(ipaddress.ip_network(written))
    except ValueError as error:
        raise InputError(f"launcher.controllers: {written!r}: {error}; give a network, as 10.2.0.0/16") from error


def _block(written: str) -> tuple[str, Manifest] | None:
    """(network, its ports) of an entry of load.addresses; None for a name or a socket."""
    network, separator, port = written.rpartition(":")
    if not separator or not port.isdigit() or (":" in network and not network.startswith("[")):
        network, port = written, ""
    try:
        cidr = str(ipaddress.ip_network(network.strip("[]")))
    except ValueError:
        return None
    return cidr, {"ports": [{"protocol": "TCP", "port": int(port)}]} if port else {}
