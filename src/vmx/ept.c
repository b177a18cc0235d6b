// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "The Extended Page Table Mechanism (EPT)": 4-level walk, misconfigurations,
// violations, accessed and dirty flags.
#include "mem/phys.h"
#include "vmx/internal.h"

enum { REASON_VIOLATION = 48, REASON_MISCONFIGURATION = 49 };
enum {
    EPT_R = 1 << 0,
    EPT_W = 1 << 1,
    EPT_X = 1 << 2,
    EPT_RWX = 7,
    EPT_TYPE_SHIFT = 3,
    EPT_LARGE = 1 << 7,
    EPT_A = 1 << 8,
    EPT_D = 1 << 9,
    EPTP_AD = 1 << 6,
};
enum {                                  /* exit qualification of an EPT violation */
    QUAL_READ = 1 << 0, QUAL_WRITE = 1 << 1, QUAL_FETCH = 1 << 2, QUAL_RIGHTS_SHIFT = 3,
    QUAL_LINEAR = 1 << 7, QUAL_FINAL = 1 << 8,
};
#define ADDRESS_BITS (bits(~UINT64_C(0), 51, 12) << 12)

enum walk_result { WALK_MAPPED, WALK_ABSENT, WALK_MISCONFIGURED };

struct walk {
    uint64_t entry[4], entry_pa[4];     /* from the root down */
    unsigned depth;
    unsigned rights; /* AND of R, W and X of the entries read; 0 if one is absent */
    uint64_t hpa;
};

static bool is_leaf(uint64_t entry, unsigned level)
{
    return level == 1 || (level <= 3 && entry & EPT_LARGE);
}

/* SDM, "EPT Misconfigurations". */
static bool misconfigured(const struct cpu *c, uint64_t entry, unsigned level)
{
    uint64_t cap = c->vmx->cap[CAP_EPT_VPID];
    unsigned type = entry >> EPT_TYPE_SHIFT & 7;
    if ((entry & (EPT_R | EPT_W)) == EPT_W)
        return true;
    if ((entry & EPT_RWX) == EPT_X && !(cap & EPT_CAP_EXECUTE_ONLY))
        return true;
    if (entry & ADDRESS_BITS & ~(BIT(c->physical_bits) - 1))
        return true;
    if (!is_leaf(entry, level))
        return entry & (level == 4 ? 0xf8 : 0x78);
    if (type == 2 || type == 3 || type == 7)
        return true;
    if (level == 3)
        return entry & 0x3ffff000 || !(cap & EPT_CAP_1G);
    return level == 2 && (entry & 0x1ff000 || !(cap & EPT_CAP_2M));
}

static enum walk_result walk(struct cpu *c, uint64_t gpa, struct walk *w)
{
    uint64_t table = vmcs_field(c, EPT_POINTER) & ADDRESS_BITS;
    w->depth = 0;
    w->rights = EPT_RWX;
    if (gpa >> 48) {                    /* beyond what four levels translate */
        w->rights = 0;
        return WALK_ABSENT;
    }
    for (unsigned level = 4;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t pa = table + (gpa >> shift & 0x1ff) * 8, entry = mem_read_le(c->mem, pa, 8);
        w->rights &= (unsigned)entry;
        if (!(entry & EPT_RWX))
            return WALK_ABSENT;
        if (misconfigured(c, entry, level))
            return WALK_MISCONFIGURED;
        w->entry[w->depth] = entry;
        w->entry_pa[w->depth++] = pa;
        table = entry & ADDRESS_BITS;
        if (is_leaf(entry, level)) {
            uint64_t offset = BIT(shift) - 1;
            w->hpa = (table & ~offset) | (gpa & offset);
            return WALK_MAPPED;
        }
    }
}

/* SDM, "Accessed and Dirty Flags for EPT". */
static void set_flags(struct cpu *c, const struct walk *w, bool write)
{
    for (unsigned k = 0; k < w->depth; k++) {
        uint64_t want = EPT_A | (write && k == w->depth - 1 ? EPT_D : 0);
        if ((w->entry[k] & want) != want)
            mem_write_le(c->mem, w->entry_pa[k], 8, w->entry[k] | want);
    }
}

