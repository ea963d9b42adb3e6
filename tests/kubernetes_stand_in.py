"""A small stand-in for a cluster: an API server that keeps what it is given, and pods that it makes of a Job."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

INDEX = "batch.kubernetes.io/job-completion-index"


class StandIn:
    """objects: by path. ready: what becomes of the pods; else they wait for `why`. refusing: kinds that are forbidden."""

    def __init__(self, ready: bool = True, why: str = "", refusing: str = "") -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.pods: list[dict[str, Any]] = []
        self.ready, self.why, self.refusing = ready, why, refusing

    async def patch(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/apply-patch+yaml"
        assert request.query["fieldManager"] == "perfgate"
        body = json.loads(await request.text())
        if "/namespaces/missing/" in request.path:
            return _failure(404, 'namespaces "missing" not found')
        if body["kind"] == self.refusing:
            return _failure(403, f'User "ci" cannot patch resource {body["kind"]}')
        before = self.objects.get(request.path)
        if before and body["kind"] == "Job" and before["spec"]["template"] != body["spec"]["template"]:
            return _failure(422, "Job.batch is invalid: spec.template: Invalid value: field is immutable")
        self.objects[request.path] = body
        if body["kind"] == "Job" and not before:
            self.pods = [self._pod(body, index) for index in range(body["spec"]["completions"])]
        return web.json_response(body)

    async def delete(self, request: web.Request) -> web.Response:
        found = self.objects.pop(request.path, None)
        if found is None:
            return _failure(404, "not found")
        if found["kind"] == "Job":
            self.pods = []
        return web.json_response({"kind": "Status", "status": "Success"})

    async def list_pods(self, request: web.Request) -> web.Response:
        assert "app.kubernetes.io/instance=" in request.query["labelSelector"]
        return web.json_response({"kind": "PodList", "items": self.pods})

    def _pod(self, job: dict[str, Any], index: int) -> dict[str, Any]:
        status: dict[str, Any] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        if not self.ready:
            waiting = {"state": {"waiting": {"reason": self.why}}}
            status = {"phase": "Pending", "containerStatuses": [waiting] if self.why else []}
        metadata = {
            "name": f"{job['metadata']['name']}-{index}-x", "annotations": {INDEX: str(index)},
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        return {"metadata": metadata, "spec": {"nodeName": f"node-{index}"}, "status": status}


@contextlib.asynccontextmanager
async def cluster(stand_in: StandIn, directory: Path) -> AsyncIterator[Path]:
    """Served on loopback; its kubeconfig."""
    application = web.Application()
    application.router.add_route("PATCH", "/{path:.*}", stand_in.patch)
    application.router.add_route("DELETE", "/{path:.*}", stand_in.delete)
    application.router.add_route("GET", "/api/v1/namespaces/{namespace}/pods", stand_in.list_pods)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield write_kubeconfig(directory, f"http://127.0.0.1:{port}")
    finally:
        await runner.cleanup()


def write_kubeconfig(directory: Path, server: str, user: dict[str, str] | None = None, **cluster: Any) -> Path:
    path = directory / "kubeconfig"
    document = {
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "test", "user": user or {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(document))
    return path


def _failure(status: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "status": "Failure", "message": message}, status=status)
