#!/usr/bin/env bash
# The performance gate as a CI calls it: see --help.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: ci_performance_gate.sh [options] [-- further arguments of `perfgate gate`]

Builds two commits of a store, measures them against each other, and says whether the merge may go on.

  option                   variable                  default
  --scenario FILE          PERFGATE_SCENARIO         scenarios/ci/fast_regression_check.toml
  --target FILE            PERFGATE_TARGET           (needed) how the store is built and started
  --repo DIR               PERFGATE_REPO             .
  --base REF               PERFGATE_BASE             where the candidate left the main branch
  --candidate REF          PERFGATE_CANDIDATE        HEAD
  --policy NAME|FILE       PERFGATE_POLICY           the scenario's
  --time-limit TIME        PERFGATE_TIME_LIMIT       15m, for builds, measuring and a second try together
  --wait TIME              PERFGATE_WAIT             30m, while this host measures something else
  --on-inconclusive WORD   PERFGATE_ON_INCONCLUSIVE  the policy's: warn (the merge goes on) or block
  --out DIR                PERFGATE_OUT              perfgate-results; what lies there already is moved aside
  --no-retry               PERFGATE_RETRY=0          an INVALID measurement is tried once more
                           PERFGATE                  the perfgate to call (default: the one beside this script, the
                                                     one in PATH, or one installed into an environment of its own)
                           PERFGATE_INSTALL          what pip installs there (default: the checkout around this script)

DIR holds report.md, result.json, junit.xml and verdict.txt; the last line printed is the verdict.

exit codes: 0 the merge may go on, 1 BLOCK (internal), 2 BLOCK (competitive), 3 INVALID, bad input or failure,
            4 INCONCLUSIVE where that blocks

examples:
  scripts/ci_performance_gate.sh --target targets/mystore.toml
  PERFGATE_TARGET=targets/mystore.toml scripts/ci_performance_gate.sh --base origin/release --time-limit 10m
HELP
}

say() { printf 'perfgate ci: %s\n' "$*" >&2; }
fail() { say "$*"; exit 3; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scenario=${PERFGATE_SCENARIO:-}
target=${PERFGATE_TARGET:-}
repo=${PERFGATE_REPO:-.}
base=${PERFGATE_BASE:-}
candidate=${PERFGATE_CANDIDATE:-HEAD}
policy=${PERFGATE_POLICY:-}
limit=${PERFGATE_TIME_LIMIT:-15m}
wait_time=${PERFGATE_WAIT:-30m}
undecided=${PERFGATE_ON_INCONCLUSIVE:-}
out=${PERFGATE_OUT:-perfgate-results}
retry=${PERFGATE_RETRY:-1}
more=()

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --no-retry) retry=0; shift; continue ;;
    --) shift; more=("$@"); break ;;
    --*=*) name=${1%%=*}; value=${1#*=}; given=0; shift ;;
    --*) name=$1; value=${2-}; given=$#; shift ;;
    *) fail "$1: is no option; see --help (further arguments of perfgate gate come after --)" ;;
  esac
  case $name in
    --scenario) scenario=$value ;;
    --target) target=$value ;;
    --repo) repo=$value ;;
    --base) base=$value ;;
    --candidate) candidate=$value ;;
    --policy) policy=$value ;;
    --time-limit) limit=$value ;;
    --wait) wait_time=$value ;;
    --on-inconclusive) undecided=$value ;;
    --out) out=$value ;;
    *) fail "$name: is no option; see --help" ;;
  esac
  case $given in 0) ;; 1) fail "$name: needs a value; see --help" ;; *) shift ;; esac
done

[ -n "$target" ] || fail "--target (or PERFGATE_TARGET) is missing: the file that says how the store is built and started"
case $undecided in '' | warn | block) ;; *) fail "--on-inconclusive $undecided: give warn or block" ;; esac

seconds_of() { # 90s, 15m, 1h or bare seconds
  local number=${1%[smh]}
  case $number in '' | *[!0-9]*) fail "$2 $1: give whole seconds, minutes or hours, as 90s, 15m or 1h" ;; esac
  case $1 in *m) echo $((number * 60)) ;; *h) echo $((number * 3600)) ;; *) echo "$number" ;; esac
}
limit_s=$(seconds_of "$limit" --time-limit)
seconds_of "$wait_time" --wait >/dev/null

