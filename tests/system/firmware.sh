#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's SeaBIOS and OVMF, unmodified: SeaBIOS shows its boot menu and finds no disk; OVMF's shell takes commands and
# powers the machine off; and each boots Linux by GRUB from a virtio disk, which then takes the firmware's tables.
. "$(dirname "$0")/lib.sh"
. "$here/linux_lib.sh"
need seabios ovmf
need grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools libisoburn1 libisofs6 libburn4 libjte2
need_linux
seabios=$packages/usr/share/seabios/bios-256k.bin
ovmf=$packages/usr/share/ovmf/OVMF.fd

# run NAME CODE OPTION...: the console goes to NAME, the log of the simulator to NAME.err; it must end with CODE.
run() {
    local name=$1 expected=$2 code
    shift 2
    timeout 800 "$program" -serial stdio --timeout 700 "$@" > "$work/$name" 2> "$work/$name.err"
    code=$?
    (( code == expected )) && pass || fail "$name: exit code $code, not $expected: $(tail -1 "$work/$name.err")"
}

# ---- SeaBIOS alone ----

# A key that is held down: the menu opens at the first one that comes after its message.
printf '\033%.0s' {1..60} > "$work/keys"
run menu 102 -bios "$seabios" -smp 4 -boot menu=on,splash-time=5000 --max-insns 60M \
    -debugcon "file:$work/menu.log" -global isa-debugcon.iobase=0x402 < "$work/keys"
has "$work/menu" "SeaBIOS (version"
has "$work/menu" "Press ESC for boot menu."
has "$work/menu" "Select boot device:"
has "$work/menu.log" "Found 4 cpu(s)"
has "$work/menu.log" "PCIe: using q35 mmconfig"
run nothing 102 -bios "$seabios" --max-insns 60M < /dev/null
has "$work/nothing" "No bootable device."

# ---- OVMF's shell ----

# answer COUNT LINE: types a line when the shell's prompt stands there for the COUNTth time.
answer() {
    local tries=0
    until (( $(grep -ao 'Shell> ' "$work/shell" | wc -l) >= $1 )); do
        sleep 0.2
        (( ++tries > 3000 )) && return
        kill -0 "$running" 2> /dev/null || return
    done
    printf '%s\r' "$2" >&7
}
mkfifo "$work/typed"
: > "$work/shell"
timeout 800 "$program" -serial stdio --timeout 700 -bios "$ovmf" -m 256 < "$work/typed" > "$work/shell" 2>&1 &
running=$!
exec 7> "$work/typed"
answer 1 "memmap"
answer 2 "pci"
answer 3 "reset -s"
wait "$running" && pass || fail "shell: exit code $?, not 0 (power-off)"
exec 7>&-
has "$work/shell" "UEFI Interactive Shell"
has "$work/shell" "Total Memory:            255 MB"
has "$work/shell" "Vendor 8086 Device 29C0"

# ---- Linux, loaded by GRUB from a virtio disk ----

{
    init_prologue
    cat << 'INIT'
echo "BOOTED on $(grep -c ^processor /proc/cpuinfo) processors"
[ -d /sys/firmware/efi ] && echo "by EFI"
poweroff -f
INIT
} > "$work/init"
mkdir -p "$work/disk/boot/grub"
{
    begin_archive
    entry 100755 init "$work/init"
    end_archive
} > "$work/disk/boot/initrd"
cp "$kernel" "$work/disk/boot/vmlinuz"
cat > "$work/disk/boot/grub/grub.cfg" << 'GRUB'
serial --unit=0 --speed=115200
terminal_output serial
echo "GRUB speaks"
set timeout=0
linux /boot/vmlinuz console=ttyS0
initrd /boot/initrd
boot
GRUB
# boot NAME PLATFORM FIRMWARE: makes the disk of GRUB's platform and boots it.
boot() {
    PATH=$packages/usr/bin:$PATH LD_LIBRARY_PATH=$packages/usr/lib/x86_64-linux-gnu grub-mkrescue \
        -d "$packages/usr/lib/grub/$2" -o "$work/image" "$work/disk" > "$work/mkrescue" 2>&1 || fail "$(tail -1 "$work/mkrescue")"
    run "$1" 0 -bios "$3" -m 512 -smp 2 -drive "file=$work/image,format=raw,if=virtio" < /dev/null
    has "$work/$1" "GRUB speaks"
    has "$work/$1" "BOOTED on 2 processors"
    has "$work/$1" "PCI: MMCONFIG at [mem 0xb0000000-0xbfffffff] reserved in E820"
    has "$work/$1" "reboot: Power down"
    complains "$work/$1" && fail "$1: the kernel complains"
}
boot bios i386-pc "$seabios"
boot efi x86_64-efi "$ovmf"
has "$work/efi" "by EFI"
(( failed )) && for name in menu nothing shell bios efi; do tail -n 20 "$work/$name"; done
finish
