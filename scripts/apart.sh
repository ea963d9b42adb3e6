#!/usr/bin/env bash
# Runs a command where nothing can be reached from outside: in a network namespace that has a loopback device and no other.
# Some stores listen on all interfaces and cannot be told not to (Weaviate's gRPC and cluster ports).
#
#   scripts/apart.sh perfgate target check targets/weaviate.toml
#
# As root, or wherever users may make namespaces of their own. Where neither is so, the command runs as it is, and says so.
set -euo pipefail
inside='ip link set lo up && exec "$@"'
if [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
  exec unshare --net sh -c "$inside" sh "$@"
elif unshare --map-root-user --net true 2>/dev/null; then
  exec unshare --map-root-user --net sh -c "$inside" sh "$@"
fi
echo 'apart: no network namespace can be made here; running without' >&2
exec "$@"
