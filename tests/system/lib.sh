# SPDX-License-Identifier: Apache-2.0
# Shared by the system tests: set -u; . lib.sh PROGRAM BUILD GUESTS
set -u
program=$1 build=$2 guests=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }
# has FILE TEXT: the file must contain the text.
has() { if grep -qF -- "$2" "$1"; then pass; else fail "no line with: $2"; fi; }
finish() { echo "$passed passed, $failed failed"; exit $((failed > 0)); }
