"""A store that perfgate has never heard of: exact search in memory, whole numbers as ids, nested results, its own statuses.

A collection must be made before anything can be put into it. Nothing outlives the process. With --handles, a collection goes
by a name that the store makes up; with --index N, it can be searched when its index has been asked after N times.
"""

from __future__ import annotations

import argparse
import base64
import random
import re
import secrets
from collections import Counter
from typing import Any

import numpy as np
from aiohttp import web


class Collection:
    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: list[dict[str, Any]] = []
        self.places: dict[int, int] = {}
        self.words: dict[str, list[int]] = {}
        self.matrix = np.zeros((8192, width), np.float32)
        self.handle = secrets.token_hex(8)
        self.pending = 0

    def put(self, row: dict[str, Any]) -> None:
        place = len(self.rows)
        self.matrix[place] = unpacked(row["features"])
        self.rows.append(row)
        self.places[row["key"]] = place
        for word in set(row["body"].split()):
            self.words.setdefault(word, []).append(place)

    def near(self, features: list[float], top: int) -> list[tuple[int, float]]:
        distances = 1 - self.matrix[: len(self.rows)] @ np.array(features, np.float32)
        return [(int(place), float(distances[place])) for place in np.argsort(distances)[:top]]

    def match(self, words: list[str], top: int) -> list[tuple[int, float]]:
        scores: Counter[int] = Counter()
        for word in words:
            for place in self.words.get(word, ()):
                scores[place] += 1 / len(self.words[word])  # type: ignore[assignment]
        return [(place, -score) for place, score in scores.most_common(top)]


class Store:
    def __init__(self, fail: float, handles: bool, index: int) -> None:
        self.collections: dict[str, Collection] = {}
        self.fail, self.handles, self.index = fail, handles, index
        self.chance = random.Random(1)

    def collection(self, request: web.Request) -> Collection:
        name = request.match_info["name"]
        known = {each.handle: each for each in self.collections.values()} if self.handles else self.collections
        if name not in known:
            raise web.HTTPConflict(text='{"fault": {"reason": "make the collection first"}}')
        return known[name]

    async def make(self, request: web.Request) -> web.Response:
        made = Collection((await request.json())["width"])
        made.pending = self.index
        self.collections.setdefault(request.match_info["name"], made)
        return web.json_response({}, status=202)

    async def about(self, request: web.Request) -> web.Response:
        collection = self.collections.get(request.match_info["name"])
        if collection is None:
            return web.json_response({"fault": {"reason": "no such collection"}}, status=410)
        return web.json_response({"about": {"handle": collection.handle}})

    async def indexed(self, request: web.Request) -> web.Response:
        collection = self.collection(request)
        collection.pending = max(0, collection.pending - 1)
        rows = len(collection.rows)
        return web.json_response(
            {"parts": [{"pending": collection.pending, "rows": rows, "ready": not collection.pending}]}
        )

    async def put(self, request: web.Request) -> web.Response:
        collection, rows = self.collection(request), (await request.json())["rows"]
        for row in rows:
            if not isinstance(row["key"], int) or len(unpacked(row["features"])) != collection.width:
                return web.json_response({"fault": {"reason": "key or width"}}, status=418)
            collection.put(row)
        return web.json_response({"took": len(rows)}, status=207)

    async def look(self, request: web.Request) -> web.Response:
        collection, asked = self.collection(request), await request.json()
        if collection.pending:
            return web.json_response({"fault": {"reason": "not indexed"}}, status=418)
        if self.chance.random() < self.fail:
            return web.json_response({"fault": {"reason": "told to"}})  # 200 all the same
        if "features" in asked:
            features = unpacked(asked["features"])
            if len(features) != collection.width:
                return web.json_response({"fault": {"reason": "width"}}, status=418)
            found = collection.near(features, asked["top"])
        else:
            found = collection.match(re.findall(r"\w+", asked["words"]), asked["top"])
        rows = [{"row": {"meta": {"key": collection.rows[place]["key"]}}, "far": far} for place, far in found]
        return web.json_response({"answer": {"rows": rows}})

    async def get(self, request: web.Request) -> web.Response:
        key = int(request.match_info["key"])
        return web.json_response({"key": key}, status=200 if key in self.collection(request).places else 410)

    async def size(self, request: web.Request) -> web.Response:
        return web.json_response({"stats": {"rows": len(self.collection(request).rows)}})

    async def ready(self, request: web.Request) -> web.Response:
        return web.Response(status=204)


def unpacked(features: list[float] | str) -> list[float]:
    """Numbers, or the base64 of their little-endian float32."""
    return features if isinstance(features, list) else np.frombuffer(base64.b64decode(features), "<f4").tolist()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--fail", type=float, default=0)
    parser.add_argument("--handles", action="store_true")
    parser.add_argument("--index", type=int, default=0)
    given = parser.parse_args()
    store, app = Store(given.fail, given.handles, given.index), web.Application(client_max_size=1 << 26)
    app.add_routes([
        web.put("/c/{name}", store.make), web.post("/c/{name}/rows", store.put), web.post("/c/{name}/look", store.look),
        web.get("/c/{name}", store.about), web.get("/c/{name}/index", store.indexed),
        web.get("/c/{name}/rows/{key}", store.get), web.get("/c/{name}/size", store.size), web.get("/ready", store.ready),
    ])  # fmt: skip
    web.run_app(
        app, host="127.0.0.1", port=given.port, print=lambda *words: print("ready", flush=True), access_log=None
    )


if __name__ == "__main__":
    main()
