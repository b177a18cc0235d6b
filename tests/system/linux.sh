#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's own kernel, unmodified: to a busybox shell and off by ACPI, on one processor and on four, the same twice; by all
# of its entry points; and at work there.
. "$(dirname "$0")/lib.sh"
. "$here/linux_lib.sh"
need_linux
need lz4

{
    init_prologue
    cat << 'INIT'
echo "BOOTED on $(grep -c ^processor /proc/cpuinfo) processors"
uname -srm
echo "the sum is $(for i in 1 2 3 4; do (seq 1 20000 | sha256sum) & done | sort -u)"
if grep -qw with_load /proc/cmdline; then
    for cpu in 0 1 2 3; do taskset -c $cpu sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done' & done
    wait
    echo "busy: $(grep -c '^cpu[0-9] [0-9]\+ ' /proc/stat) $(awk '/^cpu[0-9]/ && $2 + $4 >= 5' /proc/stat | wc -l)"
    echo "online: $(cat /sys/devices/system/cpu/online), packages: $(sort -u /sys/devices/system/cpu/cpu?/topology/physical_package_id | wc -l)"
fi
if grep -qw with_work /proc/cmdline; then
    grep -m 1 '^flags' /proc/cpuinfo
    grep -m 1 '^address sizes' /proc/cpuinfo
    cd /tmp
    for i in 1 2 3 4 5 6 7 8; do cat /bin/busybox; done | dd of=copies bs=4k 2> /dev/null
    echo "copies: $(md5sum < copies)"
    for i in 1 2 3 4 5; do cat copies; done | head -c 67108864 | gzip -1 | gunzip | md5sum
    from=$(sed 's/\.//; s/ .*//' /proc/uptime) second=$(date +%s)
    sleep 1
    echo "slept $(( ($(sed 's/\.//; s/ .*//' /proc/uptime) - from) / 10 )) tenths, $(( $(date +%s) - second )) s"
fi
poweroff -f
INIT
} > "$work/init"

{
    begin_archive
    entry 100755 init "$work/init"
    end_archive
} > "$work/initrd"

# boot NAME ARGUMENTS OPTION...: runs $image to the power-off; the console goes to NAME.out.
image=$kernel
boot() {
    local name=$1 arguments=$2 code
    shift 2
    timeout 900 "$program" -kernel "$image" -initrd "$work/initrd" -append "console=ttyS0 $arguments" -m 512 \
        -serial stdio --timeout 600 --stats "$@" < /dev/null > "$work/$name.out" 2> "$work/$name.err"
    code=$?
    (( code == 0 )) && pass || fail "$name: exit code $code, not 0 (power-off): $(tail -1 "$work/$name.err")"
    has "$work/$name.out" "Linux version 6.1"
    has "$work/$name.out" "BOOTED on"
    has "$work/$name.out" "reboot: Power down"
    if complains "$work/$name.out"; then fail "$name: the kernel complains"; fi
}

sum=$(seq 1 20000 | sha256sum)
boot one ""
has "$work/one.out" "BOOTED on 1 processors"
has "$work/one.out" "the sum is $sum"
boot again ""
cmp "$work/one.out" "$work/again.out" && pass || fail "two runs differ (the summary has the state hash)"
for name in four fours; do boot "$name" "earlyprintk=ttyS0,115200 with_load" -smp 4; done
has "$work/four.out" "BOOTED on 4 processors"
has "$work/four.out" "the sum is $sum"
has "$work/four.out" "busy: 4 4"
has "$work/four.out" "online: 0-3, packages: 1"
cmp "$work/four.out" "$work/fours.out" && pass || fail "two runs on four processors differ"
boot prescott "" -cpu prescott-vt

# The same kernel by its other entry points: 32-bit protected mode (bit 0 of xloadflags, "has a 64-bit entry", cleared);
# PVH, from the vmlinux inside; and 64-bit, from a vmlinux without a PVH note.  Offsets: Linux's boot.rst.
number() { od -An -t "u$3" -j $(($2)) -N "$3" "$1" | tr -d ' '; }
cp "$kernel" "$work/entry32"
printf %b "\\x$(printf %02x $(($(number "$kernel" 0x236 1) & ~1)))" |
    dd of="$work/entry32" bs=1 seek=$((0x236)) conv=notrunc 2> "$work/dd"
start=$((($(number "$kernel" 0x1f1 1) + 1) * 512 + $(number "$kernel" 0x248 4)))
size=$(($(number "$kernel" 0x24c 4) - 4))                          # 4: behind LZ4 data stands their length
tail -c +$((start + 1)) "$kernel" | head -c "$size" | "$packages/usr/bin/lz4" -dc > "$work/vmlinux" || fail "no LZ4 data in $kernel"
perl -0777 -pe 's/(\x04\0{3}[\x04\x08]\0{3}\x12\0{3})Xen\0/$1xen\0/' "$work/vmlinux" > "$work/no-note"
cmp -s "$work/vmlinux" "$work/no-note" && fail "no PVH note in the vmlinux"
copies() { for i in 1 2 3 4 5 6 7 8; do cat "$packages/bin/busybox"; done; }
image=$work/entry32 boot entry32 ""
image=$work/no-note boot no-note ""
image=$work/vmlinux boot vmlinux "with_work"
for flag in vmx ept vpid; do grep -qE "^flags.* $flag( |\$)" "$work/vmlinux.out" && pass || fail "flags without $flag"; done
has "$work/vmlinux.out" "copies: $(copies | md5sum)"
has "$work/vmlinux.out" "$(for i in 1 2 3 4 5; do copies; done | head -c 67108864 | md5sum)"
grep -qE 'slept 1[01] tenths, [12] s' "$work/vmlinux.out" && pass || fail "sleep: $(grep slept "$work/vmlinux.out")"
(( failed )) && for name in one four prescott vmlinux; do tail -n 30 "$work/$name.out"; done
finish
