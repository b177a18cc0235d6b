// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

#include "vmx.h"

enum { PRESENT_WRITE_USER = 0x67, LARGE = 1 << 7, EPT_ALL = 7, EPT_LARGE = 1 << 7, EPT_WB = 6 << 3 };
enum { GATE_INTERRUPT = 0x8e, GATE_BYTES = 16 };

struct ept_tables ept __attribute__((aligned(4096))), ept2 __attribute__((aligned(4096)));

/* ---- descriptor tables ---- */

static uint64_t tss_descriptor(uint64_t base, uint32_t limit, unsigned type)
{
    return limit | (base & 0xffffff) << 16 | (uint64_t)(0x80 | type) << 40 |
           (base >> 24 & 0xff) << 56;
}

static void fill_gdt(void)
{
    volatile uint64_t *gdt = qword_at(GUEST_GDT);
    zero((void *)gdt, 0x100);
    gdt[SEL_CODE64 / 8] = 0x00af9b000000ffff;
    gdt[SEL_DATA / 8] = 0x00cf93000000ffff;
    gdt[SEL_TSS / 8] = tss_descriptor(GUEST_TSS, 0x67, 0xb);
    gdt[SEL_CODE32 / 8] = 0x00cf9b000000ffff;
    gdt[SEL_CODE16 / 8] = 0x00009b010000ffff;
    gdt[SEL_USER_CODE64 / 8] = 0x00affb000000ffff;
    gdt[SEL_USER_DATA / 8] = 0x00cff3000000ffff;
    gdt[SEL_USER_CODE32 / 8] = 0x00cffb000000ffff;
    gdt[SEL_TSS32 / 8] = tss_descriptor(GUEST_TSS32, 0x67, 0xb);
    gdt[SEL_OTHER_TSS / 8] = tss_descriptor(GUEST_TSS32 + 0x100, 0x67, 0x9);
    gdt[SEL_FREE_TSS / 8] = tss_descriptor(GUEST_TSS, 0x67, 0x9);
    gdt[SEL_TASK_GATE / 8] = UINT64_C(0x0000850000000000) | SEL_OTHER_TSS << 16;
}

uint64_t guest_handler(unsigned vector) { return GUEST_HANDLERS + vector * 8; }

static void fill_idts(void)
{
    for (unsigned v = 0; v < 256; v++) {
        uint64_t at = guest_handler(v);
        uint64_t low = (at & 0xffff) | (uint64_t)GATE_INTERRUPT << 40 | (at >> 16 & 0xffff) << 48;
        qword_at(GUEST_IDT64)[2 * v] = low | SEL_CODE64 << 16;
        qword_at(GUEST_IDT64)[2 * v + 1] = 0;
        qword_at(GUEST_IDT32)[v] = low | SEL_CODE32 << 16;
        dword_at(GUEST_IVT)[v] = GUEST_CODE / 16 << 16 | (uint32_t)(at - GUEST_CODE);
        *qword_at(at) = 0xf4f4f4f4f4c1010f;                     /* VMCALL, HLT ... */
    }
}

static void fill_tss(void)
{
    zero((void *)qword_at(GUEST_TSS), 0x200);
    zero((void *)qword_at(GUEST_TSS32), 0x200);
    *qword_at(GUEST_TSS + 4) = GUEST_KERNEL_STACK;
    *word_at(GUEST_TSS + 0x66) = 0x68;                          /* no I/O permissions */
    *dword_at(GUEST_TSS32 + 4) = GUEST_KERNEL_STACK;
    *dword_at(GUEST_TSS32 + 8) = SEL_DATA;
    *word_at(GUEST_TSS32 + 0x66) = 0x68;
}

/* ---- paging structures ---- */

/* Guests leave the paging structures as they are: accessed and dirty flags are set from the start. */
bool guest_paging_changed = true;

uint64_t *guest_pte(uint64_t address)
{
    guest_paging_changed = true;
    return (uint64_t *)(uint64_t)GUEST_PT + (address >> 12);
}
uint32_t *guest_pte32(uint64_t address)
{
    guest_paging_changed = true;
    return (uint32_t *)(uint64_t)GUEST_PT32 + (address >> 12);
}

