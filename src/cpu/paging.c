// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, chapter "Paging": 32-bit, PAE and 4-level paging, with exact faults and accessed and
// dirty flags; for guests also HLAT paging.  Guest-physical addresses of paging structures and of
// the final page go through one function.
#include "cpu/access.h"
#include "cpu/cpu.h"
#include "cpu/kept.h"
#include "cpu/memory_type.h"
#include "cpu/stale.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"

enum {
    PTE_P = 1 << 0,
    PTE_W = 1 << 1,
    PTE_U = 1 << 2,
    PTE_A = 1 << 5,
    PTE_D = 1 << 6,
    PTE_PS = 1 << 7,
    PTE_G = 1 << 8,
    PTE_RESTART = 1 << 11, /* HLAT paging only */
};
#define PTE_NX BIT(63)
#define PTE_KEY (UINT64_C(15) << 59)
enum {
    PF_P = 1 << 0,
    PF_W = 1 << 1,
    PF_U = 1 << 2,
    PF_RSVD = 1 << 3,
    PF_I = 1 << 4,
    PF_PK = 1 << 5,
    PF_SS = 1 << 6,
    PF_HLAT = 1 << 7,
};

struct access {
    uint64_t linear;
    enum access_kind kind;
    bool user, implicit;
    bool shadow;              /* a shadow-stack access                                        */
    bool peek;                /* no faults, no exits, no accessed and dirty flags */
    bool user_page;           /* out: no paging structure makes it a supervisor page          */
    bool writable_page;       /* out: nor a read-only one                                     */
    bool no_execute_page;     /* out: one of them forbids fetches                             */
    bool global;              /* out: a global page                                           */
    bool unverified;          /* see struct guest_physical                                    */
    bool restarted;           /* HLAT paging asked for ordinary paging                        */
    bool refused;             /* out: the walk led to a page, whose rights forbid the access  */
    uint64_t rights;          /* out: W, U, NX and protection key of the page                 */
    uint64_t page_mask;       /* out: offset bits of the linear page                          */
    unsigned page_ok;         /* out: accesses to the whole page that may be cached (1 << kind) */
    bool writable;            /* out: a write would succeed, too, and set no flag              */
    uint64_t guest_physical;  /* out: the address before second-stage translation              */
    unsigned pat_entry;       /* out, if `peek`: that the page selects                          */
    bool dirty;               /* out: the dirty flag is set                                    */
};

/* What the walk found: the leaf, and the rights of all levels together. */
struct walk {
    uint64_t entry[4];        /* entries read, from the root down                 */
    uint64_t entry_pa[4];     /* their host-physical addresses                    */
    uint64_t entry_gpa[4];
    unsigned depth;           /* entries read                                     */
    unsigned entry_size;      /* 4 or 8                                           */
    uint64_t rights;          /* AND of W and U, OR of NX                         */
    uint64_t page_mask;       /* low bits that come from the linear address       */
    uint32_t restart;         /* PTE_RESTART in HLAT paging, else 0               */
    bool large;
};

static bool page_fault(struct cpu *c, const struct access *a, uint32_t cause)
{
    if (a->peek)
        return false;
    bool fetch = a->kind == ACCESS_EXECUTE &&
                 ((c->cr4 & CR4_PAE && c->msr.efer & EFER_NXE) || c->cr4 & CR4_SMEP);
    tlb_flush_linear(c, a->linear); /* SDM, "Operations that Invalidate TLBs ..." */
    cpu_raise_code(c, EXC_PF, cause | (a->kind == ACCESS_WRITE ? PF_W : 0) | (a->user ? PF_U : 0) |
                          (fetch ? PF_I : 0) | (a->shadow ? PF_SS : 0));
    c->event.address = a->linear;
    return false;
}

/* Second-stage translation of one guest-physical address, in non-root operation or with the A20
 * gate closed. */
