#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Traces of the guests: the reader in Python and the one in C print the same; two runs give the same file; and the run ends
# in the same state as without a trace.
#   format.sh PROGRAM LINES GUESTS
set -uo pipefail
program=$1 lines=$2 guests=$3
reader=$(dirname "$0")/../../tools/trace_reader.py
command -v zstd > /dev/null || { echo "skipped: no zstd command"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAIL: $*"; failed=1; }

# run NAME OPTION...: the guest, with its state hash in NAME.hash
run() {
    "$program" -kernel "$guests/$guest.elf" -serial none --max-insns 200000 --stats "${@:2}" < /dev/null 2> /dev/null |
        grep "state hash" > "$work/$1.hash"
}

for guest in demo shadow; do
    run plain
    run one -trace "$work/one"
    run two --trace="$work/two"
    run vmx -trace "$work/vmx" --trace-events vmx,exceptions,io
    for k in one two vmx; do
        cmp -s "$work/plain.hash" "$work/$k.hash" || fail "$guest: the trace changes the run"
    done
    cmp -s "$work/one" "$work/two" || fail "$guest: two runs give two traces"
    for k in one vmx; do
        "$lines" "$work/$k" > "$work/c" || fail "$guest: a trace cannot be read"
        python3 -B "$reader" "$work/$k" > "$work/python" || fail "$guest: the reader in Python"
        cmp "$work/c" "$work/python" || fail "$guest: $k: the readers differ"
        [[ -s $work/c ]] || fail "$guest: $k: nothing in it"
    done
    diff <("$lines" "$work/one" | grep -E ' (vm_entry|vm_exit|vm_entry_failure|exception|io) ') \
         <(grep -vE ' (mark|stop) ' "$work/c" | grep -E ' (vm_entry|vm_exit|vm_entry_failure|exception|io) ') > /dev/null ||
        fail "$guest: events alone are not those among instructions"
done
(( failed )) || echo "passed"
exit $failed
