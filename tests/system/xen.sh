#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's own Xen, unmodified and compressed as shipped.  Without a module it stops at once, because no dom0 kernel
# was given; with a module that is no kernel it goes through its whole start-up first, VMX included.
. "$(dirname "$0")/lib.sh"
xen=/boot/xen-4.17-amd64.gz

if [[ ! -f $xen ]]; then
    (( EUID == 0 )) || { echo "skipped: $xen is missing, and only root may install it"; exit 77; }
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends xen-hypervisor-4.17-amd64 \
        > "$work/apt" 2>&1
    [[ -f $xen ]] || { echo "skipped: xen-hypervisor-4.17-amd64 cannot be installed: $(tail -1 "$work/apt")"; exit 77; }
fi

run() {
    timeout 500 "$program" -kernel "$xen" -append "console=com1 com1=115200,8n1 loglvl=all noreboot" -m 512 \
        -serial stdio "$@" < /dev/null
}

run > "$work/out" 2> "$work/err"
code=$?
(( code == 106 )) && pass || fail "exit code $code, not 106 (halted): $(tail -1 "$work/err")"
has "$work/out" "Xen version 4.17"
has "$work/out" "dom0 kernel not specified"

head -c 4096 /dev/zero > "$work/module"
run -initrd "$work/module dummy" > "$work/out" 2> "$work/err"
code=$?
(( code == 106 )) && pass || fail "with a module: exit code $code, not 106 (halted): $(tail -1 "$work/err")"
has "$work/out" "Xen-e820 RAM map"
has "$work/out" "ACPI: RSDP"
has "$work/out" "VMX: Supported advanced features"
has "$work/out" "HVM: VMX enabled"
has "$work/out" "HVM: Hardware Assisted Paging (HAP) detected"
has "$work/out" "Could not construct domain 0"
(( failed )) && tail -40 "$work/out"
finish