static bool second_stage_slow(struct cpu *c, struct access *a, uint64_t gpa, enum access_kind kind,
                              bool structure, uint64_t *hpa)
{
    if (c->a20_closed && !c->vmx_root && !c->vmx_nonroot)
        *hpa &= ~BIT(20);
    if (!c->vmx_nonroot)
        return true;
    if (a->peek)
        return !c->vmx_ops->ept_enabled(c) || c->vmx_ops->peek(c, gpa, hpa);
    struct guest_physical g = {
        .address = gpa,
        .kind = kind,
        .structure = structure,
        .has_linear = true,
        .user_page = a->user_page,
        .writable_page = a->writable_page,
        .no_execute_page = a->no_execute_page,
        .unverified = a->unverified,
        .linear = a->linear,
        .shadow_stack = a->shadow && !structure,
        .user_access = a->user,
    };
    bool ok = c->vmx_ops->translate(c, &g, hpa, &a->page_ok);
    a->unverified = g.unverified;
    return ok;
}

static inline bool second_stage(struct cpu *c, struct access *a, uint64_t gpa,
                                enum access_kind kind, bool structure, uint64_t *hpa)
{
    *hpa = gpa;
    a->page_ok = 7;
    return likely(!c->vmx_nonroot && !c->a20_closed) ||
           second_stage_slow(c, a, gpa, kind, structure, hpa);
}

static uint64_t physical_reserved(const struct cpu *c)
{
    return ~(BIT(c->physical_bits) - 1) & (BIT(52) - 1);
}

/* Reserved bits of a PAE or 4-level entry at `level` (1 = page table). */
static uint64_t reserved_bits(const struct cpu *c, unsigned level, uint64_t entry)
{
    uint64_t r = physical_reserved(c);
    if (!(c->msr.efer & EFER_NXE))
        r |= PTE_NX;
    if (!in_long_mode(c))
        r |= bits(~UINT64_C(0), 62, 52) << 52;
    if (level == 4 || (level == 3 && !cpu_has(c, FEAT_PAGE1GB)))
        r |= PTE_PS;
    else if (level > 1 && entry & PTE_PS)
        r |= (level == 3 ? UINT64_C(0x3fffe000) : UINT64_C(0x1fe000));
    return r;
}

static bool read_entry(struct cpu *c, struct access *a, struct walk *w, uint64_t gpa,
                       uint64_t *entry)
{
    uint64_t hpa;
    if (!second_stage(c, a, gpa, ACCESS_READ, true, &hpa))
        return false;
    *entry = mem_read_le(c->mem, hpa, w->entry_size);
    if (!a->peek)
        tlb_depends_on(c, hpa);
    if (unlikely(c->stale) && !a->peek)
        stale_entry_read(c, hpa, *entry, w->entry_size, false);
    w->entry[w->depth] = *entry;
    w->entry_gpa[w->depth] = gpa;
    w->entry_pa[w->depth++] = hpa;
    return true;
}

/* PAE and 4-level paging from `table` at `level` down.  False with w->page_mask: HLAT paging is to
 * be restarted. */
static bool walk_long(struct cpu *c, struct access *a, struct walk *w, uint64_t table,
                      unsigned level)
{
    for (;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t entry;
        if (!read_entry(c, a, w, table + (a->linear >> shift & 0x1ff) * 8, &entry))
            return false;
        if (!(entry & PTE_P))
            return page_fault(c, a, w->restart ? PF_HLAT : 0);
        uint64_t reserved = reserved_bits(c, level, entry);
        if (unlikely(entry & (reserved | w->restart))) {
            if (entry & reserved) /* whether or not a restart is asked for */
                return page_fault(c, a, PF_P | PF_RSVD | (w->restart ? PF_HLAT : 0));
            w->page_mask = BIT(shift) - 1;
            return false;
        }
        w->rights = (w->rights & (entry | ~(uint64_t)(PTE_W | PTE_U))) | (entry & PTE_NX);
        table = entry & bits(~UINT64_C(0), 51, 12) << 12;
        if (level == 1 || (entry & PTE_PS && level < 4)) {
            w->page_mask = BIT(shift) - 1;
            w->large = level > 1;
            return true;
        }
    }
}

