// SPDX-License-Identifier: Apache-2.0
// The guests' translations: what they inserted stays here, and goes into the machine's when it is
// missed there.
#include "vmm.h"

enum { CR_PTA = 8, CR_IFA = 20, CR_ITIR = 21, CR_IHA = 25 };
#define OFFSET ((1ul << 61) - 1)
#define PPN 0x3fffffffff000ul
#define TAG_INVALID (1ul << 63)
#define PTA_VF 0x100
#define PTE_IDENTITY 0x661 // present, accessed, dirty, cacheable; read, write, execute at level 0

static u64 vhpt[1 << (VHPT_LOG2 - 3)] __attribute__((aligned(1 << VHPT_LOG2)));

static u64 size_of(u64 itir) { return 1ul << (itir >> 2 & 63); }
static u64 rid_of(struct vcpu *v, u64 va) { return v->rr[va >> 61] >> 8 & 0xffffff; }
static int covers(struct vcpu *v, const struct translation *t, u64 va)
{
    return t->valid && t->rid == rid_of(v, va) &&
           !(((t->va ^ va) & OFFSET) & ~(size_of(t->itir) - 1));
}

// side: 0 instructions, 1 data.
const struct translation *tlb_find(struct vcpu *v, int side, u64 va)
{
    for (unsigned k = 0; k < GUEST_TR; k++)
        if (covers(v, &v->tr[side][k], va))
            return &v->tr[side][k];
    for (unsigned k = 0; k < GUEST_TC; k++)
        if (covers(v, &v->tc[side][k], va))
            return &v->tc[side][k];
    return 0;
}

void tlb_flush_machine(void)
{
    for (unsigned k = 0; k < sizeof vhpt / sizeof *vhpt; k += 4)
        vhpt[k + 2] = TAG_INVALID;
    __asm__ volatile("ptc.e %0 ;; srlz.i ;; srlz.d" ::"r"(0ul) : "memory");
}

static void forget(struct translation *t, u64 va, u64 rid, u64 size)
{
    u64 own = t->valid ? size_of(t->itir) : 0, first = t->va & OFFSET & ~(own - 1);
    va &= OFFSET & ~(size - 1);
    if (own && t->rid == rid && first < va + size && va < first + own)
        t->valid = 0;
}
static void forget_all(struct vcpu *v, int side, u64 va, u64 size, int registers)
{
    for (unsigned k = 0; k < GUEST_TC; k++)
        forget(&v->tc[side][k], va, rid_of(v, va), size);
    for (unsigned k = 0; registers && k < GUEST_TR; k++)
        forget(&v->tr[side][k], va, rid_of(v, va), size);
}

static void keep(struct vcpu *v, int side, int slot, u64 va, u64 pte, u64 itir)
{
    struct translation *t = slot < 0 ? &v->tc[side][v->next_tc++ % GUEST_TC] : &v->tr[side][slot];
    forget_all(v, side, va, size_of(itir), 0);
    *t = (struct translation){ va, rid_of(v, va), pte, itir, 1 };
    tlb_flush_machine();
}
void tlb_insert(struct vcpu *v, int side, int slot, u64 pte)
{
    keep(v, side, slot, *vcr(v, CR_IFA), pte, *vcr(v, CR_ITIR));
}
void tlb_purge(struct vcpu *v, int side, u64 va, u64 itir, int registers)
{
    forget_all(v, side, va, size_of(itir), registers);
    __asm__ volatile("ptc.l %0, %1 ;; srlz.i ;; srlz.d" ::"r"(va), "r"(itir & 0xfc) : "memory");
    tlb_flush_machine();
}
void tlb_purge_all(struct vcpu *v)
{
    for (unsigned side = 0; side < 2; side++)
        for (unsigned k = 0; k < GUEST_TC; k++)
            v->tc[side][k].valid = 0;
    tlb_flush_machine();
}

// ---- into the machine ----

// The hypervisor's own long table, which the processor walks for the guest of a KVM-like one.
void tlb_walk_machine(int on)
{
    u64 own = (u64)vhpt | VHPT_LOG2 << 2 | PTA_VF | 1;
    write_pta(on ? own : 15 << 2);
}
static void put_vhpt(u64 va, u64 pte, u64 itir)
{
    u64 *entry, tag;
    __asm__ volatile("thash %0 = %2 ;; ttag %1 = %2" : "=&r"(entry), "=r"(tag) : "r"(va));
    entry[2] = TAG_INVALID;
    entry[0] = pte;
    entry[1] = itir;
    entry[2] = tag;
}

