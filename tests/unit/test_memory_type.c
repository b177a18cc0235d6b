// SPDX-License-Identifier: Apache-2.0
// Memory types: the manual's table, the PAT, MTRRs and their overlaps, EPT; what an access gets.
#include <string.h>

#include "vmx/memory_type.h"
#include "vmx_modes.h"

#define UC MEMORY_UC
#define WC MEMORY_WC
#define WT MEMORY_WT
#define WP MEMORY_WP
#define WB MEMORY_WB
#define UCM MEMORY_UC_MINUS
#define UNDEFINED MEMORY_UNDEFINED

static void expect_type(enum memory_type got, enum memory_type want, const char *what, unsigned k)
{
    cr_expect_eq(got, want, "%s, row %u: %s, not %s", what, k, memory_type_name(got),
                 memory_type_name(want));
}

/* ---- pure functions ---- */

/* Table "Effective Page-Level Memory Types for Pentium III and More Recent Processor Families". */
static const struct { enum memory_type range, page, effective; } effective[] = {
    { UC, UC, UC }, { UC, UCM, UC }, { UC, WC, WC }, { UC, WT, UC }, { UC, WB, UC }, { UC, WP, UC },
    { WC, UC, UC }, { WC, UCM, WC }, { WC, WC, WC }, { WC, WT, UC }, { WC, WB, WC }, { WC, WP, UC },
    { WT, UC, UC }, { WT, UCM, UC }, { WT, WC, WC }, { WT, WT, WT }, { WT, WB, WT }, { WT, WP, WP },
    { WB, UC, UC }, { WB, UCM, UC }, { WB, WC, WC }, { WB, WT, WT }, { WB, WB, WB }, { WB, WP, WP },
    { WP, UC, UC }, { WP, UCM, WC }, { WP, WC, WC }, { WP, WT, WT }, { WP, WB, WP }, { WP, WP, WP },
};

Test(memory_type, of_range_and_page)
{
    for (unsigned k = 0; k < ARRAY_SIZE(effective); k++)
        expect_type(memory_type_combine(effective[k].range, effective[k].page),
                    effective[k].effective, "combined", k);
    expect_type(memory_type_combine(UNDEFINED, WB), UNDEFINED, "overlapping MTRRs", 0);
}

Test(memory_type, pat_entries)
{
    const uint64_t pat = UINT64_C(0x0001050407000406); /* WB WT UC UC- WT WP WC UC */
    static const enum memory_type types[] = { WB, WT, UC, UCM, WT, WP, WC, UC };
    for (unsigned n = 0; n < 8; n++) {
        uint64_t low = (n & 1) << 3 | (n & 2) << 3 | 0xf000000000000867;
        cr_expect_eq(pat_entry(low | (uint64_t)(n >> 2) << 7, false), n);
        cr_expect_eq(pat_entry(low | (uint64_t)(n >> 2) << 12 | 1 << 7, true), n);
        expect_type(pat_memory_type(pat, n), types[n], "PAT", n);
    }
}

static uint64_t same(enum memory_type t) { return UINT64_C(0x0101010101010101) * t; }

Test(memory_type, fixed_mtrrs)
{
    struct msr_state m = { .mtrr_def_type = 0xc00 | WP };
    for (unsigned k = 0; k < 11; k++)
        m.mtrr_fixed[k] = same(WB);
    static const struct { unsigned reg, byte; uint64_t first, last; } ranges[] = {
        { 0, 0, 0, 0xffff },              { 0, 7, 0x70000, 0x7ffff },
        { 1, 0, 0x80000, 0x83fff },       { 2, 7, 0xbc000, 0xbffff },
        { 3, 0, 0xc0000, 0xc0fff },       { 3, 7, 0xc7000, 0xc7fff },
        { 4, 1, 0xc9000, 0xc9fff },       { 10, 7, 0xff000, 0xfffff },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(ranges); k++) {
        struct msr_state one = m;
        one.mtrr_fixed[ranges[k].reg] &= ~(UINT64_C(0xff) << (8 * ranges[k].byte));
        expect_type(mtrr_memory_type(&one, ranges[k].first), UC, "first", k);
        expect_type(mtrr_memory_type(&one, ranges[k].last), UC, "last", k);
        expect_type(mtrr_memory_type(&one, ranges[k].last + 1), k == 7 ? WP : WB, "behind", k);
        if (ranges[k].first)
            expect_type(mtrr_memory_type(&one, ranges[k].first - 1), WB, "before", k);
    }
    m.mtrr_base[0] = UC;                        /* 2 MBytes: the fixed ranges go before */
    m.mtrr_mask[0] = BIT(46) - 0x200000 + 0x800;
    expect_type(mtrr_memory_type(&m, 0xfffff), WB, "fixed", 0);
    expect_type(mtrr_memory_type(&m, 0x100000), UC, "fixed", 1);
    m.mtrr_def_type &= ~UINT64_C(0x400);        /* FE = 0 */
    expect_type(mtrr_memory_type(&m, 0xfffff), UC, "fixed", 2);
    m.mtrr_def_type &= ~UINT64_C(0x800);        /* E = 0 */
    m.mtrr_mask[0] = 0;
    expect_type(mtrr_memory_type(&m, 0xfffff), UC, "disabled", 0);
    expect_type(mtrr_memory_type(&m, 0x200000), UC, "disabled", 1);
}

