"""Claims about a fleet's objects and a real API server of Kubernetes, which runs nothing: pods and their states are the
test's."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio import client, config
from kubernetes_server import kubernetes_server, why_not
from launched import down, up, write_fleet
from perfgate_controller.launch.preview import preview
from perfgate_controller.launch.start import fleet_status
from secure_agents import Certified

from perfgate.errors import FleetError
from perfgate.fleet_file import load_fleet

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]
INDEX = "batch.kubernetes.io/job-completion-index"
LAUNCHER = """
kind = "kubernetes"
image = "perfgate:0.1.0"
namespace = "{namespace}"
kubeconfig = "{kubeconfig}"
certs = "{directory}/authority"
targets = ["embedded.toml"]
addresses = ["10.1.0.0/16:7432", "fd00::/8"]
controllers = ["10.2.0.0/16"]
node_selector = {{ "perfgate.dev/tier" = "perf" }}
image_pull_secret = "registry"
ready_seconds = {ready}
"""


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="perfgate-kube-") as name, kubernetes_server(Path(name)) as path:
        yield path


def write(kubeconfig: Path, directory: Path, namespace: str = "default", ready: float = 60) -> Path:
    launcher = LAUNCHER.format(kubeconfig=kubeconfig, directory=directory, namespace=namespace, ready=ready)
    return write_fleet(directory, launcher, {"a": "", "b": ""})


@asynccontextmanager
async def reached(kubeconfig: Path) -> AsyncIterator[client.ApiClient]:
    settings = client.Configuration()
    await config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)
    async with client.ApiClient(configuration=settings) as api:
        yield api


async def play_the_job(api: client.ApiClient) -> None:
    """What the controllers of a cluster would do: pods of the Job's template, which are ready."""
    core, batch = client.CoreV1Api(api), client.BatchV1Api(api)
    while not (jobs := (await batch.list_namespaced_job("default")).items):
        await asyncio.sleep(0.05)
    template = api.sanitize_for_serialization(jobs[0].spec.template)
    for index in range(jobs[0].spec.completions):
        name = f"{jobs[0].metadata.name}-{index}"
        metadata = {**template["metadata"], "name": name, "annotations": {INDEX: str(index)}}
        await core.create_namespaced_pod(
            "default", {"metadata": metadata, "spec": {**template["spec"], "hostname": name}}
        )
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        await core.patch_namespaced_pod_status(name, "default", {"status": status})


async def forget_the_pods(api: client.ApiClient) -> None:
    """What the garbage collector would do once the Job is gone."""
    core, batch = client.CoreV1Api(api), client.BatchV1Api(api)
    while (await batch.list_namespaced_job("default")).items:
        await asyncio.sleep(0.05)
    for pod in (await core.list_namespaced_pod("default")).items:
        await core.delete_namespaced_pod(pod.metadata.name, "default", grace_period_seconds=0)


async def test_a_real_api_server_takes_every_object_and_gives_them_up(kubeconfig: Path, tmp_path: Path) -> None:
    Certified(tmp_path / "authority")
    path = write(kubeconfig, tmp_path)
    async with reached(kubeconfig) as api:
        _, placed = await asyncio.gather(play_the_job(api), up(path))
        assert placed["b"].address == "fleet-1.fleet.default.svc.cluster.local:7400"
        assert (await up(path)).keys() == placed.keys()
        assert [standing.state for _, standing in await fleet_status(load_fleet(path))] == ["running", "running"]
        policy = await client.NetworkingV1Api(api).read_namespaced_network_policy("fleet", "default")
        assert policy.spec.policy_types == ["Ingress", "Egress"]
        path.write_text(path.read_text().replace("perfgate:0.1.0", "perfgate:0.2.0"))
        with pytest.raises(FleetError, match="runs already, with other settings; perfgate fleet down first"):
            await up(path)
        await asyncio.gather(forget_the_pods(api), down(path))
        kept = (await client.CoreV1Api(api).list_namespaced_secret("default")).items
        assert [secret.metadata.name for secret in kept] == []


async def test_what_a_real_api_server_says_reaches_the_user(kubeconfig: Path, tmp_path: Path) -> None:
    Certified(tmp_path / "authority")
    elsewhere = tmp_path / "elsewhere"  # names in certificates are of a namespace
    Certified(elsewhere / "authority")
    with pytest.raises(FleetError, match="no namespace 'missing'; kubectl create namespace"):
        await up(write(kubeconfig, elsewhere, namespace="missing"))
    path = write(kubeconfig, tmp_path, ready=0.5)
    with pytest.raises(FleetError, match=r"not ready within 0\.5 s .*2 pods are not made yet"):
        await up(path)
    await down(path)
    wrong = tmp_path / "wrong"
    wrong.write_text(kubeconfig.read_text().replace("token: ", "token: x"))
    with pytest.raises(FleetError, match=r"the cluster refuses PATCH .*Unauthorized"):
        await up(write(wrong, tmp_path))


def test_what_a_dry_run_prints_is_taken_by_a_strict_server_as_it_is(kubeconfig: Path, tmp_path: Path) -> None:
    """By server-side dry run: checked and defaulted like the real thing, every unknown field refused."""
    Certified(tmp_path / "authority")
    text = preview(load_fleet(write(kubeconfig, tmp_path)))
    command = [
        "kubectl", "--kubeconfig", str(kubeconfig), "apply", "-f", "-", "--dry-run=server", "--validate=strict", "-o", "json",
    ]  # fmt: skip
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    taken: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    assert [one["kind"] for one in taken] == ["ConfigMap", "Secret", "Service", "NetworkPolicy", "Job"]
