#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A VT-i hypervisor with two virtual processors, in the ways of Xen and of KVM, without accelerations and with all, on one processor and on two:
# the checks of tests/guest/ipf/vti, each as often as checks.txt there says; what --stats and -d vti tell of it; processors without VT-i.
. "$(dirname "$0")/lib.sh"
guest=$root/tests/guest/ipf/vti
export LC_ALL=C

# run CODE ARGUMENTS...
run() {
    local code=$1 got
    shift
    timeout 300 "$program" -kernel "$guest/vti.elf" -m 512 --ssc "$@" < /dev/null > "$work/out" 2> "$work/err"
    got=$?
    (( got == code )) && pass || fail "$*: exit code $got, not $code: $(grep -m1 FAILED "$work/out") $(head -1 "$work/err")"
}
# Checks by name, without the way and the virtual processor: how often each held.
held() { sed -nE 's/^ok [a-z-]+ (vp[01]|vmm) /\1 /p' "$1" | sed 's/^vp[01] //' | sort | uniq -c | sed -E 's/^ *([0-9]+) /\1 /'; }

# The second run of each is logged, and ends the same.
for processors in 1 2; do
    run 0 -smp $processors --stats=json
    [[ $(grep -c '^FAILED' "$work/out") == 0 ]] && pass || fail "-smp $processors: $(grep -m3 '^FAILED' "$work/out")"
    has "$work/out" "DONE"
    held "$work/out" > "$work/held"
    awk -v n=$processors '!/^#/ && $n { count = $n; sub(/^[0-9]+ [0-9]+ /, ""); print count, $0 }' "$guest/checks.txt" > "$work/expected"
    diff "$work/expected" "$work/held" > "$work/difference" && pass || fail "-smp $processors: checks (> are new): $(head -5 "$work/difference")"
    hash=$(grep -o '"state_hash":"[0-9a-f]*"' "$work/out" | cut -d'"' -f4)
    run 0 -smp $processors --stats -d vti -D "$work/log$processors"
    has "$work/out" "${hash:-no state hash}  state hash"
done

# Every cause, service and procedure that the hypervisor has a use for, and nothing but what the interface allows.
for name in {1..40}; do
    grep -qE "^ +[0-9]+    +$name " "$work/out" && pass || fail "--stats: no cause $name"
done
for name in CREATE ENV_INFO EXIT_ENV INIT_ENV TERMINATE; do
    has "$work/out" "    PAL_VP_$name"
done
for name in RESUME_NORMAL RESUME_HANDLER SYNC_READ SYNC_WRITE SET_PENDING_INTERRUPT THASH TTAG RESTORE SAVE; do
    has "$work/out" "    PAL_VPS_$name"
done
has "$work/out" "  instructions accelerated"
has "$work/out" "  virtual external interrupts"
grep -q "misuse" "$work/out" "$work/log1" "$work/log2" && fail "$(grep -h -m1 misuse "$work/out" "$work"/log?)" || pass
for line in "vti PAL_VP_INIT_ENV(0x8000000000000303" "vti PAL_VP_REGISTER" "vti PAL_VP_RESTORE" "vti PAL_VP_SAVE" \
    "vti fault: mov r1=psr (7) at" "vti PAL_VPS_RESUME_NORMAL(" "vti virtual external interrupt at"; do
    has "$work/log1" "$line"
done
has "$work/log2" "cpu1 vti PAL_VP_INIT_ENV(0x8000000000000302"
has "$work/log2" "cpu1 vti PAL_VPS_RESTORE"

# Without the features.
run 3 -cpu itanium2,-vti
has "$work/out" "no virtualization"
finish