Test(memory_type, variable_mtrrs_and_their_overlaps)
{
    static const struct { enum memory_type a, b, type; } rows[] = {
        { UC, WB, UC }, { WT, UC, UC }, { UC, WC, UC }, { WT, WB, WT }, { WB, WT, WT },
        { WB, WB, WB }, { WC, WC, WC }, { WC, WB, UNDEFINED }, { WP, WT, UNDEFINED },
        { WP, UC, UC },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct msr_state m = { .mtrr_def_type = 0x800 | WB };
        m.mtrr_base[1] = 0x40000000 | rows[k].a;        /* 1 GByte, and 16 MBytes in it */
        m.mtrr_mask[1] = (BIT(46) - 0x40000000) | 0x800;
        m.mtrr_base[7] = 0x50000000 | rows[k].b;
        m.mtrr_mask[7] = (BIT(46) - 0x1000000) | 0x800;
        expect_type(mtrr_memory_type(&m, 0x40000000), rows[k].a, "one range", k);
        expect_type(mtrr_memory_type(&m, 0x50ffffff), rows[k].type, "both", k);
        expect_type(mtrr_memory_type(&m, 0x51000000), rows[k].a, "one range", k);
        expect_type(mtrr_memory_type(&m, 0x80000000), WB, "default", k);
        m.mtrr_mask[7] &= ~UINT64_C(0x800);
        expect_type(mtrr_memory_type(&m, 0x50ffffff), rows[k].a, "invalid", k);
    }
}

Test(memory_type, of_ept_entries)
{
    for (unsigned k = 0; k < ARRAY_SIZE(effective); k++) {
        uint64_t entry = 0x600007 | (unsigned)effective[k].range << 3;
        expect_type(ept_memory_type(entry, effective[k].page), effective[k].effective, "EPT", k);
        expect_type(ept_memory_type(entry | 1 << 6, effective[k].page), effective[k].range, "IPAT",
                    k);
    }
    expect_type(ept_structure_memory_type(CR0_PE, 0x1000 | 3 << 3 | 6), WB, "EPTP", 0);
    expect_type(ept_structure_memory_type(CR0_PE, 0x1000 | 3 << 3), UC, "EPTP", 1);
    expect_type(ept_structure_memory_type(CR0_CD, 0x1000 | 3 << 3 | 6), UC, "EPTP", 2);
}

/* ---- accesses ---- */

enum { TARGET = 0x600010, GUEST_PDE = BARE_TABLES + 0x2000 + 8 * (TARGET >> 21),
       EPT_PDE = EPT_TABLES + 0x2000 + 8 * (TARGET >> 21) };
#define PCD (1 << 4)
#define PWT (1 << 3)
#define PAT_LARGE (1 << 12)
#define WB_EVERYWHERE 0xc06
#define PAT_OF_POWER_UP UINT64_C(0x0007040600070406)

static void expect_access(struct cpu *c, enum memory_type effective_type,
                          enum memory_type_source source, unsigned entry)
{
    struct access_memory_type t;
    cr_assert(access_memory_type(c, TARGET, &t));
    expect_type(t.effective, effective_type, "access", entry);
    cr_expect_eq(t.source, source);
    cr_expect_eq(t.pat_entry, entry);
}

Test(memory_type, without_ept)
{
    struct machine *m = bare_machine("max");
    static const uint8_t halt = 0xf4;
    struct cpu *c = bare_load(m, &halt, &halt + 1);
    struct mem *mem = machine_mem(m);
    c->msr.mtrr_def_type = 0x806;
    c->msr.mtrr_base[0] = MEMORY_WT;
    c->msr.mtrr_mask[0] = (BIT(46) - 0x200000) | 0x800;
    expect_access(c, WB, TYPE_BY_MTRRS, 0);
    mem_write_le(mem, GUEST_PDE, 8, 0x87);              /* the same page lies elsewhere */
    expect_access(c, WT, TYPE_BY_MTRRS, 0);
    mem_write_le(mem, GUEST_PDE, 8, 0x87 | PCD);
    expect_access(c, UC, TYPE_BY_MTRRS, 2);
    c->msr.pat = PAT_OF_POWER_UP & ~(UINT64_C(0xff) << 56) & ~(UINT64_C(0xff) << 48);
    c->msr.pat |= UINT64_C(1) << 48;
    mem_write_le(mem, GUEST_PDE, 8, 0x87 | PAT_LARGE | PCD);
    expect_access(c, WC, TYPE_BY_MTRRS, 6);
    c->cr0 |= CR0_CD;
    expect_access(c, UC, TYPE_BY_CD, 6);
    c->cr0 &= ~(uint64_t)CR0_CD;
    c->msr.mtrr_def_type = 0;                           /* MTRRs disabled: UC, but for WC pages */
    expect_access(c, WC, TYPE_BY_MTRRS, 6);
    mem_write_le(mem, GUEST_PDE, 8, 0x87);
    expect_access(c, UC, TYPE_BY_MTRRS, 0);
    mem_write_le(mem, GUEST_PDE, 8, 0);
    struct access_memory_type t;
    cr_expect_not(access_memory_type(c, TARGET, &t));
    machine_destroy(m);
}

