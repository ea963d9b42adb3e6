#!/usr/bin/env bash
# A real API server of Kubernetes for tests/test_launch_kubernetes.py: etcd of Debian's package, kube-apiserver built by Go from
# its module (some 10 CPU minutes). Into $PERFGATE_KUBE (default ~/.cache/perfgate-kube/bin).
set -euo pipefail
VERSION=1.34.2
place="${PERFGATE_KUBE:-$HOME/.cache/perfgate-kube/bin}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$place"

cd "$work"
apt-get download -q etcd-server
dpkg -x etcd-server_*.deb etcd
cp etcd/usr/bin/etcd "$place/"

mkdir build && cd build
cat > main.go <<'GO'
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
GO
# The module names its parts by directories of its own repository; as modules they have version 0.MINOR.PATCH.
upstream="$(go mod download -json "k8s.io/kubernetes@v$VERSION" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')"
parts="$(grep -oE '^\s+k8s\.io/[a-z-]+ v0\.0\.0$' "$upstream" | awk '{print $1}')"
{
  echo "module apiserver"
  grep -E '^go ' "$upstream"
  echo "require k8s.io/kubernetes v$VERSION"
  echo "require ("
  grep -E '^\s+[a-z]' "$upstream" | grep -vE ' v0\.0\.0$|=>|^\s+\.'
  for part in $parts; do echo "  $part v0.${VERSION#1.}"; done
  echo ")"
  echo "replace ("
  for part in $parts; do echo "  $part => $part v0.${VERSION#1.}"; done
  echo ")"
} > go.mod
GOFLAGS=-mod=mod nice -n 19 go build -p 2 -ldflags "-s -w" -o "$place/kube-apiserver" .
echo "$place"
