#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's own kernel, unmodified: to a busybox shell and off by ACPI, on one and on two processors, the same twice;
# and its KVM, which runs guests of its own on our VMX.
. "$(dirname "$0")/lib.sh"
. "$here/linux_lib.sh"
need_linux

{
    init_prologue
    cat << 'INIT'
echo "BOOTED on $(grep -c ^processor /proc/cpuinfo) processors"
uname -srm
echo "the sum is $(for i in 1 2 3 4; do (seq 1 20000 | sha256sum) & done | sort -u)"
if grep -qw with_kvm /proc/cmdline; then
    insmod /irqbypass.ko && insmod /kvm.ko && insmod /kvm-intel.ko && /kvm_guest
fi
poweroff -f
INIT
} > "$work/init"

"${CC:-cc}" -O1 -static -o "$work/kvm_guest" "$here/kvm_guest.c" || fail "kvm_guest.c does not compile"
{
    begin_archive
    entry 100755 init "$work/init"
    entry 100755 kvm_guest "$work/kvm_guest"
    entry 100644 irqbypass.ko "$modules/virt/lib/irqbypass.ko"
    entry 100644 kvm.ko "$modules/arch/x86/kvm/kvm.ko"
    entry 100644 kvm-intel.ko "$modules/arch/x86/kvm/kvm-intel.ko"
    end_archive
} > "$work/initrd"

# boot NAME ARGUMENTS OPTION...: runs to the power-off; the console goes to NAME.
boot() {
    local name=$1 arguments=$2 code
    shift 2
    timeout 900 "$program" -kernel "$kernel" -initrd "$work/initrd" -append "console=ttyS0 $arguments" -m 512 \
        -serial stdio --timeout 600 --stats "$@" < /dev/null > "$work/$name" 2> "$work/$name.err"
    code=$?
    (( code == 0 )) && pass || fail "$name: exit code $code, not 0 (power-off): $(tail -1 "$work/$name.err")"
    has "$work/$name" "Linux version 6.1"
    has "$work/$name" "BOOTED on"
    has "$work/$name" "reboot: Power down"
    if complains "$work/$name"; then fail "$name: the kernel complains"; fi
}

sum=$(seq 1 20000 | sha256sum)
boot one "with_kvm"
has "$work/one" "BOOTED on 1 processors"
has "$work/one" "the sum is $sum"
has "$work/one" "RrLl kvm_guest: ok"
has "$work/one" " 0  VM-entry failures"
boot again "with_kvm"
cmp "$work/one" "$work/again" && pass || fail "two runs differ (the summary has the state hash)"
boot two "earlyprintk=ttyS0,115200" -smp 2
has "$work/two" "BOOTED on 2 processors"
has "$work/two" "the sum is $sum"
boot prescott "with_kvm" -cpu prescott-vt
has "$work/prescott" "RrLl kvm_guest: ok"
(( failed )) && for name in one two prescott; do tail -n 30 "$work/$name"; done
finish
