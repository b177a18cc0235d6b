// SPDX-License-Identifier: Apache-2.0
// The state in which processor 0 enters an image, and what firmware would have done before.
#ifndef SP_IMAGE_ENTRY_H
#define SP_IMAGE_ENTRY_H

#include "image/place.h"

/* What firmware leaves behind: on every processor memory types in the MTRRs, and
 * IA32_FEATURE_CONTROL locked with VMX enabled where the processor has VMX; the devices as
 * machine_hand_over() says; in memory, bios.h.  To be called before images are copied. */
void entry_firmware(struct machine *m);

/* Multiboot, sections "Machine state" (1) and "I386 machine state" (2): 32-bit protected mode, flat
 * segments, no paging, interrupts off. */
void entry_protected(struct machine *m, uint32_t eip, uint32_t eax, uint32_t ebx);

/* PVH, "x86/HVM direct boot ABI": the same, the start information's address in EBX, and TR with
 * the limit of a TSS. */
void entry_pvh(struct machine *m, uint32_t eip, uint32_t start_info);

/* Real-address mode at CS:IP = segment:offset, as a boot sector is entered. */
void entry_real(struct machine *m, uint16_t segment, uint16_t offset);

/* Puts a GDT (null, code, data), 16 KiB of stack and, for 64-bit mode, identity-mapped page tables
 * for the first 4 GiB into low memory, and enters the image with the address of the command
 * line in RDI. */
bool entry_elf(struct place *p, bool is_64, uint64_t rip, const char *command_line,
               struct sp_error *e);
/* The same for Linux, "32-bit Boot Protocol" and "64-bit Boot Protocol": selectors __BOOT_CS (10H)
 * and __BOOT_DS (18H), the address of the boot parameters in RSI, other registers 0. */
bool entry_linux(struct place *p, bool is_64, uint64_t rip, uint64_t params, struct sp_error *e);

#endif
