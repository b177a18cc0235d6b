#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's KVM tries VM entries that must fail, and prints each VMCS: from what it prints "explain" finds the very
# checks that the simulated processor found.
. "$(dirname "$0")/lib.sh"
. "$here/linux_lib.sh"
need_linux

{
    init_prologue
    cat << 'INIT'
insmod /irqbypass.ko && insmod /kvm.ko && insmod /kvm-intel.ko dump_invalid_vmcs=1 && /kvm_broken
poweroff -f
INIT
} > "$work/init"
"${CC:-cc}" -O1 -static -o "$work/kvm_broken" "$here/kvm_broken.c" || fail "kvm_broken.c does not compile"
{
    begin_archive
    entry 100755 init "$work/init"
    entry 100755 kvm_broken "$work/kvm_broken"
    entry 100644 irqbypass.ko "$modules/virt/lib/irqbypass.ko"
    entry 100644 kvm.ko "$modules/arch/x86/kvm/kvm.ko"
    entry 100644 kvm-intel.ko "$modules/arch/x86/kvm/kvm-intel.ko"
    end_archive
} > "$work/initrd"

timeout 900 "$program" -kernel "$kernel" -initrd "$work/initrd" -append "console=ttyS0 loglevel=8" -m 512 \
    -serial "file:$work/console" --timeout 600 < /dev/null > "$work/out" 2> "$work/err"
code=$?
(( code == 0 )) && pass || fail "exit code $code, not 0 (power-off): $(tail -1 "$work/err")"
has "$work/console" "kvm_broken: done"
"$program" explain "$work/console" > "$work/explained"
found=$(sed -n -E 's/^-> ([a-z0-9_]+): SDM.*/\1/p' "$work/err")
explained=$(sed -n -E 's/^-> ([a-z0-9_]+): SDM.*/\1/p' "$work/explained")
[[ $(wc -l <<< "$found") == 7 ]] && pass || fail "not seven VM entries failed, but: $found"
[[ $found == "$explained" ]] && pass || fail "the processor found: $found; explain: $explained"
(( failed )) && tail -n 40 "$work/console"
finish
