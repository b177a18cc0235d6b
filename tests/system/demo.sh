#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration hypervisor: its guest speaks, exits are counted, the broken entry is explained, and two runs
# give the same bytes.
. "$(dirname "$0")/lib.sh"

run() {
    timeout 100 "$program" -kernel "$guests/demo.elf" -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
        --stats "$@" < /dev/null
}

run > "$work/out" 2> "$work/err"
code=$?
(( code == 1 )) && pass || fail "exit code $code: $(tail -3 "$work/err")"
has "$work/out" "CPUID"
has "$work/out" "EPT"
has "$work/out" "HLT"
has "$work/out" "state hash"
has "$work/err" "(vmlaunch_broken+"
has "$work/err" "guest_rflags_reserved"
has "$work/err" "GUEST_RFLAGS (6820H)"
run > "$work/out2" 2> "$work/err2"
cmp -s "$work/out" "$work/out2" && pass || fail "two runs differ on standard output"
cmp -s "$work/err" "$work/err2" && pass || fail "two runs differ on standard error"
run -d vmx,ept -D "$work/log" > /dev/null
has "$work/log" "ept violation: write"
has "$work/log" "= 0x0000000000000000   <-- not present"
cut -d ' ' -f 1 "$work/log" | grep -E '^[1-9][0-9]*$' | sort -c -n && pass || fail "the log's instruction counts do not rise"
has "$work/log" "guest_rflags_reserved"
for options in "--strict tlb" "-tlb none" "-tlb sticky"; do
    run $options > "$work/out2" 2> "$work/err2"
    cmp -s "$work/out" "$work/out2" && cmp -s "$work/err" "$work/err2" && pass || fail "$options changes something"
done
finish
