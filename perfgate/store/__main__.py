"""`python -m perfgate.store`: the store alone, which starts faster than through the whole command line."""

from __future__ import annotations

import sys

from perfgate.cli.store import serve_main

if __name__ == "__main__":
    sys.exit(serve_main(sys.argv[1:]))
