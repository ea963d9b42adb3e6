"""A server that answers on --port and listens on --port2 as well, unless it is 0."""

from __future__ import annotations

import argparse
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--port2", type=int, default=0)
    given, _ = parser.parse_known_args()
    second = socket.create_server(("127.0.0.1", given.port2)) if given.port2 else None
    ThreadingHTTPServer(("127.0.0.1", given.port), Handler).serve_forever()
