"""A store to try the adapter with: exact search in memory, vectors as base64 of little-endian float32. Nothing outlives it."""

from __future__ import annotations

import argparse
import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


class Collection:
    def __init__(self, width: int) -> None:
        self.width, self.keys = width, list[int]()
        self.matrix = np.zeros((1024, width), np.float32)

    def put(self, key: int, vector: NDArray[np.float32]) -> None:
        if len(self.keys) == len(self.matrix):
            self.matrix = np.concatenate([self.matrix, np.zeros_like(self.matrix)])
        self.matrix[len(self.keys)] = vector
        self.keys.append(key)

    def near(self, vector: NDArray[np.float32], top: int) -> list[int]:
        nearness = self.matrix[: len(self.keys)] @ vector
        return [self.keys[place] for place in np.argsort(-nearness)[:top]]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    """Head and body of a reply in one packet."""
    collections: ClassVar[dict[str, Collection]] = {}
    lock = threading.Lock()

    def do_GET(self) -> None:
        _, _, name, *rest = [*self.path.split("/"), ""]
        found = self.collections.get(name)
        if self.path == "/ready":
            self.answer(200, {})
        elif found is None:
            self.answer(404, {"fault": "no such collection"})
        elif rest[0] == "size":
            self.answer(200, {"stats": {"rows": len(found.keys)}})
        else:
            key = int(rest[1])
            self.answer(200 if key in found.keys else 410, {"key": key})

    def do_PUT(self) -> None:
        with self.lock:
            self.collections[self.path.split("/")[2]] = Collection(int(self.asked()["width"]))
        self.answer(202, {})

    def do_POST(self) -> None:
        _, _, name, action = self.path.split("/")
        asked, found = self.asked(), self.collections[name]
        rows = asked["rows"] if action == "rows" else [asked]
        vectors = [np.frombuffer(base64.b64decode(row["features"]), "<f4") for row in rows]
        if any(len(vector) != found.width for vector in vectors):
            self.answer(418, {"fault": "width"})
            return
        with self.lock:
            if action == "rows":
                for row, vector in zip(rows, vectors, strict=True):
                    found.put(row["key"], vector)
                self.answer(207, {"added": len(rows)})
            else:
                keys = found.near(vectors[0], asked["top"])
                self.answer(200, {"answer": {"rows": [{"row": {"meta": {"key": key}}} for key in keys]}})

    def asked(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return body

    def answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *words: object) -> None:
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler).serve_forever()
