// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "The Extended Page Table Mechanism (EPT)": what an access by a guest-physical address
// leads to: violations, accessed and dirty flags, page-modification logging, virtualization
// exceptions.
#include "cpu/kept.h"
#include "mem/phys.h"
#include "vmx/eptp.h"
#include "vmx/internal.h"

enum { REASON_VIOLATION = 48, REASON_MISCONFIGURATION = 49, REASON_PML_FULL = 62, REASON_SPP = 66 };
/* Exit qualification of an EPT violation. */
enum {
    QUAL_READ = 1 << 0,
    QUAL_WRITE = 1 << 1,
    QUAL_FETCH = 1 << 2,
    QUAL_RIGHTS_SHIFT = 3,
    QUAL_USER_EXECUTE = 1 << 6,
    QUAL_LINEAR = 1 << 7,
    QUAL_FINAL = 1 << 8,
    QUAL_USER_PAGE = 1 << 9,
    QUAL_WRITABLE_PAGE = 1 << 10,
    QUAL_NO_EXECUTE_PAGE = 1 << 11,
    QUAL_SHADOW_STACK = 1 << 13,
    QUAL_SHADOW_PAGE = 1 << 14,
    QUAL_VERIFICATION = 1 << 15,
    QUAL_ASYNCHRONOUS = 1 << 16, /* not an instruction's access, nor part of event delivery */
};
enum { QUAL_SPP_MISS = 1 << 11 };
#define EPT_SUPPRESS_VE BIT(63)
#define EPT_SHADOW_PAGE BIT(60) /* with supervisor shadow-stack control: of a leaf */
enum { PML_ENTRIES = 512 };
/* The virtualization-exception information area. */
enum {
    VE_REASON = 0,
    VE_BUSY = 4,
    VE_QUALIFICATION = 8,
    VE_LINEAR = 16,
    VE_PHYSICAL = 24,
    VE_EPTP_INDEX = 32,
};

/* ---- the exits ---- */

/* SDM, "Saving RIP, RSP, RFLAGS, and SSP": 1, or the pushed image's during event delivery. */
static bool saves_rf(const struct cpu *c)
{
    return !c->is_delivering || event_pushes_rf(&c->delivering);
}

/* The instruction length is undefined outside event delivery; processors report the instruction's,
 * and software has come to use it. */
static bool ept_exit(struct cpu *c, uint32_t reason, const struct guest_physical *g,
                     uint64_t qualification)
{
    c->vm_exited = true;
    vm_exit(c, &(struct vm_exit){
                   .reason = reason,
                   .qualification = qualification,
                   .vectoring = true,
                   .set_rf = saves_rf(c),
                   .has_length = true,
                   .has_physical = reason != REASON_PML_FULL,
                   .physical = g->address,
                   .has_linear = reason != REASON_PML_FULL && g->has_linear,
                   .linear = g->linear,
               });
    return false;
}

/* Bit 63 of the entry that decided; where none is read, the exit stays. */
static bool suppresses_ve(const struct ept_walk *w)
{
    return !w->depth || w->entry[w->depth - 1] & EPT_SUPPRESS_VE;
}

/* SDM, "Virtualization Exceptions". */
static bool virtualization_exception(struct cpu *c, const struct ept_walk *w,
                                     const struct guest_physical *g, uint64_t qualification)
{
    uint64_t info = vmcs_field(c, VIRT_EXCEPTION_INFO);
    bool convertible = c->vmx->proc2 & PROC2_EPT_VIOLATION_VE && !suppresses_ve(w);
    if (!convertible || !(c->cr0 & CR0_PE) || c->is_delivering ||
        mem_read_le(c->mem, info + VE_BUSY, 4))
        return false;
    mem_write_le(c->mem, info + VE_REASON, 4, REASON_VIOLATION);
    mem_write_le(c->mem, info + VE_BUSY, 4, UINT32_MAX);
    mem_write_le(c->mem, info + VE_QUALIFICATION, 8, qualification);
    mem_write_le(c->mem, info + VE_LINEAR, 8, g->linear);
    mem_write_le(c->mem, info + VE_PHYSICAL, 8, g->address);
    mem_write_le(c->mem, info + VE_EPTP_INDEX, 2, vmcs_field(c, EPTP_INDEX));
    cpu_raise(c, EXC_VE);
    return true;
}

/* "Advanced VM-exit information for EPT violations": what the guest's own paging says. */
static uint64_t page_information(const struct cpu *c, const struct guest_physical *g)
{
    if (!(c->vmx->cap[CAP_EPT_VPID] & EPT_CAP_ADVANCED) || g->structure || !g->has_linear)
        return 0;
    return (g->user_page ? QUAL_USER_PAGE : 0) | (g->writable_page ? QUAL_WRITABLE_PAGE : 0) |
           (g->no_execute_page ? QUAL_NO_EXECUTE_PAGE : 0);
}

static bool shadow_control(const struct cpu *c)
{
    return vmcs_field(c, EPT_POINTER) & EPTP_SHADOW_STACK;
}

