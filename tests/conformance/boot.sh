#!/bin/bash
# The ways in which the image starts: boot.sh IMAGE.  It has headers for multiboot 1 and 2, QEMU starts it by the
# first, and by the second as an ISO through GRUB.  Without VMX (TCG has none) it says so and ends in good order.
# Skipped where the tools are not there.
image=$1 failed=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for tool in grub-file grub-mkrescue xorriso mformat qemu-system-x86_64; do
    command -v $tool > /dev/null || { echo "$tool is not there"; exit 77; }
done

starts() # way, options of QEMU
{
    local way=$1
    shift
    timeout 120 qemu-system-x86_64 -accel tcg -m 128 -display none -nodefaults -serial "file:$folder/out" \
        -device isa-debug-exit,iobase=0xf4,iosize=4 "$@"
    if [ "$(head -n 1 "$folder/out")" = "conform 1" ] && grep -q '^done 0 0 0 0' "$folder/out"; then
        echo "$way: starts"
    else
        echo "$way: does not start"
        failed=1
    fi
}

grub-file --is-x86-multiboot "$image" && grub-file --is-x86-multiboot2 "$image" || failed=1
"$(dirname "$0")/iso.sh" "$image" "$folder/conform.iso" list || failed=1
starts "multiboot 1" -kernel "$image" -append list
starts "multiboot 2, GRUB, ISO" -cdrom "$folder/conform.iso"
exit $failed
