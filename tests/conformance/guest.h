// SPDX-License-Identifier: Apache-2.0
// What guests find in memory: code, stacks, descriptor tables and paging structures, all below
// 1 MiB at fixed addresses; and the EPT paging structures that map the low 4 GiB one to one.
#ifndef CONFORMANCE_GUEST_H
#define CONFORMANCE_GUEST_H

#include "x86.h"

enum {
    GUEST_CODE = 0x10000, GUEST_STACK_TOP = 0x13000, GUEST_GDT = 0x14000, GUEST_IDT64 = 0x15000,
    GUEST_HANDLERS = 0x16000, GUEST_IDT32 = 0x17000, GUEST_IVT = 0x17800, GUEST_TSS = 0x18000,
    GUEST_TSS32 = 0x19000, GUEST_DATA = 0x1a000, GUEST_DATA2 = 0x1b000, GUEST_KERNEL_STACK = 0x1f000,
    GUEST_PML4 = 0x20000, GUEST_PDPT = 0x21000, GUEST_PD = 0x22000, GUEST_PT = 0x26000,
    GUEST_PD32 = 0x27000, GUEST_PT32 = 0x28000, GUEST_PDPT_PAE = 0x29000,
    GUEST_MSR_BITMAP = 0x2a000, GUEST_IO_BITMAPS = 0x2b000, GUEST_MSR_AREA = 0x2d000,
    GUEST_VIRTUAL_APIC = 0x2e000, GUEST_APIC_ACCESS = 0x2f000, GUEST_POSTED = 0x30000,
    GUEST_PML = 0x31000, GUEST_VE = 0x32000, GUEST_EPTP_LIST = 0x33000, GUEST_SPP = 0x34000,
    GUEST_SHADOW_BITMAPS = 0x38000, GUEST_SCRATCH = 0x3a000, GUEST_HLAT = 0x3b000,
    GUEST_MEMORY_END = 0x40000,
};
enum {   /* selectors of the guest's GDT */
    SEL_CODE64 = 0x08, SEL_DATA = 0x10, SEL_TSS = 0x18, SEL_CODE32 = 0x28, SEL_CODE16 = 0x30,
    SEL_USER_CODE64 = 0x40, SEL_USER_DATA = 0x48, SEL_USER_CODE32 = 0x50, SEL_TSS32 = 0x58,
    SEL_OTHER_TSS = 0x60, SEL_TASK_GATE = 0x68, SEL_FREE_TSS = 0x70,
};
enum { VMCALL_LENGTH = 3 };

/* Fills all of it. */
void guest_memory_init(void);
/* What cases change most often: the first 2 MiB of the paging structures, code, tables. */
void guest_memory_reset(void);

/* Puts these bytes at GUEST_CODE, and a VMCALL behind them. */
void guest_code(const uint8_t *bytes, unsigned n);
#define CODE(...)                                                                                  \
    guest_code((const uint8_t[]){ __VA_ARGS__ }, sizeof (const uint8_t[]){ __VA_ARGS__ })

/* The page-table entry of an address below 2 MiB: 4-level and PAE, and 32-bit paging. */
uint64_t *guest_pte(uint64_t address);
uint32_t *guest_pte32(uint64_t address);
extern bool guest_paging_changed;      /* the next reset fills in the paging structures */

/* The address of the handler of a vector; each is a VMCALL. */
uint64_t guest_handler(unsigned vector);

/* EPT: all rights for the low 4 GiB, 4-KiB pages for the first 2 MiB. */
struct ept_tables { uint64_t pml4[512], pdpt[512], pd[4][512], pt[512]; };
extern struct ept_tables ept, ept2;
void ept_reset(struct ept_tables *t);
extern bool ept_changed;               /* the next reset of `ept` fills it in */
uint64_t ept_pointer(const struct ept_tables *t);
/* The leaf of an address below 2 MiB. */
uint64_t *ept_leaf(uint64_t address);
void ept_invalidate(void);
/* INVVPID for VPID 1 or for all, where it is there. */
void vpid_invalidate(void);

/* Pages of guests as the host sees them. */
static inline volatile uint8_t *byte_at(uint64_t a) { return (volatile uint8_t *)a; }
static inline volatile uint16_t *word_at(uint64_t a) { return (volatile uint16_t *)a; }
static inline volatile uint32_t *dword_at(uint64_t a) { return (volatile uint32_t *)a; }
static inline volatile uint64_t *qword_at(uint64_t a) { return (volatile uint64_t *)a; }

#endif
