#!/usr/bin/env bash
# Installs the load generators that `make bench` compares perfgate with, and the nginx they all load. Nothing else uses
# them. Does nothing for what is there already; what cannot be had is named, and the benchmark does without it.
#
#   scripts/peers.sh              all of them; oha is built from source, which takes some 20 minutes
#   scripts/peers.sh nginx wrk    only these: nginx floor wrk h2load vegeta hey python oha
#
# Debian's packages go where Debian puts them (needs root); all else into PERFGATE_PEERS, by default
# ~/.cache/perfgate-peers, which may be removed at any time.
set -uo pipefail
peers=${PERFGATE_PEERS:-$HOME/.cache/perfgate-peers}
vegeta=v12.13.0
hey=v0.1.5
oha=1.16.0
locust=2.47.0
aiohttp=3.14.5

say() { printf 'peers: %s\n' "$*" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# debian COMMAND PACKAGE
debian() {
  if PATH=$PATH:/usr/sbin command -v "$1" >/dev/null; then return; fi
  say "installing $2"
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e "$policy" ]; then # Debian would start nginx on port 80
    made=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod +x "$policy"
  fi
  { as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends "$2"; } >/dev/null 2>&1 ||
    say "$2 could not be installed: apt-get install $2"
  if [ -n "$made" ]; then as_root rm -f "$policy"; fi
}

# from_go NAME MODULE@VERSION
from_go() {
  if [ -x "$peers/bin/$1" ]; then return; fi
  local go
  go=$(PATH=$PATH:/usr/local/go/bin command -v go) || { say "$1 needs Go >= 1.22"; return; }
  say "building $2"
  GOBIN=$peers/bin "$go" install "$2" || say "$2 could not be built"
}

from_cargo() {
  if [ -x "$peers/bin/oha" ]; then return; fi
  local cargo
  cargo=$(PATH=$PATH:$HOME/.cargo/bin command -v cargo) || { say "oha needs Rust's cargo"; return; }
  say "building oha $oha, for 20 minutes or more"
  nice -n 19 "$cargo" install --quiet --locked --root "$peers" --jobs "${OHA_JOBS:-1}" "oha@$oha" ||
    say "oha could not be built"
}

# no peer: what the machine itself costs
from_here() {
  local source
  source=$(dirname "$0")/../benchmarks/floor.c
  if [ "$peers/bin/floor" -nt "$source" ]; then return; fi
  cc -O2 -o "$peers/bin/floor" "$source" || say "floor needs a C compiler"
}

from_python() {
  if [ -x "$peers/bin/peers-python" ]; then return; fi
  say "installing Locust $locust and aiohttp $aiohttp into an environment of their own"
  local python=${PYTHON:-python3}
  "$python" -m venv "$peers" &&
    "$peers/bin/python" -m pip --disable-pip-version-check --quiet install --root-user-action=ignore \
      "locust==$locust" "aiohttp==$aiohttp" || { say "they could not be installed"; return; }
  # The name under which the benchmark looks for a Python that has them.
  printf '#!/bin/sh\nexec "$(dirname "$0")/python" "$@"\n' >"$peers/bin/peers-python"
  chmod +x "$peers/bin/peers-python"
}

mkdir -p "$peers/bin"
[ $# -gt 0 ] || set -- nginx floor wrk h2load vegeta hey python oha
for name in "$@"; do
  case $name in
    nginx) debian nginx nginx-light ;;
    floor) from_here ;;
    wrk) debian wrk wrk ;;
    h2load) debian h2load nghttp2-client ;;
    vegeta) from_go vegeta "github.com/tsenart/vegeta/v12@$vegeta" ;;
    hey) from_go hey "github.com/rakyll/hey@$hey" ;;
    python) from_python ;;
    oha) from_cargo ;;
    *)
      say "$name is none of nginx floor wrk h2load vegeta hey python oha"
      exit 3
      ;;
  esac
done
say "done; in $peers"
