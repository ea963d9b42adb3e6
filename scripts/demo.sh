#!/usr/bin/env bash
# Gates the built-in store twice: against itself (PASS), and against a build whose search is 20 % slower (BLOCK).
set -euo pipefail
cd "$(dirname "$0")/.."
perfgate=.venv/bin/perfgate
scenario=scenarios/ci/quick.toml
target=targets/embedded.toml
out=.perfgate/demo
rm -rf "$out"

gate() { # EXPECTED_EXIT OUT CANDIDATE
  local status=0
  "$perfgate" gate "$scenario" --target "$target" --base default --candidate "$3" --out "$2" || status=$?
  if [ "$status" != "$1" ]; then
    printf '\ndemo: exit code %s where %s was expected; the report is in %s\n' "$status" "$1" "$2" >&2
    [ "$status" = 0 ] && status=1
    exit "$status"
  fi
}

printf 'demo 1 of 2: the same build against itself\n\n'
gate 0 "$out/same" default
printf '\n\ndemo 2 of 2: against a build whose embedding search is 20 %% slower from end to end\n\n'
gate 1 "$out/slow_search" slow_search
cat <<DONE

Both verdicts are as they should be: PASS (exit 0) and BLOCK (exit 1).
The reports are in $out/same and $out/slow_search; show one again with
  $perfgate report $out/slow_search

Try it on a store of your own: copy targets/embedded.toml, change [host] command to what starts your store, then
  $perfgate gate scenarios/ci/fast_regression_check.toml --target targets/yours.toml --base default --candidate new
DONE