static void insert_machine(struct vcpu *v, int side, u64 va, u64 pte, u64 itir)
{
    u64 size = size_of(itir), gpa = pte & PPN & ~(size - 1);
    if (gpa + size > GUEST_SIZE)
        die(v, "a translation to where the guest has no memory");
    pte = (pte & ~PPN) | (v->base + gpa);
    itir &= 0xfffffffc;
    __asm__ volatile("mov cr.ifa = %0 ;; mov cr.itir = %1" ::"r"(va), "r"(itir) : "memory");
    if (side)
        __asm__ volatile("itc.d %0 ;; srlz.d" ::"r"(pte) : "memory");
    else
        __asm__ volatile("itc.i %0 ;; srlz.i" ::"r"(pte) : "memory");
    u64 rr;
    __asm__ volatile("mov %0 = rr[%1]" : "=r"(rr) : "r"(va));
    if (v->mode & MODE_KVM && pte & 1 && size >= size_of(rr))
        put_vhpt(va, pte, itir);
}

// ---- the guest's own table ----

u64 guest_thash(struct vcpu *v, u64 va)
{
    u64 pta = *vcr(v, CR_PTA), window = size_of(pta) - 1, base = pta & ~0x7ffful & ~window;
    u64 page = (va & OFFSET) >> (v->rr[va >> 61] >> 2 & 63);
    if (!(pta & PTA_VF))
        return (va & ~OFFSET) | ((base | (page << 3 & window)) & OFFSET);
    if (v->mode & MODE_KVM)
        return service(v, VPS_THASH, va, v->rr[va >> 61]);
    return base | ((page ^ rid_of(v, va)) << 5 & window);
}
u64 guest_ttag(struct vcpu *v, u64 va)
{
    if (v->mode & MODE_KVM && *vcr(v, CR_PTA) & PTA_VF)
        return service(v, VPS_TTAG, va, v->rr[va >> 61]);
    return (va & OFFSET) >> (v->rr[va >> 61] >> 2 & 63) ^ rid_of(v, va) << 39;
}

// Guest memory by guest-physical address.  The translation is pinned only while it is looked at.
static void read_guest(struct vcpu *v, u64 gpa, u64 *words, unsigned n)
{
    u64 page = VMM_OFFSET + v->base;
    pin(TR_VPD + 1, page, v->base | PTE_IDENTITY, VMM_PAGE_LOG2 << 2);
    for (unsigned k = 0; k < n; k++)
        words[k] = *(volatile u64 *)(page + gpa + 8 * k);
    unpin(page, VMM_PAGE_LOG2 << 2);
}

enum { WALK_FOUND, WALK_NOTHING, WALK_NO_TABLE };
static int walk(struct vcpu *v, u64 va, u64 *pte, u64 *itir)
{
    u64 at = guest_thash(v, va), words[3];
    const struct translation *table = tlb_find(v, 1, at);
    if (!table)
        return WALK_NO_TABLE;
    u64 size = size_of(table->itir);
    read_guest(v, (table->pte & PPN & ~(size - 1)) | (at & (size - 1)), words, 3);
    *pte = words[0];
    *itir = v->rr[va >> 61] & 0xfffffffc;
    if (*vcr(v, CR_PTA) & PTA_VF) {
        *itir = words[1];
        if (words[2] != guest_ttag(v, va))
            return WALK_NOTHING;
    }
    return *pte & 1 ? WALK_FOUND : WALK_NOTHING;
}

// ---- misses ----

static void inject_miss(struct vcpu *v, int side, u64 va, u64 vector)
{
    if (!(*vpsr(v) & PSR_IC)) {
        if (!side)
            die(v, "a fetch missed with PSR.ic = 0");
        u64 isr = *vcr(v, 17);
        inject(v, 0x1400, 0);
        *vcr(v, 17) = isr;
        return;
    }
    *vcr(v, CR_IFA) = va;
    *vcr(v, CR_ITIR) = v->rr[va >> 61] & 0xfffffffc;
    *vcr(v, CR_IHA) = guest_thash(v, va);
    inject(v, vector, v->isr);
}

// The processor missed a translation of va: the guest has it, or gets the fault.
void tlb_miss(struct vcpu *v, int side)
{
    u64 va = side ? v->ifa : v->ifa & ~15ul, pte, itir;
    u64 needs = side ? PSR_DT : PSR_IT;
    if (v->isr >> 37 & 1)
        needs = PSR_RT; // a reference of the register stack engine
    if (!(*vpsr(v) & needs)) {
        u64 uncacheable = va >> 63 ? 4 << 2 : 0;
        insert_machine(v, side, va, (va & OFFSET & PPN & ~0x3ffful) | PTE_IDENTITY | uncacheable,
                       14 << 2);
        return;
    }
    const struct translation *t = tlb_find(v, side, va);
    if (t) {
        insert_machine(v, side, va, t->pte, t->itir);
        return;
    }
    if (!(*vcr(v, CR_PTA) & v->rr[va >> 61] & 1)) {
        inject_miss(v, side, va, side ? 0x1000 : 0x0c00);
        return;
    }
    switch (walk(v, va, &pte, &itir)) {
    case WALK_NO_TABLE: inject_miss(v, side, va, 0x0000); break;
    case WALK_NOTHING: inject_miss(v, side, va, side ? 0x0800 : 0x0400); break;
    default: keep(v, side, -1, va, pte, itir); insert_machine(v, side, va, pte, itir);
    }
}
