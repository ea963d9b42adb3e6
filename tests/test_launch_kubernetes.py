"""Claims about a fleet in a Kubernetes cluster: its objects, and how they come and go."""

from __future__ import annotations

import base64
import ipaddress
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import write_target
from kubernetes_schema import problems
from kubernetes_stand_in import StandIn, cluster
from launched import down, launched, up, write_fleet
from perfgate_agent.configuration_file import load_configuration
from perfgate_controller.launch.agent_files import target_files
from perfgate_controller.launch.manifests import Fleet, Manifest, check_name, manifests
from perfgate_controller.launch.preview import preview
from perfgate_controller.launch.start import fleet_status
from secure_agents import Certified

from perfgate.errors import FleetError, InputError
from perfgate.fleet_file import load_fleet
from perfgate.fleet_file.launched import state_path
from perfgate.fleet_file.launcher_schema import KubernetesTable
from perfgate.trust.files import TlsFiles

FULL: dict[str, Any] = {
    "kind": "kubernetes", "image": "registry.example.org/perfgate:0.1.0", "namespace": "perf",
    "targets": ["embedded.toml"], "addresses": ["10.1.0.0/16:7432", "fd00::/8"], "controllers": ["10.2.0.0/16"],
    "node_selector": {"tier": "perf"}, "image_pull_secret": "registry", "certs": "authority",
}  # fmt: skip
CERTIFICATES = [{"ca.pem": b"ca", "cert.pem": b"cert", "key.pem": f"key {n}".encode()} for n in range(3)]


def objects(directory: Path, certificates: Any = CERTIFICATES, **other: Any) -> dict[str, Manifest]:
    write_target(directory)
    table = KubernetesTable.model_validate({**FULL, **other})
    fleet = Fleet("soak", 3, table, target_files(table, directory), certificates)
    return {manifest["kind"]: manifest for manifest in manifests(fleet)}


def write(directory: Path, kubeconfig: Path, **other: str) -> Path:
    keys = {
        "kind": '"kubernetes"', "image": '"perfgate:0.1.0"', "kubeconfig": f'"{kubeconfig}"', "namespace": '"perf"',
        "certs": f'"{directory}/authority"', "targets": '["embedded.toml"]', **other,
    }  # fmt: skip
    return write_fleet(directory, "\n".join(f"{key} = {value}" for key, value in keys.items()), {"a": "", "b": ""})


@pytest.mark.parametrize("other", [{}, {"addresses": ["store.example.org"]}, {"node_selector": {}, "controllers": []}])
def test_every_object_is_of_the_form_that_the_api_has(other: dict[str, Any], tmp_path: Path) -> None:
    for certificates in (CERTIFICATES, []):
        for manifest in objects(tmp_path, certificates, **other).values():
            assert problems(manifest) == []