static bool walk_32(struct cpu *c, struct access *a, struct walk *w)
{
    uint64_t entry;
    w->entry_size = 4;
    if (!read_entry(c, a, w, (c->cr3 & 0xfffff000) + (a->linear >> 22 & 0x3ff) * 4, &entry))
        return false;
    if (!(entry & PTE_P))
        return page_fault(c, a, 0);
    if (entry & PTE_PS && c->cr4 & CR4_PSE) {
    /* PSE-36: bits 20:13 are physical bits 39:32; bit 21 and those above the width are reserved. */
        uint64_t high = bits(entry, 20, 13) << 32;
        if (entry & BIT(21) || high & physical_reserved(c))
            return page_fault(c, a, PF_P | PF_RSVD);
        w->rights &= entry | ~(uint64_t)(PTE_W | PTE_U);
        w->entry[0] = (entry & 0x1fff) | (entry & 0xffc00000) | high; /* bit 12 is PAT */
        w->page_mask = BIT(22) - 1;
        w->large = true;
        return true;
    }
    w->rights &= entry | ~(uint64_t)(PTE_W | PTE_U);
    if (!read_entry(c, a, w, (entry & 0xfffff000) + (a->linear >> 12 & 0x3ff) * 4, &entry))
        return false;
    if (!(entry & PTE_P))
        return page_fault(c, a, 0);
    w->rights &= entry | ~(uint64_t)(PTE_W | PTE_U);
    w->page_mask = 0xfff;
    return true;
}

static bool walk(struct cpu *c, struct access *a, struct walk *w)
{
    w->entry_size = 8;
    w->rights = PTE_W | PTE_U;
    if (in_long_mode(c)) { /* SDM vol. 3, "Ordinary Paging and HLAT Paging" */
        uint64_t table = c->cr3 & bits(~UINT64_C(0), 51, 12) << 12;
        if (unlikely(uses_hlat(c, a->linear)) && !a->restarted) {
            w->restart = PTE_RESTART;
            table = c->hlat_root;
        }
        return walk_long(c, a, w, table, 4);
    }
    if (!(c->cr4 & CR4_PAE))
        return walk_32(c, a, w);
    uint64_t pdpte = c->pdpte[a->linear >> 30 & 3];
    if (!(pdpte & PTE_P))
        return page_fault(c, a, 0);
    return walk_long(c, a, w, pdpte & bits(~UINT64_C(0), 51, 12) << 12, 2);
}

/* SDM vol. 3, "Determination of Access Rights". */
static bool rights_ok(const struct cpu *c, const struct access *a, uint64_t rights)
{
    bool user_page = rights & PTE_U, writable = rights & PTE_W;
    if (a->user)
        return user_page && (a->kind != ACCESS_WRITE || writable) &&
               (a->kind != ACCESS_EXECUTE || !(rights & PTE_NX));
    if (a->kind == ACCESS_EXECUTE)
        return !(rights & PTE_NX) && !(user_page && c->cr4 & CR4_SMEP);
    if (user_page && c->cr4 & CR4_SMAP && (a->implicit || !(c->rflags & FLAG_AC)))
        return false;
    return a->kind != ACCESS_WRITE || writable || !(c->cr0 & CR0_WP);
}

unsigned key_rights(const struct cpu *c, uint64_t leaf, bool user_page)
{
    if (likely(!(c->cr4 & (user_page ? CR4_PKE : CR4_PKS))) || !in_long_mode(c))
        return 0;
    return (unsigned)((user_page ? c->pkru : c->msr.pkrs) >> (2 * bits(leaf, 62, 59)) & 3);
}

/* Fetches need no right of the key; writes by supervisors do with CR0.WP.  `rights` are those of all
 * levels, and the page's key. */
static bool key_forbids(const struct cpu *c, const struct access *a, uint64_t rights)
{
    unsigned key = key_rights(c, rights, rights & PTE_U);
    if (likely(!key) || a->kind == ACCESS_EXECUTE)
        return false;
    bool writes = a->kind == ACCESS_WRITE && (a->user || c->cr0 & CR0_WP);
    return key & KEY_ACCESS_DISABLE || (writes && key & KEY_WRITE_DISABLE);
}

/* A shadow-stack page: its last entry has W = 0 and D = 1, the others W = 1.  Shadow-stack accesses
 * go nowhere else, and each mode has its own. */
static bool shadow_rights_ok(const struct access *a, const struct walk *w)
{
    unsigned leaf = w->depth - 1;
    bool upper = true;
    for (unsigned k = 0; k < leaf; k++)
        upper &= (w->entry[k] & PTE_W) != 0;
    return upper && (w->entry[leaf] & (PTE_W | PTE_D)) == PTE_D &&
           a->user == ((w->rights & PTE_U) != 0);
}