static uint64_t shadow_information(const struct cpu *c, const struct ept_walk *w,
                                   const struct guest_physical *g)
{
    bool marked = shadow_control(c) && w->mapped && w->entry[w->depth - 1] & EPT_SHADOW_PAGE;
    return (g->shadow_stack ? QUAL_SHADOW_STACK : 0) | (marked ? QUAL_SHADOW_PAGE : 0);
}

/* Cached mappings that the access used go (SDM, "Operations that Invalidate Cached Mappings"). */
static bool violation(struct cpu *c, const struct ept_walk *w, const struct guest_physical *g,
                      unsigned access)
{
    uint64_t q = access | (uint64_t)(w->rights & EPT_RWX) << QUAL_RIGHTS_SHIFT;
    q |= c->delivering_user ? QUAL_ASYNCHRONOUS : 0;
    q |= (w->rights & EPT_XU ? QUAL_USER_EXECUTE : 0) | page_information(c, g);
    if (unlikely(c->kept))
        kept_flush_guest_physical(c, g->address);
    q |= shadow_information(c, w, g);
    if (g->has_linear) {
        q |= QUAL_LINEAR | (g->structure ? 0 : QUAL_FINAL);
        tlb_flush_linear(c, g->linear);
    }
    return virtualization_exception(c, w, g, q) ? false : ept_exit(c, REASON_VIOLATION, g, q);
}

/* ---- accessed and dirty flags ---- */

/* SDM, "Page-Modification Logging". */
static void log_modification(struct cpu *c, uint64_t gpa)
{
    uint64_t *index = &c->vmx->vmcs.f[GUEST_PML_INDEX];
    mem_write_le(c->mem, vmcs_field(c, PML_ADDRESS) + 8 * *index, 8, gpa & PAGE_MASK);
    *index = (uint16_t)(*index - 1);
}

/* SDM, "Accessed and Dirty Flags for EPT".  False: the log is full, a VM exit has happened. */
static bool set_flags(struct cpu *c, const struct ept_walk *w, const struct guest_physical *g,
                      bool write)
{
    bool logs = c->vmx->proc2 & PROC2_ENABLE_PML;
    for (unsigned k = 0; k < w->depth; k++) {
        bool dirties = write && k == w->depth - 1;
        uint64_t want = EPT_A | (dirties ? EPT_D : 0);
        if ((w->entry[k] & want) == want)
            continue;
        if (logs && vmcs_field(c, GUEST_PML_INDEX) >= PML_ENTRIES)
            return ept_exit(c, REASON_PML_FULL, g, 0);
        mem_set_flags(c->mem, w->entry_pa[k] + 1, (uint8_t)(want >> 8));
        if (logs && dirties && !(w->entry[k] & EPT_D))
            log_modification(c, g->address);
    }
    return true;
}

/* ---- translation ---- */

bool vmx_ept_enabled(struct cpu *c) { return c->vmx->proc2 & PROC2_ENABLE_EPT; }

/* The right that a fetch needs. */
static unsigned execute_right(const struct cpu *c, const struct guest_physical *g)
{
    return c->vmx->proc2 & PROC2_MODE_BASED_EXECUTE && g->user_page ? EPT_XU : EPT_X;
}

/* Under supervisor shadow-stack control, reads and writes of the supervisor's shadow stack go to
 * pages that a leaf with bit 60 marks; that leaf alone need not be writable. */
static bool rights_ok(const struct cpu *c, const struct ept_walk *w, const struct guest_physical *g,
                      unsigned needed)
{
    uint64_t upper = EPT_R | EPT_W;
    if (!g->shadow_stack || g->user_access || !shadow_control(c))
        return (ept_access_rights(c, w, g) & needed) == needed;
    uint64_t leaf = w->entry[w->depth - 1];
    for (unsigned k = 0; k + 1 < w->depth; k++)
        upper &= w->entry[k];
    return upper == (EPT_R | EPT_W) && leaf & EPT_R && leaf & EPT_SHADOW_PAGE;
}

/* An access to which EPT does not give the right: a write may have it by its sub-page. */
static bool write_sub_page(struct cpu *c, const struct ept_walk *w, const struct guest_physical *g,
                           unsigned access)
{
    struct spp_walk s;
    if (!spp_eligible(c, w, g))
        return violation(c, w, g, access);
    switch (spp_walk(c, g->address, &s)) {
    case SPP_MISS: return ept_exit(c, REASON_SPP, g, QUAL_SPP_MISS);
    case SPP_MISCONFIGURED: return ept_exit(c, REASON_SPP, g, 0);
    default:
        return spp_allows(c, g->address, s.entry[s.depth - 1]) || violation(c, w, g, access);
    }
}

/* A walk for an access, or with -tlb sticky the guest-physical mapping that is kept, if it allows
 * the access, no flag has to be set, and nothing looks at the entries themselves. */
