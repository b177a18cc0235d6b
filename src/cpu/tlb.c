// SPDX-License-Identifier: Apache-2.0
// The software TLB: entries carry the generation of their address space, so that a flush is one
// addition.  A single page is taken out of its slots; a part of a large one takes its address
// spaces along, for the other parts stand in other slots.
#include <string.h>

#include "cpu/access.h"
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/kept.h"
#include "cpu/stale.h"
#include "cpu/trace.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"

enum { GENERATION_MASK = 0xfff };
#define TAG_NONE UINT64_C(0x8000000000000)   /* no canonical page with generation 0 of any use */

static unsigned slot_of(uint64_t linear)
{
    return (linear >> PAGE_SHIFT) & (TLB_SLOTS - 1);
}

/* Linear mappings depend on CR3 with its PCID, the paging bits of CR0, CR4 and EFER, and in VMX
 * operation on VPID, EPTRTA and HLATP (SDM vol. 3, "Information That May Be Cached").  Entries hold
 * what the protection keys allow, so they depend on PKRU and IA32_PKRS while these are in use. */
static void space_key(const struct cpu *c, uint64_t key[SPACE_KEY_WORDS])
{
    key[0] = c->cr3 & ~BIT(63);
    key[1] = (c->cr0 & (CR0_PG | CR0_WP | CR0_PE)) | (c->msr.efer & (EFER_LMA | EFER_NXE)) |
             (c->cr4 & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE |
                        CR4_PKS)) << 32 |
             (uint64_t)c->vmx_nonroot << 62;
    key[2] = c->vmx_nonroot ? c->vmx_ops->space((struct cpu *)c) : 0;
    key[3] = c->hlat ? c->hlat_root | c->hlat : 0;
    key[4] = (c->cr4 & CR4_PKE ? c->pkru : 0) | (c->cr4 & CR4_PKS ? c->msr.pkrs << 32 : 0);
}

/* ---- sets of pages ---- */

static unsigned page_hash(uint64_t linear, unsigned shift)
{
    uint64_t page = linear >> shift;
    return (unsigned)(page ^ page >> 13 ^ page >> 26 ^ shift) & (PAGE_SET_BITS - 1);
}

static bool set_has(const struct page_set *s, uint64_t linear, unsigned shift)
{
    unsigned h = page_hash(linear, shift);
    return s->word[h / 64] >> h % 64 & 1;
}

static void set_add(struct page_set *s, uint64_t linear, unsigned shift)
{
    unsigned h = page_hash(linear, shift);
    s->used += !set_has(s, linear, shift);
    s->word[h / 64] |= BIT(h % 64);
}

static void set_clear(struct page_set *s)
{
    if (s->used)
        memset(s, 0, sizeof *s);
}

/* The sizes of large pages. */
static const uint8_t large_shifts[] = { 21, 22, 30 };

static bool in_large_page(const struct cpu *c, uint64_t linear)
{
    for (unsigned k = 0; k < ARRAY_SIZE(large_shifts); k++)
        if (set_has(&c->large, linear, large_shifts[k]))
            return true;
    return false;
}

/* ---- address spaces ---- */

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

static bool has_key(const struct tlb_space *s, const uint64_t key[SPACE_KEY_WORDS])
{
    return s->key[0] == key[0] && s->key[1] == key[1] && s->key[2] == key[2] &&
           s->key[3] == key[3] && s->key[4] == key[4];
}

static void select_space(struct cpu *c)
{
    uint64_t key[SPACE_KEY_WORDS];
    space_key(c, key);
    for (unsigned k = 0; k < TLB_SPACES; k++)
        if (c->space[k].serial && has_key(&c->space[k], key)) {
            c->space_now = &c->space[k];
            use_serial(c, c->space[k].serial);
            return;
        }
    uint64_t serial = new_serial(c);
    struct tlb_space *s = &c->space[c->space_clock++ % TLB_SPACES];
    memcpy(s->key, key, sizeof s->key);
    s->serial = serial;
    s->tables = mem_table_serial(c->mem);
    s->pcid = tlb_pcid(c);
    c->space_now = s;
    use_serial(c, serial);
}

