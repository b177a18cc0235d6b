#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --save and --restore: the demonstration hypervisor goes on in another process as it did in the first; what
# cannot be restored gives one line.  --dump-vmcs, and the way back through "explain".
. "$(dirname "$0")/lib.sh"
demo=$guests/demo.elf
saved=$work/machine

# expect CODE TEXT ARGUMENTS...: one line on standard error that contains TEXT (none if TEXT is empty).
expect() {
    local code=$1 text=$2 got
    shift 2
    timeout 60 "$program" "$@" < /dev/null > "$work/out" 2> "$work/err"
    got=$?
    if (( got != code )); then
        fail "$* : exit code $got, not $code: $(head -1 "$work/err")"
    elif [[ -n $text ]] && { (( $(wc -l < "$work/err") != 1 )) || ! grep -qF -- "$text" "$work/err"; }; then
        fail "$* : expected one line with '$text', got: $(cat "$work/err")"
    else
        pass
    fi
}
# later N FILE: the log's lines from instruction N on.
later() { awk -v n="$1" '$1 ~ /^[0-9]+$/ && $1 >= n' "$2"; }
summary() { sed -n '/ instructions$/,$p' "$1"; }

# ---- the same future: output, trace, summary ----

"$program" -kernel "$demo" -serial "file:$work/whole" --stats > "$work/stats" 2> /dev/null < /dev/null
for at in 1 5000 20011 30000 36007 41000 43000; do
    "$program" -kernel "$demo" -serial "file:$work/serial1" -d int,vmx,io,msr -D "$work/log1" --save "$saved@$at" \
        --stats > "$work/stats1" 2> /dev/null < /dev/null
    "$program" --restore "$saved" -kernel "$demo" -serial "file:$work/serial2" -d int,vmx,io,msr -D "$work/log2" \
        --stats > "$work/stats2" 2> /dev/null < /dev/null
    cmp -s "$work/serial1" "$work/whole" && pass || fail "saving at $at changes the output"
    diff -q <(summary "$work/stats") <(summary "$work/stats1") > /dev/null && pass || fail "saving at $at changes the run"
    diff -q <(summary "$work/stats1") <(summary "$work/stats2") > /dev/null && pass || fail "restored from $at: another summary"
    diff -q <(later "$at" "$work/log1") <(later "$at" "$work/log2") > /dev/null && pass || fail "restored from $at: another trace"
    tail -c "$(stat -c %s "$work/serial2")" "$work/serial1" | cmp -s - "$work/serial2" && pass ||
        fail "restored from $at: another output"
done

# In steps: each run restores what the one before saved at its end.
rm -f "$saved"
"$program" -kernel "$demo" --max-insns 10000 --save "$saved" > "$work/out" 2> /dev/null < /dev/null
(( $? == 102 )) && pass || fail "the run that saves at its end has the run's exit code"
for step in 1 2 3; do
    "$program" --restore "$saved" --max-insns 10000 --save "$saved" >> "$work/out" 2> /dev/null < /dev/null
done
"$program" --restore "$saved" --stats >> "$work/out" 2> /dev/null < /dev/null
diff -q <(summary "$work/stats") <(summary "$work/out") > /dev/null && pass || fail "a run in five processes"
cmp -s <(head -c "$(stat -c %s "$work/whole")" "$work/out") "$work/whole" && pass || fail "the output of five processes"

# Several processors, and a disk that the guest may have written.
head -c 1M /dev/zero > "$work/disk"
disk=(-drive "file=$work/disk,if=virtio" -smp 2 -m 64)
"$program" -kernel "$demo" "${disk[@]}" --save "$saved@30000" --stats > "$work/stats1" 2> /dev/null < /dev/null
"$program" --restore "$saved" "${disk[@]}" --stats > "$work/stats2" 2> /dev/null < /dev/null
diff -q <(summary "$work/stats1") <(summary "$work/stats2") > /dev/null && pass || fail "two processors and a disk"

# ---- what cannot be ----

expect 2 'it has "RAM (-m): 65536 KiB", this one "RAM (-m): 131072 KiB"' --restore "$saved" \
    -drive "file=$work/disk,if=virtio" -smp 2
