#!/usr/bin/env bash
# Compares what m17_performance_check.sh LABEL before and after have recorded: see m17_performance_check.sh --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case ${1:-} in '' | -*) exec "$here/m17_performance_check.sh" "$@" ;; esac
exec "$here/m17_performance_check.sh" "$@" compare
