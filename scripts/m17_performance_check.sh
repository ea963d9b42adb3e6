#!/usr/bin/env bash
# The older name of the performance gate, for pipelines that were written for it: see --help.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: m17_performance_check.sh LABEL before|after|compare [--quick]
       compare_m17_performance.sh LABEL

before   records the commit that is checked out as the base of LABEL; nothing is measured yet
after    records the commit that is checked out as the candidate of LABEL and, where it has a base, compares
compare  builds both commits, measures them against each other and gives the verdict; what was compared before is only
         shown again
--quick  policy quick: a margin of 10 % within a minute or two, in place of the scenario's own policy

Both builds are measured in the same minutes, whenever their commits were recorded: numbers of another hour are no
evidence. Uncommitted changes are recorded with the commit, as a commit that no branch holds, and named in the report.

Scenario, target and whatever else scripts/ci_performance_gate.sh takes come from its PERFGATE_* variables (scenario and
target also from git config perfgate.scenario and perfgate.target). Labels and results lie in .perfgate/labels/LABEL.

exit codes: those of ci_performance_gate.sh; 3 too where `after` has no base to be compared with
examples:
  scripts/m17_performance_check.sh m17 before
  scripts/m17_performance_check.sh m17 after --quick
  scripts/compare_m17_performance.sh m17
HELP
}

say() { printf 'perfgate %s: %s\n' "${label:-check}" "$*" >&2; }
fail() { say "$*"; exit 3; }

label=
action=
quick=
for word in "$@"; do
  case $word in
    -h | --help) usage; exit 0 ;;
    --quick) quick=yes ;;
    -*) fail "$word: is no option; see --help" ;;
    *) if [ -z "$label" ]; then label=$word; elif [ -z "$action" ]; then action=$word; else fail "$word: is too much; see --help"; fi ;;
  esac
done
case $label in
  '') fail "LABEL is missing; see --help" ;;
  .* | *[!A-Za-z0-9._-]* | *..* | *.lock | *.) name=$label; label=; fail "$name: give a label of letters, digits and ._-" ;;
esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(git -C "${PERFGATE_REPO:-.}" rev-parse --show-toplevel 2>/dev/null) ||
  fail "${PERFGATE_REPO:-.}: is no git repository; call it in one, or name one in PERFGATE_REPO"
place=$top/.perfgate/labels/$label

# What is checked out, uncommitted changes included, as a commit: what perfgate gate --candidate WORKTREE makes, too.
snapshot() {
  local head tree index sha subject
  head=$(git -C "$top" rev-parse --verify --quiet HEAD) || fail "$top has no commit yet; commit something"
  index=$(mktemp -d)
  tree=$(
    export GIT_INDEX_FILE=$index/index
    git -C "$top" read-tree HEAD
    git -C "$top" add --all -- . ':(exclude).perfgate'
    git -C "$top" write-tree
  ) || { rm -rf "$index"; fail "the uncommitted changes cannot be recorded; see above, or commit them"; }
  rm -rf "$index"
  if [ "$tree" = "$(git -C "$top" rev-parse "HEAD^{tree}")" ]; then
    echo "$head"
    return
  fi
  subject="uncommitted changes on $(git -C "$top" log -1 --format='%h %s')"
  sha=$(
    export GIT_AUTHOR_NAME=perfgate GIT_AUTHOR_EMAIL=perfgate@localhost GIT_AUTHOR_DATE=2000-01-01T00:00:00+0000
    export GIT_COMMITTER_NAME=perfgate GIT_COMMITTER_EMAIL=perfgate@localhost GIT_COMMITTER_DATE=2000-01-01T00:00:00+0000
    git -C "$top" commit-tree "$tree" -p "$head" -m "$subject"
  )
  say "uncommitted changes count: they are recorded as ${sha:0:12}, which no branch holds:"
  git -C "$top" diff --stat "$head" "$sha" >&2
  echo "$sha"
}

record() { # base|candidate
  local sha
  mkdir -p "$place" || fail "$place: cannot be made; make .perfgate writable"
  [ -e "$top/.perfgate/.gitignore" ] || echo '*' >"$top/.perfgate/.gitignore"
  sha=$(snapshot)
  git -C "$top" update-ref "refs/perfgate/labels/$label/$1" "$sha" # so that no clean-up of git's takes it
  echo "$sha" >"$place/$1"
  say "$1 is $(git -C "$top" log -1 --format='%h (%s)' "$sha")"
}

compare() {
  local base candidate policy asked code=0
  [ -s "$place/base" ] || fail "has no base: call m17_performance_check.sh $label before, on what the change is to be compared with"
  [ -s "$place/candidate" ] || fail "has no candidate: call m17_performance_check.sh $label after, on the change"
  base=$(cat "$place/base")
  candidate=$(cat "$place/candidate")
  policy=$(cat "$place/policy" 2>/dev/null || true)
  asked="$base $candidate ${policy:-${PERFGATE_POLICY:-}} $scenario $target"
  if [ "$(head -n 1 "$place/measured" 2>/dev/null || true)" = "$asked" ]; then
    say "compared before; remove $place/measured to measure again"
    cat "$place/results/verdict.txt"
    return "$(tail -n 1 "$place/measured")"
  fi
  rm -f "$place/measured"
  [ -z "$policy" ] || export PERFGATE_POLICY=$policy
  [ -z "$scenario" ] || export PERFGATE_SCENARIO=$scenario
  export PERFGATE_TARGET=$target
  "$here/ci_performance_gate.sh" --repo "$top" --base "$base" --candidate "$candidate" --out "$place/results" || code=$?
  if [ "$code" != 3 ]; then printf '%s\n%s\n' "$asked" "$code" >"$place/measured"; fi # 3 is no verdict: it may be tried again
  return "$code"
}

setting() { # VALUE NAME: what the variable says, else what git config says, seen from here
  local value=$1
  if [ -z "$value" ] && value=$(git -C "$top" config "perfgate.$2"); then
    case $value in /*) ;; *) value=$top/$value ;; esac
  fi
  echo "$value"
}
scenario=$(setting "${PERFGATE_SCENARIO:-}" scenario)
target=$(setting "${PERFGATE_TARGET:-}" target)

case $action in
  before)
    record base
    rm -f "$place/policy" "$place/candidate" "$place/measured"
    [ -z "$quick" ] || echo quick >"$place/policy"
    ;;
  after)
    record candidate
    [ -z "$quick" ] || echo quick >"$place/policy"
    compare
    ;;
  compare)
    if [ -n "$quick" ]; then mkdir -p "$place" && echo quick >"$place/policy"; fi
    compare
    ;;
  '') fail "what to do is missing: before, after or compare; see --help" ;;
  *) fail "$action: give before, after or compare" ;;
esac
