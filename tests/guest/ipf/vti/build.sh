#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build.sh COMPILER: makes vti.elf anew.  COMPILER is a GCC for ia64-linux-gnu, which Debian has not (its
# binutils-ia64-linux-gnu it has); so vti.elf stands beside its sources.
set -euo pipefail
cd "$(dirname "$0")"
compiler=${1:-ia64-linux-gnu-gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=gnu17 -O2 -Wall -Wextra -Wno-unused-parameter -ffreestanding -fno-builtin -mno-pic -mconstant-gp
       -mfixed-range=f2-f5,f12-f127 -fno-asynchronous-unwind-tables -nostdlib -static
       -Wl,--build-id=none -Wl,-z,max-page-size=4096)

"$compiler" "${flags[@]}" -Wl,-T,guest.ld guest.S guest.c -o "$work/guest.elf"
ia64-linux-gnu-objcopy -O binary "$work/guest.elf" "$work/guest.bin"
cat > "$work/image.S" << END
        .section .rodata
        .align 16
        .global guest_image, guest_image_end
guest_image:
        .incbin "$work/guest.bin"
        .align 16
guest_image_end:
END
"$compiler" "${flags[@]}" -Wl,-T,vmm.ld entry.S main.c processors.c emulate.c interrupt.c tlb.c "$work/image.S" -o "$work/vti.elf"
ia64-linux-gnu-strip -o vti.elf "$work/vti.elf"