/* The PAT bit of a 4-MByte page is bit 12, too; that of a 4-KByte page is bit 7. */
Test(memory_type, pages_of_32_bit_paging)
{
    struct machine *m = bare_machine("max");
    static const uint8_t halt = 0xf4;
    struct cpu *c = bare_load(m, &halt, &halt + 1);
    struct mem *mem = machine_mem(m);
    c->msr.mtrr_def_type = 0x806;
    c->msr.efer = 0;
    c->cr4 = CR4_PSE;
    c->cr3 = GUEST_TABLES;
    mem_write_le(mem, GUEST_TABLES + 4, 4, 0x400087 | PAT_LARGE | PWT);
    expect_access(c, WT, TYPE_BY_MTRRS, 5);
    struct access_memory_type t;
    access_memory_type(c, TARGET, &t);
    cr_expect_eq(t.physical, TARGET);
    mem_write_le(mem, GUEST_TABLES + 4, 4, (GUEST_TABLES + 0x1000) | 7);
    mem_write_le(mem, GUEST_TABLES + 0x1800, 4, 0x600007 | 1 << 7 | PCD | PWT);
    expect_access(c, UC, TYPE_BY_MTRRS, 7);
    machine_destroy(m);
}

BARE_PROGRAM(nothing, "vmcall\n");

struct observed { struct access_memory_type t; bool mapped; };
static void observe(void *user, struct cpu *c, uint32_t reason, uint64_t qualification)
{
    struct observed *o = user;
    o->mapped = access_memory_type(c, TARGET, &o->t);
}

/* What the guest gets, at a VM exit; MTRRs have no effect. */
static struct observed in_guest(struct vm *v)
{
    struct observed o = { .mapped = false };
    machine_hooks(v->m)->user = &o;
    machine_hooks(v->m)->vm_exit = observe;
    put(v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(v), 18);
    machine_hooks(v->m)->vm_exit = NULL;
    return o;
}

Test(memory_type, with_ept)
{
    static const struct {
        uint64_t guest, ept;    /* bits of the leaves */
        uint64_t cr0;
        enum memory_type type;
        enum memory_type_source source;
    } rows[] = {
        { 0, WB << 3, 0, WB, TYPE_BY_EPT },
        { 0, UC << 3, 0, UC, TYPE_BY_EPT },
        { PCD, WC << 3, 0, WC, TYPE_BY_EPT },
        { PCD | PWT, WB << 3, 0, UC, TYPE_BY_EPT },
        { PCD | PWT, WB << 3 | 1 << 6, 0, WB, TYPE_BY_IPAT },
        { PWT, WP << 3, 0, WT, TYPE_BY_EPT },
        { 0, WB << 3 | 1 << 6, CR0_CD, UC, TYPE_BY_CD },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = VM(nothing);
        use_ept(&v);
        v.c->msr.mtrr_def_type = 0;     /* UC, without EPT */
        store(&v, GUEST_PDE, 8, 0x600087 | rows[k].guest);
        store(&v, EPT_PDE, 8, 0x800087 | rows[k].ept);
        v.c->cr0 |= rows[k].cr0;        /* VM entry leaves CD alone */
        struct observed o = in_guest(&v);
        cr_assert(o.mapped);
        expect_type(o.t.effective, rows[k].type, "guest", k);
        cr_expect_eq(o.t.source, rows[k].source);
        cr_expect_eq(o.t.physical, TARGET + 0x200000);
        store(&v, EPT_PDE, 8, 0);
        cr_expect_not(in_guest(&v).mapped);
        machine_destroy(v.m);
    }
}

/* Paging is off: the PAT's part is WB. */
Test(memory_type, of_an_unpaged_guest)
{
    struct vm v = VM(nothing);
    guest_real(&v);
    v.c->msr.pat = 0;
    store(&v, EPT_PDE, 8, 0x6000a7);                    /* WT */
    struct observed o = { .mapped = false };
    machine_hooks(v.m)->user = &o;
    machine_hooks(v.m)->vm_exit = observe;
    cr_expect_eq(enter_guest(&v), 18);
    cr_assert(o.mapped);
    expect_type(o.t.effective, WT, "unpaged", 0);
    expect_type(o.t.page, WB, "unpaged", 1);
    machine_destroy(v.m);
}
