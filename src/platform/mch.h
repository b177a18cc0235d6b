// SPDX-License-Identifier: Apache-2.0
// The memory controller hub (Intel 3 Series Express Chipset Family data sheet, "DRAM Controller
// Registers"), function 00:00.0: the window of the memory-mapped configuration mechanism, shadow
// RAM (PAM) and the legacy VGA and SMM range.
//
// Not modelled: system-management mode.  SMRAM that is open shows to everybody, as in the data
// sheet; closed, A0000H to BFFFFH belongs to a VGA card, which this machine has not.
#ifndef SP_PLATFORM_MCH_H
#define SP_PLATFORM_MCH_H

#include "platform/pci.h"

#define MCH_EXPRESS_BASE UINT64_C(0xb0000000) /* where firmware puts the window */
#define MCH_EXPRESS_SIZE UINT64_C(0x10000000)
#define MCH_SHADOW_BASE UINT64_C(0xc0000)
#define MCH_SHADOW_SIZE UINT64_C(0x40000)
enum { MCH_SEGMENTS = 13 };

struct mch {
    struct pci_function function;
    struct mem *mem;
    struct mem_region *express, *legacy;
    bool smm; /* the processor that accesses memory is in SMM */
    /* The owner sets these before mch_init(): the configuration window appeared somewhere. */
    void (*express_moved)(void *context, uint64_t base, unsigned buses);
    void *context;
    /* For each PAM segment: the RAM, write-protected; the ROM. */
    struct mem_region *ram[MCH_SEGMENTS], *rom[MCH_SEGMENTS];
};

bool mch_init(struct mch *m, struct pci *p, struct sp_error *e);
/* Puts the last bytes of a ROM below 1 MiB, at most 256 KiB. */
void mch_set_rom(struct mch *m, const uint8_t *bytes, size_t n);
/* SMRAM shows to processors in SMM. */
void mch_set_smm(struct mch *m, bool smm);
/* What firmware does: opens the configuration window, turns C0000H to FFFFFH into RAM. */
void mch_hand_over(struct mch *m);

#endif