expect 2 "processors (-smp): 1" --restore "$saved" -drive "file=$work/disk,if=virtio" -m 64
expect 2 "processor (-cpu): penryn" --restore "$saved" "${disk[@]}" -cpu penryn
expect 2 'it has "disk 0: 1048576 bytes, changes in memory' --restore "$saved" -smp 2 -m 64
expect 2 "disk 0: 1048576 bytes, read-only" --restore "$saved" -smp 2 -m 64 \
    -drive "file=$work/disk,if=virtio,readonly=on"
expect 2 "isa-debug-exit: port 0xf4" --restore "$saved" "${disk[@]}" -device isa-debug-exit,iobase=0xf4,iosize=4
expect 2 "virtio console: 1" --restore "$saved" "${disk[@]}" -device virtio-serial-pci

head -c 100 "$saved" > "$work/cut"
expect 4 "$work/cut: offset 76: truncated" --restore "$work/cut"
head -c 10 "$saved" > "$work/cut"
expect 4 "$work/cut: offset 0: not a saved machine" --restore "$work/cut"
{ head -c 2000 "$saved"; echo; tail -c +2002 "$saved"; } > "$work/flip"
expect 4 "damaged: the checksum is wrong" --restore "$work/flip"
expect 4 "$demo: offset 0: not a saved machine" --restore "$demo"
expect 4 "No such file" --restore "$work/nothing"
expect 4 "not a regular file" --restore "$work"
expect 2 "No such file or directory" -kernel "$demo" -serial none --save "$work/nothing/x@10"
expect 2 "expected a number above 0" -kernel "$demo" --save "$saved@0"
expect 2 "given twice" -kernel "$demo" --save a --save b
expect 2 "do not go with --cpu-matrix" -kernel "$demo" --cpu-matrix --save "$saved"
expect 102 "" -kernel "$demo" -serial none --max-insns 100 --save "$work/late@1000"
has "$work/err" "nothing saved, the run ended at instruction 100"
[[ ! -e $work/late && ! -e $work/late.part ]] && pass || fail "a file that nobody wanted"

printf '\xb0\xfe\xe6\x64\xeb\xfe' > "$work/reset"                  # pulse the reset line
"$program" --load "$work/reset@0x7c00" --max-insns 1 --save "$saved" > /dev/null 2>&1 < /dev/null
expect 2 "give the images of the run that saved it" --restore "$saved" --max-insns 100
expect 102 "" --restore "$saved" --load "$work/reset@0x7c00" --max-insns 100
expect 0 "" --restore "$saved" -no-reboot

# ---- the current VMCS ----

"$program" -kernel "$demo" -serial none --dump-vmcs="$work/vmcs" > /dev/null 2>&1 < /dev/null
(( $(grep -c '^VMCS 0x120000 of processor 0' "$work/vmcs") == 3 )) && pass || fail "two failed entries and the end"
has "$work/vmcs" ": VM-entry failure"
has "$work/vmcs" ": end of the run"
grep -qE '^  GUEST_RFLAGS +6820  0000000000000000$' "$work/vmcs" && pass || fail "the field that is wrong"
has "$work/vmcs" "code, readable, accessed, DPL 0, present, L, G"
"$program" -kernel "$demo" -serial none --json --dump-vmcs="$work/json" > /dev/null 2>&1 < /dev/null
"$program" explain "$work/json" > "$work/out"
(( $? == 1 )) && pass || fail "explain of the dumps: exit code"
has "$work/out" "-> guest_rflags_reserved"
has "$work/out" " hold, 1 broken, 0 undecided"
"$program" -kernel "$demo" -serial none --json --max-insns 30000 --dump-vmcs="$work/json" > /dev/null 2>&1 < /dev/null
"$program" explain "$work/json" > "$work/out"
(( $? == 0 )) && pass || fail "explain of a good VMCS: exit code"
has "$work/out" "no violation"
has "$work/out" " hold, 0 broken, 0 undecided"
"$program" --load "$work/reset@0x7c00" -no-reboot --json --dump-vmcs="$work/json" < /dev/null
[[ $(cat "$work/json") == "[]" ]] && pass || fail "no VMCS: $(cat "$work/json")"
"$program" -kernel "$demo" -serial none --dump-vmcs > /dev/null 2> "$work/err" < /dev/null
has "$work/err" "VMCS 0x120000 of processor 0"
expect 2 "expected a file" -kernel "$demo" --dump-vmcs=
expect 2 "No such file" -kernel "$demo" --dump-vmcs="$work/nothing/x"

finish
