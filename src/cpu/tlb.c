// SPDX-License-Identifier: Apache-2.0
// The software TLB: entries carry the generation of their address space, so that a flush is one
// addition.
#include <string.h>

#include "cpu/access.h"
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"

enum { GENERATION_MASK = 0xfff };
#define TAG_NONE UINT64_C(0x8000000000000)   /* no canonical page with generation 0 of any use */

static unsigned slot_of(uint64_t linear)
{
    return (linear >> PAGE_SHIFT) & (TLB_SLOTS - 1);
}

/* Linear mappings depend on CR3 with its PCID, the paging bits of CR0, CR4 and EFER, and in VMX
 * operation on VPID and EPTRTA (SDM vol. 3, "Information That May Be Cached"). */
static void space_key(const struct cpu *c, uint64_t key[3])
{
    key[0] = c->cr3 & ~BIT(63);
    key[1] = (c->cr0 & (CR0_PG | CR0_WP | CR0_PE)) | (c->msr.efer & (EFER_LMA | EFER_NXE)) |
             (c->cr4 & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP)) << 32 |
             (uint64_t)c->vmx_nonroot << 62;
    key[2] = c->vmx_nonroot ? c->vmx_ops->space((struct cpu *)c) : 0;
}

static void clear_entries(struct cpu *c)
{
    for (unsigned v = 0; v < ARRAY_SIZE(c->tlb); v++)
        for (unsigned k = 0; k < TLB_SLOTS; k++)
            c->tlb[v][k].tag = TAG_NONE;
    for (unsigned k = 0; k < TLB_SLOTS; k++)
        c->fetch[0][k].tag = c->fetch[1][k].tag = TAG_NONE;
}

/* A fresh generation; generation 0 is never used, and a wrap empties the arrays. */
static uint64_t new_serial(struct cpu *c)
{
    if (!(++c->space_serial & GENERATION_MASK)) {
        c->space_serial++;
        memset(c->space, 0, sizeof c->space);
    }
    if ((c->space_serial & GENERATION_MASK) == 1)
        clear_entries(c);
    return c->space_serial;
}

static void use_serial(struct cpu *c, uint64_t serial)
{
    c->tlb_generation = serial & GENERATION_MASK;
    c->jump_key = serial << 16 | c->mode;
}

static void select_space(struct cpu *c)
{
    uint64_t key[3];
    space_key(c, key);
    for (unsigned k = 0; k < TLB_SPACES; k++)
        if (c->space[k].serial && !memcmp(c->space[k].key, key, sizeof key)) {
            use_serial(c, c->space[k].serial);
            return;
        }
    uint64_t serial = new_serial(c);
    struct tlb_space *s = &c->space[c->space_clock++ % TLB_SPACES];
    memcpy(s->key, key, sizeof key);
    s->serial = serial;
    use_serial(c, serial);
}

/* #AC checks and data breakpoints need to see every access. */
static bool every_access_checked(const struct cpu *c)
{
    bool alignment = c->cpl == 3 && c->cr0 & CR0_AM && c->rflags & FLAG_AC;
    bool data_breakpoint = false;
    for (unsigned k = 0; k < 4; k++)
        data_breakpoint |= c->dr[7] >> (2 * k) & 3 && c->dr[7] >> (16 + 4 * k) & 1;
    return alignment || data_breakpoint;
}

static void select_view(struct cpu *c)
{
    if (every_access_checked(c)) {
        c->view = VIEW_NONE;
        c->tlb_read = c->tlb_write = c->tlb[2 * VIEW_COUNT];
        return;
    }
    c->view = c->cpl == 3 ? VIEW_USER :
              c->rflags & FLAG_AC && c->cr4 & CR4_SMAP ? VIEW_SUPER_AC : VIEW_SUPER;
    c->tlb_read = c->tlb[c->view];
    c->tlb_write = c->tlb[VIEW_COUNT + c->view];
}

void cpu_privilege_changed(struct cpu *c)
{
    struct mode m = mode_of(c, false);
    c->mode = code_intern_mode(c->code, &m);
    select_view(c);
    use_serial(c, c->jump_key >> 16);
    c->attention |= ATTENTION_BOUNDARY;
}

void cpu_mode_changed(struct cpu *c)
{
    struct mode m = mode_of(c, false);
    c->mode = code_intern_mode(c->code, &m);
    select_view(c);
    select_space(c);
    c->attention |= ATTENTION_BOUNDARY;
}

void tlb_flush_all(struct cpu *c)
{
    memset(c->space, 0, sizeof c->space);
    select_space(c);
    c->attention |= ATTENTION_BOUNDARY;
}

/* Everything that was cached for the current VPID and PCID, whatever CR3 and the paging bits were
 * then; global pages go, too. */
void tlb_flush_space(struct cpu *c)
{
    uint64_t key[3], pcid = c->cr4 & CR4_PCIDE ? 0xfff : 0;
    space_key(c, key);
    for (unsigned k = 0; k < TLB_SPACES; k++)
        if (c->space[k].key[2] == key[2] && !((c->space[k].key[0] ^ key[0]) & pcid))
            c->space[k].serial = 0;
    select_space(c);
    c->attention |= ATTENTION_BOUNDARY;
}

/* The page may be global, known to other PCIDs, and part of a large one whose pieces stand in other
 * slots: everything goes. */
void tlb_flush_page(struct cpu *c, uint64_t linear)
{
    (void)linear;
    tlb_flush_all(c);
}

void tlb_forget_writes(struct cpu *c, const uint8_t *host_page)
{
    for (unsigned v = VIEW_COUNT; v < 2 * VIEW_COUNT; v++)
        for (unsigned k = 0; k < TLB_SLOTS; k++) {
            struct tlb_entry *t = &c->tlb[v][k];
            if ((t->tag & PAGE_MASK) + t->addend == (uintptr_t)host_page)
                t->tag = TAG_NONE;
        }
}

void tlb_fill(struct cpu *c, uint64_t linear, uint64_t pa, enum access_kind kind)
{
    linear &= PAGE_MASK;
    struct tlb_entry entry = { .tag = linear | c->tlb_generation };
    if (kind == ACCESS_EXECUTE) {
        entry.addend = (pa & PAGE_MASK) - linear;
        c->fetch[c->cpl == 3][slot_of(linear)] = entry;
        return;
    }
    enum page_kind page_kind;
    uint8_t *page = mem_page(c->mem, pa, &page_kind);
    if (c->view == VIEW_NONE || !page)
        return;
    if (kind == ACCESS_WRITE && (page_kind != PAGE_RAM || *mem_code_lines(c->mem, pa)))
        return;
    entry.addend = (uintptr_t)page - linear;
    (kind == ACCESS_WRITE ? c->tlb_write : c->tlb_read)[slot_of(linear)] = entry;
}

void tlb_fill_spare(struct cpu *c, uint64_t linear, uint64_t pa, enum access_kind kind)
{
    const struct tlb_entry *t = kind == ACCESS_WRITE ? c->tlb_write : c->tlb_read;
    if ((t[slot_of(linear)].tag & GENERATION_MASK) != c->tlb_generation)
        tlb_fill(c, linear, pa, kind);
}