static bool access_ok(const struct cpu *c, const struct access *a, uint64_t rights)
{
    return rights_ok(c, a, rights) && !key_forbids(c, a, rights);
}

static bool shadow_access_ok(const struct cpu *c, const struct access *a, const struct walk *w)
{
    return shadow_rights_ok(a, w) && !key_forbids(c, a, a->rights);
}

/* The error code tells of the key whatever else forbids the access. */
static bool access_fault(struct cpu *c, const struct access *a, uint64_t rights)
{
    return page_fault(c, a, PF_P | (key_forbids(c, a, rights) ? PF_PK : 0));
}

static bool set_entry_flags(struct cpu *c, struct access *a, uint64_t gpa, uint64_t flags)
{
    uint64_t hpa;
    if (!second_stage(c, a, gpa, ACCESS_WRITE, true, &hpa))
        return false;
    mem_set_flags(c->mem, hpa, (uint8_t)flags);
    return true;
}

/* Sets accessed flags on the way down, and the dirty flag of the leaf for a write. */
static bool set_flags(struct cpu *c, struct access *a, struct walk *w)
{
    for (unsigned k = 0; k < w->depth; k++) {
        uint64_t want = PTE_A | (k == w->depth - 1 && a->kind == ACCESS_WRITE ? PTE_D : 0);
        if ((w->entry[k] & want) != want && !set_entry_flags(c, a, w->entry_gpa[k], want))
            return false;
    }
    return true;
}

static bool translate(struct cpu *c, struct access *a, uint64_t *pa);

/* SDM vol. 3, "Restart of HLAT Paging": the whole linear address is translated again, by ordinary
 * paging and with its access rights alone.  The entries that led here count as accessed; the level
 * of the last one limits the size of the page that may be cached. */
static bool restart(struct cpu *c, struct access *a, const struct walk *w, uint64_t *pa)
{
    for (unsigned k = 0; k < w->depth && !a->peek; k++)
        if (!(w->entry[k] & PTE_A) && !set_entry_flags(c, a, w->entry_gpa[k], PTE_A))
            return false;
    a->unverified = false;
    a->restarted = true;
    if (!translate(c, a, pa))
        return false;
    a->page_mask &= w->page_mask;
    return true;
}

static bool translate(struct cpu *c, struct access *a, uint64_t *pa)
{
    struct walk w = { .depth = 0 };
    uint64_t gpa = a->linear;
    a->user_page = a->writable_page = true;
    if (c->cr0 & CR0_PG) {
        if (!walk(c, a, &w))
            return unlikely(w.restart && w.page_mask) && restart(c, a, &w, pa);
        a->rights = w.rights | (w.entry[w.depth - 1] & PTE_KEY);
        a->refused = !a->peek && !(a->shadow ? shadow_access_ok(c, a, &w)
                                             : access_ok(c, a, a->rights));
        if (a->refused)
            return access_fault(c, a, a->rights);
        if (!a->peek && !set_flags(c, a, &w))
            return false;
        a->writable =
            a->kind == ACCESS_READ && !c->vmx_nonroot && w.entry[w.depth - 1] & PTE_D &&
            access_ok(c, &(struct access){ .kind = ACCESS_WRITE, .user = a->user }, a->rights);
        uint64_t frame = w.entry[w.depth - 1] & bits(~UINT64_C(0), 51, 12) << 12;
        gpa = (frame & ~w.page_mask) | (a->linear & w.page_mask);
        a->page_mask = w.page_mask;
        a->dirty = a->kind == ACCESS_WRITE || w.entry[w.depth - 1] & PTE_D;
        a->global = c->cr4 & CR4_PGE && w.entry[w.depth - 1] & PTE_G;
        a->user_page = w.rights & PTE_U;
        a->writable_page = w.rights & PTE_W;
        a->no_execute_page = w.rights & PTE_NX;
        if (a->peek)
            a->pat_entry = pat_entry(w.entry[w.depth - 1], w.large);
    }
    a->guest_physical = gpa;
    return second_stage(c, a, gpa, a->kind, false, pa);
}