find_perfgate() {
  if [ -n "${PERFGATE:-}" ]; then echo "$PERFGATE"; return; fi
  if [ -x "$here/../.venv/bin/perfgate" ]; then echo "$here/../.venv/bin/perfgate"; return; fi
  if command -v perfgate; then return; fi
  local venv=${XDG_CACHE_HOME:-$HOME/.cache}/perfgate/ci-venv
  if [ ! -x "$venv/bin/perfgate" ]; then
    say "installing perfgate into $venv"
    python3 -m venv "$venv" >&2
    local what=${PERFGATE_INSTALL:-}
    if [ -z "$what" ] && [ -f "$here/../pyproject.toml" ]; then what="$here/.."; fi
    "$venv/bin/python" -m pip install --quiet "${what:-perfgate}" >&2
  fi
  echo "$venv/bin/perfgate"
}
perfgate=$(find_perfgate) || fail "perfgate could not be installed; see above, or name one in PERFGATE"
if [ -z "$scenario" ]; then
  scenario=$here/../scenarios/ci/fast_regression_check.toml
  [ -f "$scenario" ] || fail "--scenario (or PERFGATE_SCENARIO) is missing: the file that says what is sent"
fi

if [ -e "$out" ]; then
  mv "$out" "$out.$(date +%Y%m%d-%H%M%S)-$$" || fail "--out $out: cannot be moved aside; give another directory"
fi
mkdir -p "$out" || fail "--out $out: cannot be made; give another directory"

child=
# The gate ends in order and leaves its report; whoever waits for this script waits for that.
trap '[ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true' INT TERM

gate() { # ATTEMPT SECONDS
  local words=(gate "$scenario" --target "$target" --repo "$repo" --candidate "$candidate" --time-limit "${2}s")
  words+=(--wait "$wait_time" --out "$out/attempt-$1")
  [ -z "$base" ] || words+=(--base "$base")
  [ -z "$policy" ] || words+=(--policy "$policy")
  "$perfgate" "${words[@]}" ${more[@]+"${more[@]}"} 2> >(tee "$out/attempt-$1.log" >&2) &
  child=$!
  local code=0
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do # a signal ended the wait, not the gate
    code=0
    wait "$child" || code=$?
  done
  child=
  return "$code"
}

attempt=1
code=0
began=$SECONDS
gate 1 "$limit_s" || code=$?
left=$((limit_s - (SECONDS - began)))
if [ "$code" = 3 ] && [ "$retry" != 0 ] && grep -qs '^INVALID' "$out/attempt-1/verdict.txt"; then
  if grep -qs '"code":"interrupted"' "$out/attempt-1/result.json"; then
    say "interrupted: not tried again"
  elif [ "$left" -lt 60 ]; then
    say "INVALID, and no time left to try again: no evidence is never a pass"
  else
    say "INVALID: trying once more, with $left s left"
    attempt=2
    code=0
    gate 2 "$left" || code=$?
    if [ "$code" = 3 ] && [ ! -e "$out/attempt-2/verdict.txt" ]; then # too little time for this policy, say
      say "the second try measured nothing: the first one stands"
      attempt=1
    fi
  fi
fi

last=$out/attempt-$attempt
for name in report.md result.json junit.xml verdict.txt; do
  [ ! -e "$last/$name" ] || cp "$last/$name" "$out/$name"
done
if [ ! -e "$out/verdict.txt" ]; then # nothing was measured: bad input, or a build that failed
  why=$(grep -h '^perfgate: ' "$out/attempt-$attempt.log" | tail -n 1 || true)
  printf 'INVALID nothing was measured (exit code %s). %s\n' "$code" "${why#perfgate: }" >"$out/verdict.txt"
  [ "$code" != 0 ] || code=3
fi
verdict=$(cat "$out/verdict.txt")

if [ "$code" = 4 ] && [ -e "$out/result.json" ]; then
  words=(report "$last" --merge)
  [ -z "$undecided" ] || words+=(--on-inconclusive "$undecided")
  code=0
  "$perfgate" "${words[@]}" >/dev/null || code=$?
fi

if [ -n "${GITHUB_ACTIONS:-}" ]; then
  line=${verdict//'%'/%25}
  case $code in 0) kind=notice ;; *) kind=error ;; esac
  case $verdict in INCONCLUSIVE*) [ "$code" != 0 ] || kind=warning ;; esac
  printf '::%s title=performance gate::%s\n' "$kind" "$line"
  if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -e "$out/report.md" ]; then cat "$out/report.md" >>"$GITHUB_STEP_SUMMARY"; fi
fi
printf '%s\n' "$verdict"
exit "$code"
