"""The built-in store: HNSW search behind Engram's HTTP API, which misbehaves on request."""
