#!/usr/bin/env bash
# All quick tests. Most of them wait for processes and servers, so several run side by side; then come those that measure this
# machine, or load it, by themselves (tests/real_time.py tells which). What fails beside others is tried by itself, too: only
# what fails then has failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
quick='not slow and not fuzz and not stores'
pytest() { .venv/bin/python -m pytest "$@"; }

cores=$(nproc 2>/dev/null || echo 1)
side_by_side=(-n "$((cores < 4 ? cores : 4))" --dist loadfile --cache-clear)
[ "$cores" -gt 1 ] || side_by_side=(--cache-clear)

pytest -m "$quick and not alone" "${side_by_side[@]}"
first=$?
case $first in
0) ;;
2) exit 2 ;; # interrupted
1)
  echo 'what failed beside other tests, by itself:'
  pytest -m "$quick and not alone" --last-failed --last-failed-no-failures none
  first=$?
  ;;
*)
  echo 'they could not be run side by side; one at a time:'
  pytest -m "$quick and not alone"
  first=$?
  ;;
esac
pytest -m "$quick and alone"
second=$?
exit "$((first != 0 ? first : second))"