/* With --strict tlb: nothing is cached, every translation is compared with the one on record. */
static bool translate_strictly(struct cpu *c, struct access *a, uint64_t *pa)
{
    stale_begin(c, a->linear, a->kind);
    if (!translate(c, a, pa)) {
        if (a->refused)
            stale_refused(c, a->rights);
        else
            stale_failed(c);
        return false;
    }
    if (a->page_ok >> a->kind & 1)
        stale_translated(c, a->page_mask, a->global, a->rights, *pa);
    return true;
}

/* With -tlb sticky: the mapping that is kept for the page decides, as it was when it was made.  A
 * fault that only its rights cause is spurious, and takes it.  False: there is none, or the access
 * has to set a dirty flag or needs more of EPT than is known: it is translated afresh, as a
 * processor may always do. */
static bool translate_by_kept(struct cpu *c, struct access *a, uint64_t *pa, bool *ok)
{
    const struct kept_page *k = c->cr0 & CR0_PG ? kept_linear(c, a->linear) : NULL;
    if (!k || !(k->accesses >> a->kind & 1))
        return false;
    *ok = access_ok(c, a, k->rights);
    if (!*ok) {
        access_fault(c, a, k->rights);
        return true;
    }
    if (a->kind == ACCESS_WRITE && !k->dirty)
        return false;
    a->page_mask = k->of.page_mask;
    a->page_ok = k->accesses;
    *pa = k->pa | (a->linear & ~PAGE_MASK);
    return true;
}

static bool translate_sticky(struct cpu *c, struct access *a, uint64_t *pa)
{
    bool ok;
    if (translate_by_kept(c, a, pa, &ok))
        return ok;
    if (!translate(c, a, pa))
        return false;
    if (c->cr0 & CR0_PG && a->page_ok >> a->kind & 1)
        kept_add_linear(c, &(struct kept_page){
            .of = { .page = a->linear, .page_mask = a->page_mask, .global = a->global },
            .pa = *pa & PAGE_MASK,
            .rights = a->rights,
            .dirty = a->dirty,
            .accesses = (uint8_t)a->page_ok,
        });
    return true;
}

bool linear_translate(struct cpu *c, uint64_t linear, enum access_kind kind, bool user,
                      bool implicit, uint64_t *pa)
{
    struct access a = { .linear = linear, .kind = kind, .user = user, .implicit = implicit };
    if (unlikely(c->stale))
        return translate_strictly(c, &a, pa);
    if (!(unlikely(c->kept) ? translate_sticky(c, &a, pa) : translate(c, &a, pa)))
        return false;
    if (implicit || !(a.page_ok >> kind & 1))
        return true;
    tlb_fill(c, linear, a.page_mask, *pa, kind);
    if (kind == ACCESS_WRITE && a.page_ok & 1 << ACCESS_READ) /* what can be written can be read */
        tlb_fill_spare(c, linear, a.page_mask, *pa, ACCESS_READ);
    else if (a.writable)
        tlb_fill_spare(c, linear, a.page_mask, *pa, ACCESS_WRITE);
    return true;
}

bool shadow_translate(struct cpu *c, uint64_t linear, enum access_kind kind, bool user,
                      uint64_t *pa)
{
    struct access a = { .linear = linear, .kind = kind, .user = user, .shadow = true };
    return unlikely(c->stale) ? translate_strictly(c, &a, pa) : translate(c, &a, pa);
}

bool linear_peek_page(struct cpu *c, uint64_t linear, struct linear_page *p)
{
    struct access a = { .linear = linear, .kind = ACCESS_READ, .peek = true };
    if (!translate(c, &a, &p->physical))
        return false;
    p->guest_physical = a.guest_physical;
    p->pat_entry = a.pat_entry;
    return true;
}

bool linear_peek(struct cpu *c, uint64_t linear, uint64_t *pa)
{
    struct linear_page p;
    bool mapped = linear_peek_page(c, linear, &p);
    if (mapped)
        *pa = p.physical;
    return mapped;
}

bool fetch_translate(struct cpu *c, uint64_t linear, uint64_t *pa)
{
    const struct tlb_entry *t = &c->fetch[c->cpl == 3][(linear >> PAGE_SHIFT) & (TLB_SLOTS - 1)];
    if (t->tag == ((linear & PAGE_MASK) | c->tlb_generation)) {
        *pa = linear + t->addend;
        return true;
    }
    return linear_translate(c, linear, ACCESS_EXECUTE, c->cpl == 3, false, pa);
}