/* SDM, "Saving RIP, RSP, RFLAGS, and SSP": 1, or the pushed image's during event delivery. */
static bool saves_rf(const struct cpu *c)
{
    return !c->is_delivering || event_pushes_rf(&c->delivering);
}

/* The instruction length is undefined outside event delivery; processors report the instruction's,
 * and software has come to use it. */
static void violation(struct cpu *c, const struct walk *w, uint64_t gpa, unsigned access,
                      bool structure, bool linear_valid, uint64_t linear)
{
    uint64_t q = access | (uint64_t)w->rights << QUAL_RIGHTS_SHIFT;
    if (linear_valid) {
        q |= QUAL_LINEAR | (structure ? 0 : QUAL_FINAL);
        tlb_flush_page(c, tlb_vpid(c),
                       linear); /* SDM, "Operations that Invalidate Cached Mappings" */
    }
    vm_exit(c, &(struct vm_exit){
                   .reason = REASON_VIOLATION,
                   .qualification = q,
                   .vectoring = true,
                   .set_rf = saves_rf(c),
                   .has_length = true,
                   .has_physical = true,
                   .physical = gpa,
                   .has_linear = linear_valid,
                   .linear = linear,
               });
}

static void misconfiguration(struct cpu *c, uint64_t gpa, bool linear_valid, uint64_t linear)
{
    vm_exit(c, &(struct vm_exit){
                   .reason = REASON_MISCONFIGURATION,
                   .vectoring = true,
                   .set_rf = saves_rf(c),
                   .has_length = true,
                   .has_physical = true,
                   .physical = gpa,
                   .has_linear = linear_valid,
                   .linear = linear,
               });
}

bool vmx_ept_enabled(struct cpu *c) { return c->vmx->proc2 & PROC2_ENABLE_EPT; }

bool vmx_translate(struct cpu *c, uint64_t gpa, enum access_kind kind, bool paging_structure,
                   bool linear_valid, uint64_t linear, uint64_t *hpa, unsigned *page_ok)
{
    struct walk w;
    *hpa = gpa;
    *page_ok = EPT_RWX;
    if (!vmx_ept_enabled(c))
        return true;
    bool flags = vmcs_field(c, EPT_POINTER) & EPTP_AD;
    /* With accessed and dirty flags for EPT, accesses to guest paging structures count as writes;
     * the loading of PDPTEs by MOV to CR does not. */
    bool as_write = kind == ACCESS_WRITE || (flags && paging_structure && linear_valid);
    unsigned access = kind == ACCESS_EXECUTE ? QUAL_FETCH
                      : kind == ACCESS_WRITE ? QUAL_WRITE
                                             : QUAL_READ;
    /* ... and the update of guest flags is both a read and a write. */
    if (paging_structure && as_write)
        access = QUAL_READ | QUAL_WRITE;
    unsigned needed = kind == ACCESS_EXECUTE ? EPT_X : kind == ACCESS_WRITE ? EPT_W : EPT_R;
    needed |= as_write ? EPT_W : 0;
    enum walk_result r = walk(c, gpa, &w);
    if (r == WALK_MAPPED && (w.rights & needed) == needed) {
        if (flags)
            set_flags(c, &w, as_write);
        *hpa = w.hpa;
        return true;
    }
    c->vm_exited = true;
    if (r == WALK_MISCONFIGURED)
        misconfiguration(c, gpa, linear_valid, linear);
    else
        violation(c, &w, gpa, access, paging_structure, linear_valid, linear);
    return false;
}

bool vmx_peek(struct cpu *c, uint64_t gpa, uint64_t *hpa)
{
    struct walk w;
    if (walk(c, gpa, &w) != WALK_MAPPED)
        return false;
    *hpa = w.hpa;
    return true;
}

uint64_t vmx_space(struct cpu *c)
{
    const struct vmx *x = c->vmx;
    uint64_t eptp = vmcs_field(c, EPT_POINTER), flags = eptp & EPTP_AD ? 1 : 0;
    return (x->proc2 & PROC2_ENABLE_VPID ? vmcs_field(c, VIRTUAL_PROCESSOR_ID) << 48 : 0) |
           (x->proc2 & PROC2_ENABLE_EPT ? SPACE_EPT | (eptp & ADDRESS_BITS) >> 11 | flags : 0);
}
