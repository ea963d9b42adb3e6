"""A server that answers on --port and listens on each --besides as well."""

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
    parser.add_argument("--besides", type=int, action="append", default=[])
    given, _ = parser.parse_known_args()
    others = [socket.create_server(("127.0.0.1", port)) for port in given.besides]
    ThreadingHTTPServer(("127.0.0.1", given.port), Handler).serve_forever()
