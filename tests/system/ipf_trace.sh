#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Traces of Itanium machines: the guest ends the same way with and without, the trace is the same twice, and the independent reader reads
# what `trace dump` prints.
. "$(dirname "$0")/lib.sh"
guests=$root/tests/guest/ipf
torture=${SILVERPOOL_IA64:-$root/../shared/guests/ia64}/torture
reader=$root/tools/trace_reader.py

# run OUT ARGUMENTS...: exit code, instruction count and state hash to a file.
run() {
    local out=$1
    shift
    timeout 120 "$program" "$@" --stats=json < /dev/null > "$work/stdout" 2> /dev/null
    echo "exit code $?" > "$out"
    grep -oE '"(instructions|state_hash)":"?[0-9a-f]+' "$work/stdout" >> "$out"
}

# same EVENTS ARGUMENTS...: leaves the trace in $work/trace.
same() {
    local events=$1
    shift
    run "$work/plain" "$@"
    run "$work/traced" "$@" -trace "$work/trace" --trace-events "$events"
    if (( $(wc -l < "$work/plain") == 3 )) && cmp -s "$work/plain" "$work/traced"; then
        pass
    else
        fail "$*: $(tr '\n' ' ' < "$work/plain") becomes $(tr '\n' ' ' < "$work/traced")"
    fi
}

# count KIND: events of it in $work/trace.
count() { "$program" trace stat "$work/trace" | awk -v kind="$1" '$1 == kind { print $2 }'; }

same full -kernel "$guests/hello.elf" --ssc
cp "$work/trace" "$work/first"
run "$work/again" -kernel "$guests/hello.elf" --ssc -trace "$work/trace" --trace-events full
cmp -s "$work/first" "$work/trace" && pass || fail "two traces of one run differ"
"$program" trace dump "$work/trace" > "$work/dump"
python3 "$reader" "$work/trace" > "$work/read"
(( $(wc -l < "$work/dump") == $(wc -l < "$work/read") )) && pass || fail "the readers do not agree"
grep -q '\.1 [0-9a-f]* movl r32=' "$work/dump" && pass || fail "no movl in slot 1"
"$program" trace grep --register r8=42 "$work/trace" > /dev/null && pass || fail "trace grep finds nothing"

same full -kernel "$guests/smp.elf" -smp 4 --ssc
"$program" trace dump "$work/trace" | cut -d ' ' -f 1 | sort -u > "$work/cpus"
(( $(wc -l < "$work/cpus") == 4 )) && pass || fail "not four processors in the trace"

same vti,tlb -kernel "$guests/vti/vti.elf" -m 512 --ssc
for kind in pal_call vps_call virtualization accelerated tlb_insert tlb_purge; do
    [[ -n $(count $kind) ]] && pass || fail "no $kind in the trace"
done
"$program" trace stat "$work/trace" | grep -q '^virtualization .* 0x1f thash' && pass || fail "no cause by name"

for program_of_gcc in $(find "$torture" -name '20*.elf' 2> /dev/null | sort | head -20); do
    same full -kernel "$program_of_gcc" --ssc --max-insns 1M
done
finish
