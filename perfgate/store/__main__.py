"""`python -m perfgate.store`: the store alone, which starts faster than through the whole command line."""

from __future__ import annotations

import sys

from perfgate.store.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