/* #AC checks and data breakpoints need to see every access. */
static bool every_access_checked(const struct cpu *c)
{
    bool alignment = c->cpl == 3 && c->cr0 & CR0_AM && c->rflags & FLAG_AC;
    bool data_breakpoint = false;
    for (unsigned k = 0; k < 4; k++)
        data_breakpoint |= c->dr[7] >> (2 * k) & 3 && c->dr[7] >> (16 + 4 * k) & 1;
    return alignment || data_breakpoint || c->stale || c->no_tlb;
}

static void choose_view(struct cpu *c)
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

static void select_view(struct cpu *c)
{
    choose_view(c);
    if (unlikely(c->trace))
        trace_view(c);
}

void cpu_privilege_changed(struct cpu *c)
{
    struct mode m = mode_of(c, c->no_tlb);
    if (unlikely(c->pmu.by_ring))
        pmu_privilege_changed(c);
    c->mode = code_intern_mode(c->code, &m);
    select_view(c);
    use_serial(c, c->jump_key >> 16);
    c->attention |= ATTENTION_BOUNDARY;
}

void cpu_mode_changed(struct cpu *c)
{
    struct mode m = mode_of(c, c->no_tlb);
    if (unlikely(c->pmu.by_ring))
        pmu_privilege_changed(c);
    c->mode = code_intern_mode(c->code, &m);
    select_view(c);
    select_space(c);
    c->attention |= ATTENTION_BOUNDARY;
}

/* ---- invalidation ---- */

uint16_t tlb_vpid(const struct cpu *c)
{
    return c->vmx_nonroot ? (uint16_t)(c->vmx_ops->space((struct cpu *)c) >> SPACE_VPID_SHIFT) : 0;
}

/* Tells those who keep translations elsewhere; they go by the letter of the invalidation, while
 * the TLB itself may lose more. */
static void tell(struct cpu *c, const struct invalidation *v)
{
    if (c->stale)
        stale_flush(c, v);
    if (c->kept)
        kept_flush(c, v);
    if (trace_wants(c, TRACE_TLB))
        trace_invalidation(c, v);
}

static void drop_all(struct cpu *c)
{
    memset(c->space, 0, sizeof c->space);
    set_clear(&c->fetched);
    set_clear(&c->large);
    select_space(c);
    c->attention |= ATTENTION_BOUNDARY;
}

void tlb_flush_all(struct cpu *c)
{
    tell(c, &(struct invalidation){ .pcid = TLB_ANY_PCID, .physical = true });
    drop_all(c);
}

static bool names(const struct invalidation *v, const struct tlb_space *s)
{
    return !((s->key[2] ^ v->key) & v->mask) && (v->pcid == TLB_ANY_PCID || s->pcid == v->pcid) &&
           !(v->spares_vpid_0 && !(s->key[2] & VPID_MASK));
}

/* Walks would give what is in it again.  PAE paging reads its PDPTEs when CR3 is loaded, which
 * nothing watches. */
static bool still_true(const struct cpu *c, const struct tlb_space *s)
{
    bool pdptes = s->key[1] & CR0_PG && s->key[1] & (uint64_t)CR4_PAE << 32 &&
                  !(s->key[1] & EFER_LMA);
    return s->tables == mem_table_serial(c->mem) && !pdptes;
}

/* Drops the spaces that the invalidation names, all or (`refreshes`) those that may have changed.
 * Sets that are filling up are emptied with everything else: they would find too much. */
static void drop_spaces(struct cpu *c, const struct invalidation *v, bool refreshes)
{
    if (c->fetched.used > PAGE_SET_BITS / 4 || c->large.used > PAGE_SET_BITS / 4) {
        drop_all(c);
        return;
    }
    for (unsigned k = 0; k < TLB_SPACES; k++) {
        struct tlb_space *s = &c->space[k];
        if (s->serial && names(v, s) && !(refreshes && still_true(c, s)))
            s->serial = 0;
    }
    select_space(c);
    c->attention |= ATTENTION_BOUNDARY;
}

