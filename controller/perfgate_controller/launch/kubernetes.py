"""Agents as the pods of an indexed Job."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from kubernetes_asyncio import client, config

from perfgate.errors import FleetError, InputError
from perfgate.fleet_file.launcher_schema import KubernetesTable
from perfgate_controller.launch.agent_files import certificate_files, target_files
from perfgate_controller.launch.launcher import Certify, Placed, Standing, WantedAgent
from perfgate_controller.launch.manifests import INDEX, Fleet, Manifest, check_name, labels, manifests, pod_host
from perfgate_controller.launch.processes import same_table

POLL_S = 0.5
MANAGER = "perfgate"
APPLY = "application/apply-patch+yaml"
PLACES = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps/{}",
    "Secret": "/api/v1/namespaces/{}/secrets/{}",
    "Service": "/api/v1/namespaces/{}/services/{}",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/{}",
    "Job": "/apis/batch/v1/namespaces/{}/jobs/{}",
}


class KubernetesLauncher:
    """fleet: names the objects. directory: of the fleet file."""

    def __init__(self, fleet: str, directory: Path) -> None:
        self._fleet, self._directory = fleet, directory

    async def up(self, agents: Sequence[WantedAgent], certify: Certify, record: Callable[[Placed], None]) -> None:
        table = _table(agents)
        if addressed := [agent.name for agent in agents if agent.host]:
            raise InputError(f"{addressed[0]}: leave address away; with kind kubernetes the cluster gives it")
        wanted = wanted_fleet(self._fleet, self._directory, agents, certify)
        kubeconfig = str(self._directory / Path(table.kubeconfig).expanduser()) if table.kubeconfig else ""
        placed = [_placed(self._fleet, table, kubeconfig, n, agent.name) for n, agent in enumerate(agents)]
        async with _api(kubeconfig, table.context) as api:
            for manifest in manifests(wanted):
                await _apply(api, manifest)
            for one in placed:
                record(one)
            await _await_ready(api, self._fleet, table, len(agents))

    async def status(self, placed: Sequence[Placed]) -> list[Standing]:
        handle = placed[0].handle
        try:
            async with _api(handle["kubeconfig"], handle["context"]) as api:
                pods = await _pods(api, self._fleet, handle["namespace"])
        except FleetError as error:
            return [Standing(one.name, "unreachable", str(error)) for one in placed]
        return [_standing(one, pods.get(one.handle["index"])) for one in placed]

    async def down(self, placed: Sequence[Placed], patience_s: float, record: Callable[[Standing], None]) -> None:
        handle = placed[0].handle
        namespace = handle["namespace"]
        async with _api(handle["kubeconfig"], handle["context"]) as api:
            for kind in reversed(PLACES):
                await _delete(api, kind, namespace, self._fleet)
            until = time.monotonic() + patience_s + 60
            while pods := await _pods(api, self._fleet, namespace):
                if time.monotonic() > until:
                    raise FleetError(
                        f"pods {', '.join(map(_name, pods.values()))} do not end; kubectl describe pod says why"
                    )
                await asyncio.sleep(POLL_S)
        for one in placed:
            record(Standing(one.name, "stopped", "its pod is gone"))


def wanted_fleet(fleet: str, directory: Path, agents: Sequence[WantedAgent], certify: Certify) -> Fleet:
    """Raises InputError for names, files and certificates that cannot be."""
    table = _table(agents)
    check_name(fleet, len(agents))
    files = [certify(agent.name, agent.tls_name or pod_host(fleet, table, n)) for n, agent in enumerate(agents)]
    if None in files:
        raise InputError(
            "launcher.certs is missing: agents of a cluster are reached over its network, so they need certificates; name the "
            "authority's directory (perfgate certs init)"
        )
    certificates = [
        {name.removeprefix("certs/"): content for name, content in certificate_files(one).items()} for one in files
    ]
    return Fleet(fleet, len(agents), table, target_files(table, directory), certificates)


@contextlib.asynccontextmanager
async def _api(kubeconfig: str | None, context: str | None) -> AsyncIterator[client.ApiClient]:
    """Raises FleetError where there is no cluster to be found, or it does not answer."""
    settings = client.Configuration()
    try:
        if not kubeconfig and not context and Path(config.incluster_config.SERVICE_TOKEN_FILENAME).exists():
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(
                config_file=kubeconfig or None, context=context or None, client_configuration=settings
            )
    except (config.ConfigException, OSError) as error:
        raise FleetError(f"no cluster: {error}; name launcher.kubeconfig and launcher.context") from error
    async with client.ApiClient(configuration=settings) as api:
        yield api


async def _call(api: client.ApiClient, method: str, path: str, body: Any = None, **query: str) -> Any:
    """JSON of the API server. Raises FleetError in its own words; LookupError for what is not there."""
    header = {"Accept": "application/json", "Content-Type": APPLY if method == "PATCH" else "application/json"}
    try:
        answer = await api.call_api(
            path, method, query_params=list(query.items()), header_params=header, body=body,
            auth_settings=["BearerToken"], response_types_map={200: "object", 201: "object", 202: "object"},
            _return_http_data_only=True, _request_timeout=30,
        )  # fmt: skip
    except client.ApiException as error:
        if error.status == 404:
            raise LookupError(path) from error
        raise FleetError(f"the cluster refuses {method} {path}: {_words(error)}") from error
    except (OSError, TimeoutError) as error:
        raise FleetError(f"the cluster does not answer: {error}") from error
    return answer


async def _apply(api: client.ApiClient, manifest: Manifest) -> None:
    """Server-side apply: made, or made so. A Job's template cannot be changed while it lives."""
    metadata = manifest["metadata"]
    path = PLACES[manifest["kind"]].format(metadata["namespace"], metadata["name"])
    try:
        await _call(api, "PATCH", path, manifest, fieldManager=MANAGER, force="true")
    except LookupError as error:
        raise FleetError(
            f"the cluster has no namespace {metadata['namespace']!r}; kubectl create namespace makes it"
        ) from error
    except FleetError as error:
        if "immutable" in str(error):
            raise FleetError(
                f"job {metadata['name']} runs already, with other settings; perfgate fleet down first"
            ) from error
        raise


