"""What this machine, rather than the store, can run out of when a connection is to be opened."""

from __future__ import annotations

import errno

LOCAL_ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""Of connect(2) and socket(2); `is_local` of engine.c holds the same. EAGAIN is none of them: a Unix socket's connect gives
it where the store's listen queue is full (unix(7)), and TCP gives it no more since Linux has no routing cache (3.6)."""
