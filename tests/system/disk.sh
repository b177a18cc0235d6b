#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's kernel with its virtio drivers on three disks and a console: the overlay leaves the file as it was, snapshot=off
# makes a file system that the host finds whole, readonly=on refuses writes; hvc0 speaks both ways; two
# runs are the same; the same with interrupt pins instead of MSI-X; and what was flushed survives the simulator's end.
. "$(dirname "$0")/lib.sh"
. "$here/linux_lib.sh"
need_linux
for tool in mke2fs e2fsck debugfs; do
    PATH=$PATH:/usr/sbin:/sbin command -v $tool > /dev/null || { echo "skipped: there is no $tool"; exit 77; }
done
PATH=$PATH:/usr/sbin:/sbin

drivers="virtio/virtio_ring virtio/virtio virtio/virtio_pci_legacy_dev virtio/virtio_pci_modern_dev virtio/virtio_pci
    block/virtio_blk char/virtio_console"
{
    init_prologue
    for name in $drivers; do echo "insmod /${name#*/}.ko"; done
    cat << 'INIT'
mkdir /mnt
echo "vda holds $(sha256sum < /dev/vda)"
echo "vda is named $(cat /sys/block/vda/serial)"
seq 1 100000 | dd of=/dev/vda bs=4k seek=3 conv=notrunc,fsync 2> /dev/null
echo 3 > /proc/sys/vm/drop_caches
echo "vda became $(sha256sum < /dev/vda)"
blkdiscard -z -o 65536 -l 200704 /dev/vda 2> /dev/null || dd if=/dev/zero of=/dev/vda bs=4k seek=16 count=49 conv=notrunc,fsync 2> /dev/null
echo 3 > /proc/sys/vm/drop_caches
echo "vda is now $(sha256sum < /dev/vda)"
mount -t ext4 /dev/vdb /mnt && seq 1 200000 > /mnt/numbers && sync && echo "SYNCED"
grep -qw stay /proc/cmdline && while :; do :; done
umount /mnt && echo "vdb is whole"
echo "vdc: read-only $(blockdev --getro /dev/vdc)"
dd if=/dev/zero of=/dev/vdc count=1 2> /dev/null || echo "vdc refuses"
exec 3<> /dev/hvc0
read -r line <&3
echo "hvc0 heard: $line" >&3
grep virtio /proc/interrupts
poweroff -f
INIT
} > "$work/init"
{
    begin_archive
    entry 100755 init "$work/init"
    for name in $drivers; do entry 100644 "${name#*/}.ko" "$modules/drivers/$name.ko"; done
    end_archive
} > "$work/initrd"

head -c 4M /dev/urandom > "$work/plain"
head -c 1M /dev/urandom > "$work/constant"
plain=$(sha256sum < "$work/plain") constant=$(sha256sum < "$work/constant")
cp "$work/plain" "$work/expected"
seq 1 100000 | dd of="$work/expected" bs=4k seek=3 conv=notrunc 2> /dev/null
became=$(sha256sum < "$work/expected")
dd if=/dev/zero of="$work/expected" bs=4k seek=16 count=49 conv=notrunc 2> /dev/null
now=$(sha256sum < "$work/expected")
echo "a line of input" > "$work/input"

mke2fs -q -t ext4 "$work/empty" 16M > /dev/null 2>&1
new_file_system() { cp "$work/empty" "$work/fs"; }
# boot NAME ARGUMENTS: COM1's output goes to NAME, the virtio console's to NAME.hvc
boot() {
    "$program" --timeout 300 -kernel "$kernel" -initrd "$work/initrd" -append "console=ttyS0 $2" -m 256 \
        -serial "file:$work/$1" -drive "file=$work/fs,if=none,id=fs,format=raw,snapshot=off" \
        -drive "file=$work/plain,if=none,id=plain,format=raw" \
        -device virtio-blk-pci,drive=plain,serial=overlay-17 -device virtio-blk-pci,drive=fs \
        -drive "file=$work/constant,if=virtio,readonly=on,snapshot=off" \
        -device virtio-serial-pci -chardev stdio,id=con -device virtconsole,chardev=con --stats \
        < "$work/input" > "$work/$1.hvc" 2> "$work/$1.err"
}
check() {
    local name=$1
    has "$work/$name" "vda holds $plain"
    has "$work/$name" "vda is named overlay-17"
    has "$work/$name" "vda became $became"
    has "$work/$name" "vda is now $now"
    has "$work/$name" "vdb is whole"
    has "$work/$name" "vdc: read-only 1"
    has "$work/$name" "vdc refuses"
    has "$work/$name.hvc" "hvc0 heard: a line of input"
    [[ $(sha256sum < "$work/plain") == "$plain" ]] && pass || fail "$name: the overlay's file was changed"
    [[ $(sha256sum < "$work/constant") == "$constant" ]] && pass || fail "$name: the read-only file was changed"
    check_file_system "$name"
    if complains "$work/$name"; then fail "$name: the kernel complains"; fi
}
check_file_system() {
    e2fsck -fn "$work/fs" > "$work/fsck" 2>&1 && pass || fail "$1: $(cat "$work/fsck")"
    [[ $(debugfs -R 'cat /numbers' "$work/fs" 2> /dev/null | sha256sum) == $(seq 1 200000 | sha256sum) ]] &&
        pass || fail "$1: the file in the file system is not what was written"
}

new_file_system
boot msix "" || fail "exit code $?"
check msix
has "$work/msix" "virtio1-req.0"
new_file_system
boot again "" || fail "exit code $?"
cmp "$work/msix" "$work/again" && cmp "$work/msix.hvc" "$work/again.hvc" && pass ||
    fail "two runs differ (the summary has the state hash)"

# Interrupt pins: through the I/O APIC, and through the 8259s.
for controller in apic noapic; do
    new_file_system
    boot $controller "pci=nomsi $controller" || fail "$controller: exit code $?"
    check $controller
    grep -Eq "(fasteoi|XT-PIC) .*virtio1" "$work/$controller" && pass || fail "$controller: virtio1 has no interrupt pin"
done

# Killed in the middle of its life, after a sync.
new_file_system
boot killed "stay" 2> /dev/null & job=$!
for (( n = 0; n < 1200; n++ )); do grep -q SYNCED "$work/killed" 2> /dev/null && break; sleep 0.1; done
kill -KILL "$(pgrep -P $job)"
wait $job
e2fsck -fy "$work/fs" > /dev/null 2>&1
check_file_system killed

(( failed )) && for name in msix apic noapic; do tail -n 30 "$work/$name" "$work/$name.hvc" "$work/$name.err"; done
finish
