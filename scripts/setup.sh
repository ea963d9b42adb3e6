#!/usr/bin/env bash
# Makes .venv with the pinned dependencies and the generated protobuf. Does nothing when it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv
stamp=$venv/.perfgate-setup
want=$(cat requirements-dev.lock pyproject.toml hatch_build.py proto/perfgate/wire/v1/*.proto agents/perfgate_agent/engine/*.[ch] | sha256sum | cut -d' ' -f1)
if [ -x "$venv/bin/perfgate" ] && [ -f perfgate/wire/v1/wire_pb2.py ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
  exit 0
fi

say() { printf 'setup: %s\n' "$*" >&2; }

python=${PYTHON:-}
if [ -z "$python" ]; then
  for name in python3 python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      python=$name
      break
    fi
  done
fi
if [ -z "$python" ]; then
  say "no Python >= 3.11 found; install one (Debian, Ubuntu: apt-get install python3) or set PYTHON=/path/to/python3"
  exit 3
fi

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# Debian and Ubuntu keep ensurepip in a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  say "$python has no ensurepip: installing $version"
  if ! { as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends "$version"; } >/dev/null; then
    say "could not install $version; do it yourself (sudo apt-get install $version) and call this again"
    exit 3
  fi
fi

# The workers' engine is compiled; without a compiler they are slower, but all the same right.
if ! command -v cc >/dev/null && ! command -v gcc >/dev/null && ! command -v clang >/dev/null && command -v apt-get >/dev/null; then
  say "no C compiler: installing gcc"
  { as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends gcc libc6-dev; } >/dev/null 2>&1 ||
    say "could not install it (apt-get install gcc libc6-dev); going on without"
fi

say "making $venv with $("$python" --version) and the pinned dependencies"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip --disable-pip-version-check --quiet install --root-user-action=ignore --require-hashes -r requirements-dev.lock
"$venv/bin/python" hatch_build.py >/dev/null
"$venv/bin/python" -m pip --disable-pip-version-check --quiet install --root-user-action=ignore --no-deps --no-build-isolation -e .
printf '%s' "$want" >"$stamp"
say "done"