static void fill_low_pages(void)
{
    for (uint64_t k = 0; k < 512; k++)
        qword_at(GUEST_PT)[k] = k << 12 | PRESENT_WRITE_USER;
    for (uint32_t k = 0; k < 1024; k++)
        dword_at(GUEST_PT32)[k] = k << 12 | PRESENT_WRITE_USER;
    for (uint64_t k = 0; k < 4; k++) {
        qword_at(GUEST_PDPT)[k] = (GUEST_PD + (k << 12)) | PRESENT_WRITE_USER;
        qword_at(GUEST_PDPT_PAE)[k] = (GUEST_PD + (k << 12)) | 1;
    }
    *qword_at(GUEST_PML4) = GUEST_PDPT | PRESENT_WRITE_USER;
    *qword_at(GUEST_PD) = GUEST_PT | PRESENT_WRITE_USER;
    *dword_at(GUEST_PD32) = GUEST_PT32 | PRESENT_WRITE_USER;
}

static void fill_high_pages(void)
{
    zero((void *)qword_at(GUEST_PML4), 0x2000);
    for (uint64_t k = 1; k < 2048; k++)
        qword_at(GUEST_PD)[k] = k << 21 | LARGE | PRESENT_WRITE_USER;
    for (uint32_t k = 1; k < 1024; k++)
        dword_at(GUEST_PD32)[k] = k << 22 | LARGE | PRESENT_WRITE_USER;
}

void guest_memory_init(void)
{
    zero((void *)qword_at(GUEST_CODE), GUEST_MEMORY_END - GUEST_CODE);
    fill_high_pages();
    fill_idts();
    guest_memory_reset();
}

void guest_memory_reset(void)
{
    if (guest_paging_changed)
        fill_low_pages();
    guest_paging_changed = false;
    fill_gdt();
    fill_tss();
    zero((void *)qword_at(GUEST_DATA), 0x2000);
    guest_code(0, 0);
}

void guest_code(const uint8_t *bytes, unsigned n)
{
    static const uint8_t vmcall[] = { 0x0f, 0x01, 0xc1, 0xf4 };
    copy((void *)byte_at(GUEST_CODE), bytes, n);
    copy((void *)byte_at(GUEST_CODE + n), vmcall, sizeof vmcall);
}

/* ---- EPT ---- */

bool ept_changed = true;

void ept_reset(struct ept_tables *t)
{
    if (t == &ept && !ept_changed)
        return;
    if (t == &ept)
        ept_changed = false;
    t->pml4[0] = (uint64_t)t->pdpt | EPT_ALL;
    t->pml4[1] = 0;
    for (uint64_t k = 0; k < 4; k++)
        t->pdpt[k] = (uint64_t)t->pd[k] | EPT_ALL;
    uint64_t type = cap.ept_vpid & BIT(14) ? EPT_WB : 0;
    for (uint64_t k = 0; k < 2048; k++)
        t->pd[k / 512][k % 512] = k << 21 | type | EPT_LARGE | EPT_ALL;
    t->pd[0][0] = (uint64_t)t->pt | EPT_ALL;
    for (uint64_t k = 0; k < 512; k++)
        t->pt[k] = k << 12 | type | EPT_ALL;
}

uint64_t ept_pointer(const struct ept_tables *t)
{
    return (uint64_t)t->pml4 | 3 << 3 | (cap.ept_vpid & BIT(14) ? 6 : 0);
}
uint64_t *ept_leaf(uint64_t address)
{
    ept_changed = true;
    return &ept.pt[address >> 12];
}

void ept_invalidate(void)
{
    const uint64_t descriptor[2] = { 0, 0 }, one[2] = { ept_pointer(&ept), 0 };
    if (cap.ept_vpid & BIT(26))
        try_invept(2, descriptor);
    else if (cap.ept_vpid & BIT(25))
        try_invept(1, one);
}

void vpid_invalidate(void)
{
    const uint64_t d[2] = { 1, 0 };
    if (cap.ept_vpid & BIT(42))
        try_invvpid(2, d);
    else if (cap.ept_vpid & BIT(41))
        try_invvpid(1, d);
}