static void flush_spaces(struct cpu *c, const struct invalidation *v)
{
    tell(c, v);
    drop_spaces(c, v, false);
}

static struct invalidation of_vpid(uint16_t vpid, int pcid, bool spares_globals)
{
    return (struct invalidation){ .mask = VPID_MASK,
                                  .key = (uint64_t)vpid << SPACE_VPID_SHIFT,
                                  .pcid = pcid,
                                  .spares_globals = spares_globals };
}

void tlb_flush_vpid(struct cpu *c, uint16_t vpid)
{
    struct invalidation v = of_vpid(vpid, TLB_ANY_PCID, false);
    flush_spaces(c, &v);
}

void tlb_flush_pcid(struct cpu *c, uint16_t vpid, int pcid)
{
    struct invalidation v = of_vpid(vpid, pcid, true);
    flush_spaces(c, &v);
}

/* The hostile build walks again for what stays, and does not survive a difference. */
static void check_refreshed(struct cpu *c)
{
#ifdef SP_HOSTILE
    for (unsigned v = 0; v < 2 * VIEW_COUNT && !c->kept; v++)
        for (unsigned k = 0; k < TLB_SLOTS; k++) {
            const struct tlb_entry *t = &c->tlb[v][k];
            enum page_kind kind;
            uint64_t linear = t->tag & PAGE_MASK, pa;
            if ((t->tag & GENERATION_MASK) == c->tlb_generation &&
                (!linear_peek(c, linear, &pa) ||
                 (uintptr_t)mem_page(c->mem, pa, &kind) != linear + t->addend))
                __builtin_trap();
        }
#else
    (void)c;
#endif
}

void tlb_refresh(struct cpu *c, uint16_t vpid, int pcid)
{
    struct invalidation v = of_vpid(vpid, pcid, pcid != TLB_ANY_PCID);
    tell(c, &v);
    drop_spaces(c, &v, !c->kept);
    check_refreshed(c);
}

void tlb_flush_all_vpids(struct cpu *c)
{
    flush_spaces(c, &(struct invalidation){ .pcid = TLB_ANY_PCID, .spares_vpid_0 = true });
}

void tlb_flush_ept(struct cpu *c, uint64_t eptp)
{
    uint64_t root = (eptp >> 11 & SPACE_EPTRTA) | SPACE_EPT;
    flush_spaces(c, &(struct invalidation){ .mask = SPACE_EPT | SPACE_EPTRTA, .key = root,
                                            .pcid = TLB_ANY_PCID, .physical = true });
}

void tlb_flush_all_ept(struct cpu *c)
{
    flush_spaces(c, &(struct invalidation){ .mask = SPACE_EPT, .key = SPACE_EPT,
                                            .pcid = TLB_ANY_PCID, .physical = true });
}

/* Code of the page: what fetches and jumps know of it. */
static void forget_fetches(struct cpu *c, uint64_t linear)
{
    for (unsigned k = 0; k < ARRAY_SIZE(c->fetch); k++)
        if (((c->fetch[k][slot_of(linear)].tag ^ linear) & PAGE_MASK) == 0)
            c->fetch[k][slot_of(linear)].tag = TAG_NONE;
    for (unsigned k = 0; k < JUMP_SLOTS; k++)
        if (((c->jump[k].rip ^ linear) & PAGE_MASK) == 0)
            c->jump[k].key = ~UINT64_C(0);
    c->attention |= ATTENTION_BOUNDARY;
}