async def _delete(api: client.ApiClient, kind: str, namespace: str, name: str) -> None:
    with contextlib.suppress(LookupError):
        await _call(api, "DELETE", PLACES[kind].format(namespace, name), propagationPolicy="Background")


async def _pods(api: client.ApiClient, fleet: str, namespace: str) -> dict[str, Any]:
    """By index; the newest where one was replaced."""
    selector = ",".join(f"{key}={value}" for key, value in labels(fleet).items())
    listed = await _call(api, "GET", f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
    pods = sorted(listed["items"], key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
    return {pod["metadata"].get("annotations", {}).get(INDEX, _name(pod)): pod for pod in pods}


async def _await_ready(api: client.ApiClient, fleet: str, table: KubernetesTable, agents: int) -> None:
    until = time.monotonic() + table.ready_seconds
    while True:
        pods = await _pods(api, fleet, table.namespace)
        states = {index: _state(pod) for index, pod in pods.items()}
        if sum(state == "running" for state, _ in states.values()) == agents:
            return
        if failed := [f"{_name(pods[index])}: {why}" for index, (state, why) in states.items() if state == "ended"]:
            raise FleetError("; ".join(failed))
        if time.monotonic() > until:
            waiting = [f"{_name(pods[index])}: {why}" for index, (state, why) in states.items() if state != "running"]
            waiting += [f"{agents - len(pods)} pods are not made yet"] if len(pods) < agents else []
            raise FleetError(
                f"not ready within {table.ready_seconds:g} s (launcher.ready_seconds): {'; '.join(waiting)}"
            )
        await asyncio.sleep(POLL_S)


def _standing(placed: Placed, pod: Any) -> Standing:
    if pod is None:
        return Standing(placed.name, "stopped", "no pod")
    state, why = _state(pod)
    return Standing(
        placed.name, state, f"{_name(pod)} on {pod['spec'].get('nodeName') or 'no node'}{why and ': ' + why}"
    )


def _state(pod: Any) -> tuple[str, str]:
    """(running, ended or starting; why)."""
    status = pod.get("status", {})
    if status.get("phase") in ("Failed", "Succeeded"):
        return "ended", str(status.get("message") or status.get("reason") or _reasons(status) or status["phase"])
    conditions = {one["type"]: one for one in status.get("conditions", ())}
    if conditions.get("Ready", {}).get("status") == "True":
        return "running", ""
    scheduled = conditions.get("PodScheduled", {})
    return "starting", str(_reasons(status) or scheduled.get("message") or status.get("phase") or "pending")


def _reasons(status: Any) -> str:
    """Of containers that wait or have ended, as ImagePullBackOff."""
    states: list[Any] = [next(iter(one.get("state", {}).values()), {}) for one in status.get("containerStatuses", ())]
    return ", ".join(f"{one['reason']} {one.get('message', '')}".strip() for one in states if one.get("reason"))


def _placed(fleet: str, table: KubernetesTable, kubeconfig: str, number: int, name: str) -> Placed:
    handle = {
        "namespace": table.namespace, "index": str(number), "kubeconfig": kubeconfig, "context": table.context or "",
    }  # fmt: skip
    return Placed(name, f"{pod_host(fleet, table, number)}:{table.port}", handle)


def _name(pod: Any) -> str:
    return str(pod["metadata"]["name"])


def _words(error: client.ApiException) -> str:
    import json

    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(json.loads(error.body or b"")["message"])
    return str(error.reason)


def _table(agents: Sequence[WantedAgent]) -> KubernetesTable:
    table = same_table(agents)
    assert isinstance(table, KubernetesTable)
    return table
