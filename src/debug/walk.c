// SPDX-License-Identifier: Apache-2.0
#include "debug/walk.h"

#include <string.h>

#include "cpu/cpu.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"
#include "vmx/memory_type.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

#define FRAME (bits(~UINT64_C(0), 51, 12) << 12)
enum { USER = 1 << 2, LARGE = 1 << 7, RESTART = 1 << 11 };

/* ---- entries ---- */

struct flag {
    uint8_t bit;
    const char *name;
};

static const struct flag ept_flags[] = {
    { 0, "R" },     { 1, "W" }, { 2, "X" }, { 10, "XU" },     { 6, "IPAT" },
    { 7, "large" }, { 8, "A" }, { 9, "D" }, { 57, "verify" }, { 58, "paging-write" },
    { 61, "SPP" },  { 63, "no-#VE" },
};
static const struct flag page_flags[] = {
    { 0, "P" }, { 1, "W" }, { 2, "U" },      { 3, "PWT" }, { 4, "PCD" },
    { 5, "A" }, { 6, "D" }, { 7, "PS/PAT" }, { 8, "G" },   { 63, "NX" },
};

static void print_entry(FILE *out, const char *name, uint64_t at, uint64_t entry,
                        const struct flag *flags, size_t n)
{
    fprintf(out, "    %-9s at 0x%010llx = 0x%016llx ", name, (unsigned long long)at,
            (unsigned long long)entry);
    for (size_t k = 0; k < n; k++)
        if (entry >> flags[k].bit & 1)
            fprintf(out, " %s", flags[k].name);
}

/* ---- EPT ---- */

static const char *const ept_names[] = { "EPT PTE", "EPT PDE", "EPT PDPTE", "EPT PML4E",
                                         "EPT PML5E" };

static uint64_t field(struct cpu *c, enum vmcs_field f)
{
    uint64_t v = 0;
    vmcs_read(c, vmcs_fields[f].encoding, &v);
    return v;
}

static void print_sub_page(FILE *out, struct cpu *c, uint64_t physical)
{
    static const char *const names[] = { "SPPL4E", "SPPL3E", "SPPL2E", "SPPL1E" };
    struct spp_walk w;
    unsigned sub_page = physical >> SUB_PAGE_SHIFT & (SUB_PAGES - 1);
    spp_walk(c, physical, &w);
    for (unsigned k = 0; k < w.depth; k++) {
        print_entry(out, names[k], w.entry_pa[k], w.entry[k], NULL, 0);
        fputs(k + 1 < w.depth ? "\n" : "  <-- ", out);
    }
    if (w.verdict)
        fprintf(out, "%s\n", w.verdict);
    else
        fprintf(out, "sub-page %u is %s\n", sub_page,
                spp_writable(w.entry[w.depth - 1], sub_page) ? "writable" : "read-only");
}

void walk_print_ept(FILE *out, struct cpu *c, uint64_t physical)
{
    struct ept_walk w;
    enum ept_result r = ept_walk(c, physical, &w);
    uint64_t eptp = field(c, EPT_POINTER);
    fprintf(out, "  guest-physical %#llx by EPTP %#llx, EPT paging structures %s\n",
            (unsigned long long)physical, (unsigned long long)eptp,
            memory_type_name(ept_structure_memory_type(c->cr0, eptp)));
    for (unsigned k = 0; k < w.depth; k++) {
        print_entry(out, ept_names[w.levels - 1 - k], w.entry_pa[k], w.entry[k], ept_flags,
                    ARRAY_SIZE(ept_flags));
        fputs(k + 1 < w.depth ? "\n" : "  <-- ", out);
    }
    fprintf(out, "%s%s\n", w.depth ? "" : "    ", w.verdict);
    if (r == EPT_MAPPED && spp_governs(c, &w))
        print_sub_page(out, c, physical);
}

/* ---- the guest's paging ---- */

struct level {
    const char *name;
    uint8_t shift, index_bits;
};
static const struct level levels_4[] = {
    { "PML4E", 39, 9 }, { "PDPTE", 30, 9 }, { "PDE", 21, 9 }, { "PTE", 12, 9 }
};
static const struct level levels_pae[] = { { "PDE", 21, 9 }, { "PTE", 12, 9 } };
static const struct level levels_32[] = { { "PDE", 22, 10 }, { "PTE", 12, 10 } };

struct paging {
    const struct level *level;
    unsigned levels, size; /* of an entry, in bytes */
    bool hlat;
};
static const struct paging paging_hlat = { levels_4, ARRAY_SIZE(levels_4), 8, true };
static const struct paging paging_4 = { levels_4, ARRAY_SIZE(levels_4), 8, false };
static const struct paging paging_pae = { levels_pae, ARRAY_SIZE(levels_pae), 8, false };
static const struct paging paging_32 = { levels_32, ARRAY_SIZE(levels_32), 4, false };

/* Reads an entry by its guest-physical address. */
static bool read_entry(struct cpu *c, uint64_t at, unsigned size, uint64_t *entry)
{
    uint64_t host = at;
    if (c->vmx_nonroot && c->vmx_ops->ept_enabled(c) && !c->vmx_ops->peek(c, at, &host))
        return false;
    *entry = mem_read_le(c->mem, host, size);
    return true;
}

