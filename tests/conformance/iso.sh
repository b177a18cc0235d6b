#!/bin/bash
# A bootable ISO image of the conformance suite: iso.sh IMAGE ISO [WORDS...].  Needs grub-mkrescue, xorriso
# and mtools; WORDS are the command line.
image=$1 iso=$2
shift 2
command -v grub-mkrescue > /dev/null || { echo "grub-mkrescue is not there"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/boot/grub"
cp "$image" "$folder/boot/conform.elf"
cat > "$folder/boot/grub/grub.cfg" << END
set timeout=0
menuentry "VMX conformance" {
    multiboot2 /boot/conform.elf $*
    boot
}
END
grub-mkrescue -o "$iso" "$folder" > /dev/null 2>&1