static enum ept_result find(struct cpu *c, const struct guest_physical *g, unsigned needed,
                             struct ept_walk *w)
{
    const struct kept_page *k = unlikely(c->kept) ? kept_guest_physical(c, g->address) : NULL;
    bool by_entries = g->shadow_stack ||
                      c->vmx->proc3 & (PROC3_EPT_PAGING_WRITE | PROC3_GUEST_PAGING_VERIFICATION);
    if (!k || by_entries || (k->rights & needed) != needed || (needed & EPT_W && !k->dirty))
        return ept_walk(c, g->address, w);
    w->depth = 0;
    w->dirty = k->dirty;
    w->rights = (unsigned)k->rights;
    w->hpa = k->pa | (g->address & ~PAGE_MASK);
    return EPT_MAPPED;
}

static void keep(struct cpu *c, const struct guest_physical *g, const struct ept_walk *w)
{
    if (unlikely(c->kept) && w->depth)
        kept_add_guest_physical(c, &(struct kept_page){ .of.page = g->address,
                                                        .pa = w->hpa & PAGE_MASK,
                                                        .rights = w->rights,
                                                        .dirty = w->dirty });
}

/* *page_ok: what the rights allow (1 << kind). */
static bool translate(struct cpu *c, struct guest_physical *g, uint64_t *hpa,
                      unsigned *page_ok)
{
    struct ept_walk w;
    bool flags = vmcs_field(c, EPT_POINTER) & EPTP_AD;
    /* With accessed and dirty flags for EPT, accesses to guest paging structures count as writes;
     * the loading of PDPTEs by MOV to CR does not. */
    bool as_write = g->kind == ACCESS_WRITE || (flags && g->structure && g->has_linear);
    unsigned access = g->kind == ACCESS_EXECUTE ? QUAL_FETCH
                      : g->kind == ACCESS_WRITE ? QUAL_WRITE
                                                : QUAL_READ;
    /* ... and the update of guest flags is both a read and a write. */
    if (g->structure && as_write)
        access = QUAL_READ | QUAL_WRITE;
    unsigned needed = g->kind == ACCESS_EXECUTE ? execute_right(c, g)
                      : g->kind == ACCESS_WRITE ? EPT_W
                                                : EPT_R;
    needed |= as_write ? EPT_W : 0;
    enum ept_result r = find(c, g, needed, &w);
    for (unsigned k = 0; k < w.depth; k++)
        tlb_depends_on(c, w.entry_pa[k]);
    if (unlikely(c->stale))
        ept_record(c, g, &w);
    if (r == EPT_MISCONFIGURED)
        return ept_exit(c, REASON_MISCONFIGURATION, g, 0);
    if (r == EPT_NOT_PRESENT)
        return violation(c, &w, g, access);
    if (!rights_ok(c, &w, g, needed) && !write_sub_page(c, &w, g, access))
        return false;
    if (!ept_verify(c, g, &w))
        return violation(c, &w, g, access | QUAL_VERIFICATION);
    if (flags && !set_flags(c, &w, g, as_write))
        return false;
    if (w.depth)
        w.dirty = !flags || as_write || w.entry[w.depth - 1] & EPT_D;
    keep(c, g, &w);
    *hpa = w.hpa;
    *page_ok = (w.rights & EPT_R ? 1 << ACCESS_READ : 0) |
               (w.rights & EPT_W && w.dirty ? 1 << ACCESS_WRITE : 0) |
               (w.rights & execute_right(c, g) ? 1 << ACCESS_EXECUTE : 0);
    return true;
}

bool vmx_translate(struct cpu *c, struct guest_physical *g, uint64_t *hpa, unsigned *page_ok)
{
    *hpa = g->address;
    *page_ok = 1 << ACCESS_READ | 1 << ACCESS_WRITE | 1 << ACCESS_EXECUTE;
    if (vmx_ept_enabled(c) && !translate(c, g, hpa, page_ok))
        return false;
    bool apic = c->vmx->proc2 & PROC2_VIRTUALIZE_APIC_ACCESSES &&
                (*hpa & PAGE_MASK) == vmcs_field(c, APIC_ACCESS_ADDR);
    return !apic || apic_page_access(c, g, hpa, page_ok);
}

bool vmx_peek(struct cpu *c, uint64_t gpa, uint64_t *hpa)
{
    struct ept_walk w;
    if (ept_walk(c, gpa, &w) != EPT_MAPPED)
        return false;
    *hpa = w.hpa;
    return true;
}

uint64_t vmx_space(struct cpu *c)
{
    const struct vmx *x = c->vmx;
    uint64_t eptp = vmcs_field(c, EPT_POINTER);
    uint64_t mode = (eptp & EPTP_AD ? SPACE_EPT_AD : 0) |
                    (eptp_levels(eptp) == 5 ? SPACE_EPT_5_LEVELS : 0);
    return (x->proc2 & PROC2_ENABLE_VPID ? vmcs_field(c, VIRTUAL_PROCESSOR_ID) << 48 : 0) |
           (x->proc2 & PROC2_ENABLE_EPT ? SPACE_EPT | (eptp & EPT_ADDRESS) >> 11 | mode : 0);
}