/* One page of those that the invalidation names; the TLB loses it for all VPIDs and PCIDs. */
static void flush_page(struct cpu *c, struct invalidation v, uint64_t linear)
{
    v.one_page = true;
    v.linear = linear;
    tell(c, &v);
    if (in_large_page(c, linear)) {
        v.pcid = TLB_ANY_PCID;
        drop_spaces(c, &v, false);
        return;
    }
    for (unsigned k = 0; k < 2 * VIEW_COUNT; k++) {
        struct tlb_entry *t = &c->tlb[k][slot_of(linear)];
        if (((t->tag ^ linear) & PAGE_MASK) == 0)
            t->tag = TAG_NONE;
    }
    if (set_has(&c->fetched, linear, PAGE_SHIFT))
        forget_fetches(c, linear);
}

void tlb_flush_page(struct cpu *c, uint16_t vpid, uint64_t linear)
{
    flush_page(c, of_vpid(vpid, TLB_ANY_PCID, false), linear);
}

void tlb_flush_linear(struct cpu *c, uint64_t linear)
{
    flush_page(c, of_vpid(tlb_vpid(c), tlb_pcid(c), false), linear);
}

void tlb_flush_page_pcid(struct cpu *c, uint16_t pcid, uint64_t linear)
{
    flush_page(c, of_vpid(tlb_vpid(c), pcid, true), linear);
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

void tlb_watch_table(struct cpu *c, uint64_t pa)
{
    enum page_kind kind;
    bool fresh;
    if (!mem_watch_table(c->mem, pa, &fresh))
        c->space_now->tables = NO_TABLES;
    for (unsigned k = 0; fresh && k < c->code->cpus; k++)
        tlb_forget_writes(c->code->cpu[k], mem_page(c->mem, pa, &kind));
}

/* Where else than in its slot an invalidation has to look for this translation. */
static void remember(struct cpu *c, uint64_t linear, uint64_t page_mask, enum access_kind kind)
{
    if (kind == ACCESS_EXECUTE)
        set_add(&c->fetched, linear, PAGE_SHIFT);
    if (page_mask >= PAGE_SIZE)
        set_add(&c->large, linear, (unsigned)__builtin_popcountll(page_mask));
}

static struct tlb_entry *entries(struct cpu *c, enum access_kind kind)
{
    return c->view == VIEW_NONE ? c->tlb[2 * VIEW_COUNT]
                                : c->tlb[(kind == ACCESS_WRITE ? VIEW_COUNT : 0) + c->view];
}

void tlb_fill(struct cpu *c, uint64_t linear, uint64_t page_mask, uint64_t pa,
              enum access_kind kind)
{
    linear &= PAGE_MASK;
    struct tlb_entry entry = { .tag = linear | c->tlb_generation };
    if (c->stale || c->no_tlb)
        return;
    remember(c, linear, page_mask, kind);
    if (kind == ACCESS_EXECUTE) {
        entry.addend = (pa & PAGE_MASK) - linear;
        c->fetch[c->cpl == 3][slot_of(linear)] = entry;
        return;
    }
    enum page_kind page_kind;
    uint8_t *page = mem_page(c->mem, pa, &page_kind);
    if (c->view == VIEW_NONE || !page)
        return;
    if (kind == ACCESS_WRITE && (page_kind != PAGE_RAM || mem_watches_writes(c->mem, pa)))
        return;
    entry.addend = (uintptr_t)page - linear;
    entries(c, kind)[slot_of(linear)] = entry;
    if (unlikely(c->trace))
        trace_fill(c, kind, linear, pa);
}

void tlb_fill_spare(struct cpu *c, uint64_t linear, uint64_t page_mask, uint64_t pa,
                    enum access_kind kind)
{
    const struct tlb_entry *t = entries(c, kind);
    if ((t[slot_of(linear)].tag & GENERATION_MASK) != c->tlb_generation)
        tlb_fill(c, linear, page_mask, pa, kind);
}

void tlb_restart(struct cpu *c)
{
    if (c->stale)
        stale_restart(c->stale);
    if (c->kept)
        kept_flush(c, &(struct invalidation){ .pcid = TLB_ANY_PCID, .physical = true });
    memset(c->space, 0, sizeof c->space);
    c->space_clock = 0;
    c->space_serial = 0;
    set_clear(&c->fetched);
    set_clear(&c->large);
    cpu_mode_changed(c);
}
