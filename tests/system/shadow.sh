#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The hypervisor of 2005 (tests/guest/shadow) does the same on the first processor with VT-x and on later ones,
# however long translations live, and never uses one that it should have invalidated.
. "$(dirname "$0")/lib.sh"

run() {
    timeout 100 "$program" -kernel "$guests/shadow.elf" -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
        "$@" < /dev/null
}

run -cpu prescott-vt > "$work/first"
code=$?
(( code == 1 )) && pass || fail "prescott-vt: exit code $code: $(tail -3 "$work/first")"
has "$work/first" "guest: done"
has "$work/first" "all as it must be"
for cpu in prescott-vt penryn nehalem max; do
    for options in "" "-tlb none" "-tlb sticky" "--strict tlb"; do
        run -cpu $cpu $options > "$work/out" 2> "$work/err"
        code=$?
        (( code == 1 )) && pass || fail "$cpu $options: exit code $code: $(tail -3 "$work/out")"
        cmp -s "$work/first" "$work/out" && pass || fail "$cpu $options: another output"
        [ -s "$work/err" ] && fail "$cpu $options: $(head -1 "$work/err")" || pass
    done
done
finish
