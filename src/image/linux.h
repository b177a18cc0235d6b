// SPDX-License-Identifier: Apache-2.0
// Linux bzImages by the Linux/x86 boot protocol (in Linux: Documentation/arch/x86/boot.rst).
#ifndef SP_IMAGE_LINUX_H
#define SP_IMAGE_LINUX_H

#include "image/multiboot.h"

/* True for the boot sector mark and "HdrS" of "The Real-Mode Kernel Header". */
bool linux_is(const struct image *i);
/* Places kernel, initrd, command line and boot parameters, and enters the kernel in 64-bit mode
 * where it can be ("64-bit Boot Protocol"), else in protected mode ("32-bit Boot Protocol"). */
bool linux_load(struct place *p, const struct boot_request *r, struct sp_error *e);
/* The same for a 64-bit vmlinux without a PVH note, whose segments are in memory already: it is
 * entered at startup_64, as by its own decompressor (Linux's arch/x86/kernel/head_64.S says what
 * that expects: the registers and page tables of the 64-bit protocol). */
bool linux_load_elf(struct place *p, const struct boot_request *r, uint64_t entry,
                    struct sp_error *e);
/* Linux unpacks archives that stand one behind the other, zeros between them: places all modules as
 * one initrd, high but below `end`.  No modules: *size is 0. */
bool linux_place_initrd(struct place *p, const struct boot_request *r, uint64_t end,
                        uint64_t *address, uint64_t *size, struct sp_error *e);

#endif
