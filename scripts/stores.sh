#!/usr/bin/env bash
# Installs the real stores that `make test-stores` starts and that the files in targets/ describe. Does nothing for what is
# there already; what cannot be had is named, and its tests are skipped.
#
#   scripts/stores.sh                     all of them; weaviate is built from source, which takes 10 minutes and more
#   scripts/stores.sh chroma arcadedb     only these: chroma arcadedb weaviate
#
# All goes into ~/.cache/perfgate-stores, where the target files look; it may be removed at any time. Redis and PostgreSQL are
# not here: `make setup` installs them with the other packages for development.
set -uo pipefail
stores=$HOME/.cache/perfgate-stores
chromadb=1.5.9
arcadedb=26.10.2.post1
weaviate=v1.35.2

say() { printf 'stores: %s\n' "$*" >&2; }
python=${PYTHON:-python3}

# apart NAME PACKAGE VERSION: into an environment of its own, without what it depends on
apart() {
  if [ -x "$stores/bin/$1" ]; then return 1; fi
  say "installing $2 $3"
  "$python" -m venv "$stores/$1" &&
    "$stores/$1/bin/python" -m pip --disable-pip-version-check --quiet install --root-user-action=ignore --no-deps \
      "$2==$3" || { say "$2 could not be had"; return 1; }
}

# The package's server is a library; its own command imports what a server does not need.
chroma() {
  apart chroma chromadb "$chromadb" || return
  cat >"$stores/bin/chroma" <<EOF
#!/bin/sh
if [ "\$1" = --version ]; then echo "$chromadb"; exit; fi
exec "$stores/chroma/bin/python" -c 'import sys; from chromadb_rust_bindings import cli; cli(["chroma", *sys.argv[1:]])' "\$@"
EOF
  chmod +x "$stores/bin/chroma"
}

# The package has the server's jars and a Java; it is started without Python.
arcadedb() {
  apart arcadedb arcadedb-embedded "$arcadedb" || return
  local home
  home=$("$stores/arcadedb/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/arcadedb_embedded
  cat >"$stores/bin/arcadedb" <<EOF
#!/bin/sh
# arcadedb DIRECTORY PORT
if [ "\$1" = --version ]; then echo "$arcadedb"; exit; fi
exec "$home/jre/bin/java" -Xms512m -Xmx2g --add-exports java.management/sun.management=ALL-UNNAMED \\
  --add-opens java.base/java.util.concurrent.atomic=ALL-UNNAMED --add-opens java.base/java.nio.channels.spi=ALL-UNNAMED \\
  --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED -Djava.awt.headless=true -Dfile.encoding=UTF8 \\
  -Darcadedb.server.rootPath="\$1" -Darcadedb.server.databaseDirectory="\$1/databases" \\
  -Darcadedb.server.rootPassword=perfgate-1 -Darcadedb.server.httpIncomingHost=127.0.0.1 \\
  -Darcadedb.server.httpIncomingPort="\$2" -Darcadedb.server.mode=production \\
  -cp "$home/jars/*" com.arcadedb.server.ArcadeDBServer
EOF
  chmod +x "$stores/bin/arcadedb"
}

weaviate() {
  if [ -x "$stores/bin/weaviate-server" ]; then return; fi
  local go
  go=$(PATH=$PATH:/usr/local/go/bin command -v go) || { say "weaviate needs Go >= 1.24"; return; }
  say "building Weaviate $weaviate, for 10 minutes or more"
  GOBIN=$stores/bin nice -n 19 "$go" install -trimpath -ldflags="-s -w" \
    "github.com/weaviate/weaviate/cmd/weaviate-server@$weaviate" || say "weaviate could not be built"
}

mkdir -p "$stores/bin"
[ $# -gt 0 ] || set -- chroma arcadedb weaviate
for name in "$@"; do
  case $name in
    chroma | arcadedb | weaviate) $name ;;
    *)
      say "$name is none of chroma arcadedb weaviate"
      exit 3
      ;;
  esac
done
say "done; in $stores"