/* The protection key of the page, if it forbids something. */
static void print_key(FILE *out, const struct cpu *c, uint64_t leaf, bool user_page)
{
    unsigned rights = key_rights(c, leaf, user_page);
    if (rights)
        fprintf(out, "    protection key %u: %s forbids %s\n", (unsigned)bits(leaf, 62, 59),
                user_page ? "PKRU" : "IA32_PKRS",
                rights & KEY_ACCESS_DISABLE ? "reads and writes" : "writes");
}

/* What follows from an entry, in words; "" if the walk just goes on. */
static const char *outcome_of(struct cpu *c, uint64_t at, bool present, bool restarts, bool leaf)
{
    bool verified = ept_is_verified(c, at);
    if (!present)
        return "  <-- not present";
    if (restarts)
        return "  <-- restart with ordinary paging (bit 11)";
    if (!leaf)
        return verified ? "" : "  no paging-write access";
    return verified ? "  <-- the page" : "  no paging-write access  <-- the page";
}

/* True if HLAT paging is restarted. */
static bool print_levels(FILE *out, struct cpu *c, uint64_t linear, uint64_t table,
                         const struct paging *p)
{
    bool user_page = true;
    for (unsigned k = 0; k < p->levels; k++) {
        const struct level *l = &p->level[k];
        uint64_t at = table + (linear >> l->shift & (BIT(l->index_bits) - 1)) * p->size, e;
        bool may_be_large = l->shift < 39 && (p->size == 8 || c->cr4 & CR4_PSE);
        if (!read_entry(c, at, p->size, &e)) {
            fprintf(out, "    %-9s at 0x%010llx: EPT does not let it be read\n", l->name,
                    (unsigned long long)at);
            return false;
        }
        bool present = e & 1, restarts = present && p->hlat && e & RESTART;
        bool leaf = l->shift == 12 || (may_be_large && e & LARGE);
        print_entry(out, l->name, at, e, page_flags, ARRAY_SIZE(page_flags));
        fprintf(out, "%s\n", outcome_of(c, at, present, restarts, leaf));
        user_page = user_page && e & USER;
        if (present && !restarts && leaf)
            print_key(out, c, e, user_page);
        if (!present || restarts || leaf)
            return restarts;
        table = e & (p->size == 8 ? FRAME : 0xfffff000);
    }
    return false;
}

static void print_pae(FILE *out, struct cpu *c, uint64_t linear)
{
    uint64_t pdpte = c->pdpte[linear >> 30 & 3];
    fprintf(out, "    PDPTE%llu    = 0x%016llx%s\n", (unsigned long long)(linear >> 30 & 3),
            (unsigned long long)pdpte, pdpte & 1 ? "" : "  <-- not present");
    if (pdpte & 1)
        print_levels(out, c, linear, pdpte & FRAME, &paging_pae);
}

void walk_print_linear(FILE *out, struct cpu *c, uint64_t linear)
{
    bool pages = c->cr0 & CR0_PG, wide = c->msr.efer & EFER_LMA;
    if (pages && wide && uses_hlat(c, linear)) {
        fprintf(out, "  guest-linear %#llx by HLATP %#llx\n", (unsigned long long)linear,
                (unsigned long long)field(c, HLAT_POINTER));
        if (!print_levels(out, c, linear, c->hlat_root, &paging_hlat))
            return;
    }
    fprintf(out, "  guest-linear %#llx by CR3 %#llx\n", (unsigned long long)linear,
            (unsigned long long)c->cr3);
    if (!pages)
        fprintf(out, "    paging is off: it is the guest-physical address\n");
    else if (wide)
        print_levels(out, c, linear, c->cr3 & FRAME, &paging_4);
    else if (c->cr4 & CR4_PAE)
        print_pae(out, c, linear);
    else
        print_levels(out, c, linear, c->cr3 & 0xfffff000, &paging_32);
}

/* ---- the memory type ---- */

void walk_print_memory_type(FILE *out, struct cpu *c, uint64_t linear)
{
    struct access_memory_type t;
    char page[32] = "paging is off: WB";
    if (!access_memory_type(c, linear, &t))
        return;
    const char *range = memory_type_name(t.range);
    if (c->cr0 & CR0_PG)
        snprintf(page, sizeof page, "PAT entry %u %s", t.pat_entry, memory_type_name(t.page));
    fprintf(out, "  host-physical %#llx, memory type %s: ", (unsigned long long)t.physical,
            memory_type_name(t.effective));
    switch (t.source) {
    case TYPE_BY_CD: fprintf(out, "CR0.CD is 1\n"); break;
    case TYPE_BY_EPT: fprintf(out, "EPT %s, %s\n", range, page); break;
    case TYPE_BY_IPAT: fprintf(out, "EPT %s, ignoring the PAT\n", range); break;
    case TYPE_BY_MTRRS: fprintf(out, "MTRRs %s, %s\n", range, page); break;
    }
}