def test_the_check_of_the_form_sees_what_is_wrong(tmp_path: Path) -> None:
    job = objects(tmp_path)["Job"]
    job["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = "Always"
    job["spec"]["completions"] = "3"
    del job["spec"]["template"]["spec"]["containers"][0]["name"]
    assert len(problems(job)) == 3


@pytest.mark.parametrize("version", ["1.29", "1.34"])
def test_the_published_schemas_take_every_object(version: str, tmp_path: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for manifest in objects(tmp_path).values():
        validate.validate(manifest, version, strict=True)


def test_each_pod_mounts_its_own_key_alone_and_finds_all_that_its_settings_name(tmp_path: Path) -> None:
    """What a kubelet lays out, from these objects, is a directory that an agent starts from."""
    certified = Certified(tmp_path / "authority")
    material = certified.agent.read()
    files = {"ca.pem": material.authorities, "cert.pem": material.certificate, "key.pem": material.key}
    found = objects(tmp_path, [{**files, "key.pem": b"another's"}, files, {}])
    pod = found["Job"]["spec"]["template"]["spec"]
    root = tmp_path / "root"
    _lay_out(root, pod, found, index=1)
    text = (root / "etc/perfgate/agent.toml").read_text()
    (root / "etc/perfgate/agent.toml").write_text(text.replace("/etc/perfgate", f"{root}/etc/perfgate"))
    agent = load_configuration(root / "etc/perfgate/agent.toml")
    assert agent.tls is not None
    assert agent.tls.read() == material
    assert list(agent.targets) == ["embedded"]
    assert (agent.host, agent.port) == ("0.0.0.0", 7400)
    assert b"another's" not in b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_no_two_agents_share_a_node_and_a_lost_one_takes_no_other_with_it(tmp_path: Path) -> None:
    spec = objects(tmp_path)["Job"]["spec"]
    pod = spec["template"]["spec"]
    (rule,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rule["topologyKey"] == "kubernetes.io/hostname"
    assert rule["labelSelector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"], pod["restartPolicy"]) == (0, 3, "Never")
    container = pod["containers"][0]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert pod["automountServiceAccountToken"] is False


def test_only_controllers_get_in_and_only_what_may_be_loaded_is_reached(tmp_path: Path) -> None:
    policy = objects(tmp_path)["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (way_in,) = policy["ingress"]
    assert way_in["ports"] == [{"protocol": "TCP", "port": 7400}]
    assert [sorted(peer) for peer in way_in["from"]] == [["podSelector"], ["ipBlock"]]
    blocks = [rule for rule in policy["egress"] if "to" in rule]
    assert [ipaddress.ip_network(rule["to"][0]["ipBlock"]["cidr"]).version for rule in blocks] == [4, 6]
    assert blocks[0]["ports"] == [{"protocol": "TCP", "port": 7432}]
    named = objects(tmp_path, addresses=["10.1.0.0/16", "store.example.org"])["NetworkPolicy"]["spec"]
    assert named["policyTypes"] == ["Ingress"]


@pytest.mark.parametrize("name", ["Soak", "soak_1", "-soak", "soak-", "1soak", "x" * 62, ""])
def test_a_name_that_the_cluster_would_refuse_is_refused_here(name: str) -> None:
    with pytest.raises((InputError, IndexError)):
        check_name(name, 3)


async def test_a_fleet_comes_up_is_seen_and_leaves_nothing(tmp_path: Path) -> None:
    certified = Certified(tmp_path / "authority")
    stand_in = StandIn()
    async with cluster(stand_in, tmp_path) as kubeconfig:
        path = write(tmp_path, kubeconfig)
        async with launched(path) as placed:
            assert placed["b"].address == "fleet-1.fleet.perf.svc.cluster.local:7400"
            assert len(stand_in.objects) == 5
            secret = next(one for one in stand_in.objects.values() if one["kind"] == "Secret")
            key = TlsFiles.of_directory(certified.authority.directory / "agents/b").key.read_bytes()
            assert base64.b64decode(secret["data"]["1.key.pem"]) == key
            assert (await up(path)).keys() == placed.keys()
            standings = [standing for _, standing in await fleet_status(load_fleet(path))]
            assert [(one.state, one.detail) for one in standings][1] == ("running", "fleet-1-x on node-1")
            write(tmp_path, kubeconfig, cpus="4")
            with pytest.raises(FleetError, match="runs already, with other settings; perfgate fleet down first"):
                await up(path)
        assert stand_in.objects == {}
    assert not state_path(load_fleet(path)).exists()


@pytest.mark.parametrize(
    ("stand_in", "other", "words"),
    [
        (StandIn(ready=False, why="ImagePullBackOff"), {}, r"not ready within 0\.2 s .*fleet-0-x: ImagePullBackOff"),
        (StandIn(refusing="Secret"), {}, r"the cluster refuses PATCH .*/secrets/fleet: User \"ci\" cannot patch"),
        (StandIn(), {"namespace": '"missing"'}, r"no namespace 'missing'; kubectl create namespace"),
    ],
)
async def test_what_the_cluster_says_reaches_the_user(
    stand_in: StandIn, other: dict[str, str], words: str, tmp_path: Path
) -> None:
    Certified(tmp_path / "authority")
    async with cluster(stand_in, tmp_path) as kubeconfig:
        path = write(tmp_path, kubeconfig, ready_seconds="0.2", **other)
        with pytest.raises(FleetError, match=words):
            await up(path)
        await down(path)
        assert stand_in.objects == {} or stand_in.refusing


async def test_no_cluster_no_certificates_and_addresses_are_told_apart(tmp_path: Path) -> None:
    Certified(tmp_path / "authority")
    with pytest.raises(FleetError, match=r"no cluster: .*launcher\.kubeconfig"):
        await up(write(tmp_path, tmp_path / "missing"))
    path = write(tmp_path, tmp_path / "missing")
    path.write_text(path.read_text().replace("certs =", "# certs ="))
    with pytest.raises(InputError, match=r"launcher\.certs is missing"):
        await up(path)


def test_a_dry_run_shows_every_object_and_no_key(tmp_path: Path) -> None:
    certified = Certified(tmp_path / "authority")
    text = preview(load_fleet(write(tmp_path, tmp_path / "missing")))
    found = list(yaml.safe_load_all(text))
    assert [one["kind"] for one in found] == ["ConfigMap", "Secret", "Service", "NetworkPolicy", "Job"]
    assert [problem for one in found for problem in problems(one)] == []
    assert base64.b64decode(found[1]["data"]["1.key.pem"]) == (
        b"<key.pem of b, for fleet-1.fleet.perf.svc.cluster.local>"
    )
    assert certified.agent.key.read_text().splitlines()[1] not in text


def _lay_out(root: Path, pod: Manifest, found: dict[str, Manifest], index: int) -> None:
    """Files of volumes, under the container's mounts."""
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in pod["containers"][0]["volumeMounts"]:
        volume = volumes[mount["name"]]
        below = root / mount["mountPath"].lstrip("/")
        if "configMap" in volume:
            content = {key: text.encode() for key, text in found["ConfigMap"]["data"].items()}
            items = volume["configMap"]["items"]
        elif "secret" in volume:
            content = {key: base64.b64decode(text) for key, text in found["Secret"]["data"].items()}
            items = volume["secret"]["items"]
        else:
            continue
        wanted = mount.get("subPathExpr", "").replace("$(AGENT_INDEX)", str(index))
        for item in items:
            if item["path"].startswith(f"{wanted}/" if wanted else ""):
                path = below / item["path"].removeprefix(f"{wanted}/" if wanted else "")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content[item["key"]])
                path.chmod(volume.get("secret", {}).get("defaultMode", 0o644))
