// SPDX-License-Identifier: Apache-2.0
// What firmware and boot loader leave in an Itanium machine's memory for an operating system: EFI
// tables, memory map, SAL and ACPI tables, PCDP, boot parameters.
#ifndef SP_MACHINE_IPF_TABLES_H
#define SP_MACHINE_IPF_TABLES_H

#include "machine/ipf_firmware.h"

/* Everything stands in one block of this size, which begins with the page of entry points. */
static inline uint64_t ipf_tables_size(unsigned processors)
{
    return 0x20000 + (uint64_t)processors * IPF_AREA_SIZE;
}
enum { IPF_TEXT_MAX = 4096 }; /* of a command line, with its final 0 */

struct ipf_range {
    uint64_t base, end;
};

struct ipf_boot {
    uint64_t base;                  /* of the block, a multiple of 64 KiB              */
    const struct ipf_range *loaded; /* ranges of the kernel and what comes with it, the block not
                                       among them                                      */
    size_t loaded_count;
    struct ipf_range initrd;
    const char *command_line;
};

/* Writes all of it, and points the first processor's registers to it: r28 the boot parameters, r12
 * and AR.BSPSTORE a stack.  The others wait in SAL's rendezvous.  False: more ranges than the map
 * has room for. */
bool ipf_tables_write(struct ipf_firmware *f, const struct ipf_boot *b);

#endif
