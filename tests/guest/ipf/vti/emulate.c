// SPDX-License-Identifier: Apache-2.0
// What the hypervisor does with what its guests may not do themselves: instructions that raise the
// Virtualization fault, and faults that are the guest's own.
#include "vmm.h"

enum {
    CR_DCR = 0,
    CR_ITM = 1,
    CR_IVA = 2,
    CR_PTA = 8,
    CR_IPSR = 16,
    CR_ISR = 17,
    CR_IIP = 19,
    CR_IFA = 20,
    CR_ITIR = 21,
    CR_IIPA = 22,
    CR_IFS = 23,
    CR_IIM = 24,
    CR_IHA = 25,
    CR_LID = 64,
    CR_IVR = 65,
    CR_TPR = 66,
    CR_EOI = 67,
    CR_IRR0 = 68,
    CR_ITV = 72,
    CR_LRR0 = 80
};
#define IFS_V (1ul << 63)
#define ISR_NA (1ul << 35)
#define ISR_NI (1ul << 39)
#define ISR_EI (3ul << 41)
#define ILLEGAL_OPERATION 0x00
#define RESERVED 0x30
// Bits of PSR that the processor keeps for the guest in its own: user mask, dfl, dfh, sp, pp, di,
// db, lp, tb; and what an instruction may be resumed with.
#define LIVE_LOW 0x077c003eul
#define LIVE_HIGH 0x00002fcb00000000ul // cpl, mc, id, da, dd, ss, ri, ed, ia
#define LIVE (LIVE_LOW | LIVE_HIGH)

// ---- registers ----

// Where stacked register n stands in our backing store, behind whose end the frame ends.
static u64 *stacked(struct vcpu *v, unsigned n, int *nat_bit, u64 **collection)
{
    u64 sof = v->ifs & 127, sor = (v->ifs >> 14 & 15) * 8, rrb = v->ifs >> 18 & 127;
    u64 k = n - 32;
    if (k < sor && (k += rrb) >= sor)
        k -= sor;
    u64 slot = (v->bstore + v->dirty) / 8, behind = sof - k; // registers from it to the end
    for (; behind; behind--)
        if ((--slot & 63) == 63)
            slot--;
    *nat_bit = (int)(slot & 63);
    u64 *in_memory = (u64 *)((slot | 63) * 8);
    *collection = (slot | 63) * 8 < v->bstore + v->dirty ? in_memory : &v->own_rnat;
    return (u64 *)(slot * 8);
}

u64 get_gr(struct vcpu *v, unsigned n)
{
    u64 *collection;
    int bit;
    return n < 32 ? v->gr[n] : *stacked(v, n, &bit, &collection);
}
void set_gr(struct vcpu *v, unsigned n, u64 value)
{
    u64 *collection;
    int bit;
    if (n == 0)
        return;
    if (n < 32) {
        v->gr[n] = value;
        v->nat &= ~(1ul << n);
        return;
    }
    *stacked(v, n, &bit, &collection) = value;
    *collection &= ~(1ul << bit);
}

void next_instruction(struct vcpu *v)
{
    u64 slot = v->ipsr >> PSR_RI_SHIFT & 3;
    v->ipsr &= ~PSR_RI;
    if (slot == 2)
        v->iip += 16;
    else
        v->ipsr |= (slot + 1) << PSR_RI_SHIFT;
}

static void switch_bank(struct vcpu *v, int bank1)
{
    u64 *in = vpd(v, bank1 ? VPD_VGR : VPD_VBGR), *out = vpd(v, bank1 ? VPD_VBGR : VPD_VGR);
    u64 nats = v->nat >> 16 & 0xffff;
    if (!(*vpsr(v) & PSR_BN) == !bank1)
        return;
    for (unsigned k = 0; k < 16; k++) {
        out[k] = v->gr[16 + k];
        v->gr[16 + k] = in[k];
    }
    v->nat &= ~0xffff0000ul;
    if (bank1) {
        *vpd(v, VPD_VBNAT) = nats << 16;
        v->nat |= (*vpd(v, VPD_VNAT) & 0xffff) << 16;
    } else {
        *vpd(v, VPD_VNAT) = nats;
        v->nat |= *vpd(v, VPD_VBNAT) & 0xffff0000;
    }
    *vpsr(v) ^= PSR_BN;
}

// Without translation the guest's regions 0 and 4 are identifiers of their own.  Regions 6 and 7
// are those the hypervisor lives in: their identifiers stay.
void load_regions(struct vcpu *v)
{
    u64 translated = PSR_DT | PSR_IT | PSR_RT, walker = v->mode & MODE_KVM ? 1 : 0;
    int physical = (*vpsr(v) & translated) != translated;
    for (u64 k = 0; k < 8; k++) {
        u64 rid = (v->number + 1) << RID_LOG2 | (v->rr[k] >> 8 & ((1 << RID_LOG2) - 1));
        u64 ps = v->rr[k] >> 2 & 63;
        if (physical && (k == 0 || k == 4))
            rid = ((v->number + 1) << RID_LOG2 | RID_METAPHYSICAL) - (k == 4), ps = 14;
        if (k >= 6)
            rid = k == 7 ? RID_VMM : RID_VMM + 1;
        write_rr(k << 61, rid << 8 | (ps ? ps : 14) << 2 | walker);
    }
}

static void set_vpsr(struct vcpu *v, u64 value)
{
    u64 translated = PSR_DT | PSR_IT | PSR_RT;
    u64 before = *vpsr(v);
    switch_bank(v, (value & PSR_BN) != 0);
    *vpsr(v) = value & ~PSR_VM;
    v->ipsr = (v->ipsr & ~LIVE) | (value & LIVE);
    if ((before ^ value) & translated)
        load_regions(v);
}

// SDM vol. 2, "IVA-based Interruption Handling", for the guest.
void inject(struct vcpu *v, u64 vector, u64 isr)
{
    u64 old = (*vpsr(v) & ~LIVE) | (v->ipsr & LIVE); // an instruction may have been finished
    *vcr(v, CR_ISR) = isr | (old & PSR_IC ? 0 : ISR_NI);
    if (old & PSR_IC) {
        *vcr(v, CR_IPSR) = old;
        *vcr(v, CR_IIP) = v->iip;
        *vcr(v, CR_IIPA) = v->iipa;
        *vcr(v, CR_IFS) = 0;
    }
    u64 kept = PSR_UP | PSR_MFL | PSR_MFH | PSR_DT | PSR_RT | PSR_IT | 1ul << 35;
    set_vpsr(v, (old & kept) | (*vcr(v, CR_DCR) & 2));
    v->iip = *vcr(v, CR_IVA) + vector;
}

// ---- instructions ----

static unsigned r1(struct vcpu *v) { return v->opcode >> 6 & 127; }
static u64 r2(struct vcpu *v) { return get_gr(v, v->opcode >> 13 & 127); }
static u64 r3(struct vcpu *v) { return get_gr(v, v->opcode >> 20 & 127); }
static unsigned cr3(struct vcpu *v) { return v->opcode >> 20 & 127; }
static u64 immediate24(struct vcpu *v)
{
    u64 op = v->opcode;
    return (op >> 36 & 1) << 23 | (op >> 31 & 3) << 21 | (op >> 6 & 0x1fffff);
}
static long immediate8(struct vcpu *v)
{
    return (long)(signed char)((v->opcode >> 36 & 1) << 7 | (v->opcode >> 13 & 127));
}

// False: the guest got a fault instead.
static int interruption_cr(struct vcpu *v, unsigned n)
{
    if (n < CR_IPSR || n > CR_IHA || !(*vpsr(v) & PSR_IC))
        return 1;
    inject(v, 0x5400, ILLEGAL_OPERATION);
    return 0;
}

static void to_cr(struct vcpu *v)
{
    unsigned n = cr3(v);
    u64 value = r2(v);
    if (!interruption_cr(v, n))
        return;
    next_instruction(v);
    if (n == CR_EOI) {
        end_of_interrupt(v);
        return;
    }
    *vcr(v, n) = value;
    if (n == CR_ITM || n == CR_ITV)
        program_timer(v);
    if (n == CR_TPR)
        pending_changed(v);
}
static void from_cr(struct vcpu *v)
{
    unsigned n = cr3(v);
    if (!interruption_cr(v, n))
        return;
    u64 value = n == CR_IVR                       ? read_ivr(v)
                : n >= CR_IRR0 && n < CR_IRR0 + 4 ? v->irr[n - CR_IRR0]
                : n == CR_EOI                     ? 0
                                                  : *vcr(v, n);
    set_gr(v, r1(v), value);
    next_instruction(v);
}

// A bank of 8 or 16 registers; an index behind it is the guest's fault.
static void to_array(struct vcpu *v, u64 *array, u64 n)
{
    u64 index = r3(v) & 0xff;
    if (index >= n) {
        inject(v, 0x5400, RESERVED);
        return;
    }
    array[index] = r2(v);
    next_instruction(v);
}
static void from_array(struct vcpu *v, const u64 *array, u64 n)
{
    u64 index = r3(v) & 0xff;
    if (index >= n) {
        inject(v, 0x5400, RESERVED);
        return;
    }
    set_gr(v, r1(v), array[index]);
    next_instruction(v);
}
static void to_rr(struct vcpu *v)
{
    v->rr[r3(v) >> 61] = r2(v);
    tlb_flush_machine();
    load_regions(v);
    next_instruction(v);
}

static void insert(struct vcpu *v, int side, int slot)
{
    if (*vpsr(v) & PSR_IC) {
        inject(v, 0x5400, ILLEGAL_OPERATION);
        return;
    }
    if (slot >= GUEST_TR) {
        inject(v, 0x5400, RESERVED);
        return;
    }
    tlb_insert(v, side, slot, r2(v));
    next_instruction(v);
}
static void purge(struct vcpu *v, int sides, int registers)
{
    for (int side = 0; side < 2; side++)
        if (sides >> side & 1)
            tlb_purge(v, side, r3(v), r2(v), registers);
    next_instruction(v);
}
static int unimplemented(u64 va)
{
    u64 top = (va << 3 >> 3) >> (va_msb - 1);
    return top && top != (1ul << (62 - va_msb)) - 1;
}
static void tpa(struct vcpu *v)
{
    u64 va = r3(v), result;
    const struct translation *t = tlb_find(v, 1, va);
    if (unimplemented(va)) {
        inject(v, 0x5400, RESERVED | ISR_NA | (v->isr & ISR_EI));
        return;
    }
    if (!t) {
        *vcr(v, CR_IFA) = va;
        *vcr(v, CR_ITIR) = v->rr[va >> 61] & 0xfc;
        *vcr(v, CR_IHA) = guest_thash(v, va);
        inject(v, *vcr(v, CR_PTA) & v->rr[va >> 61] & 1 ? 0x0800 : 0x1000, ISR_NA | v->isr);
        return;
    }
    u64 size = 1ul << (t->itir >> 2 & 63);
    result = (t->pte & 0x3fffffffff000 & ~(size - 1)) | (va & (size - 1));
    set_gr(v, r1(v), result);
    next_instruction(v);
}
static void tak(struct vcpu *v)
{
    const struct translation *t = tlb_find(v, 1, r3(v));
    set_gr(v, r1(v), t ? t->itir & 0xffffff00 : 1);
    next_instruction(v);
}
static void from_cpuid(struct vcpu *v) { from_array(v, vpd(v, VPD_VCPUID), 5); }

static void change_psr(struct vcpu *v, u64 value)
{
    next_instruction(v);
    set_vpsr(v, (*vpsr(v) & ~PSR_RI) | (v->ipsr & PSR_RI));
    set_vpsr(v, (*vpsr(v) & ~0xfffffffful) | (value & 0xffffffff));
    pending_changed(v);
}

static void cover(struct vcpu *v)
{
    u64 frame = v->ifs & 0x3fffffffff;
    v->ifs = IFS_V;
    if (!(*vpsr(v) & PSR_IC))
        *vcr(v, CR_IFS) = IFS_V | frame;
    next_instruction(v);
}

// The frame of the handler is dropped, that of IFS is below it.
static void drop_frame(struct vcpu *v)
{
    u64 slot = (v->bstore + v->dirty) / 8, before = slot;
    for (u64 n = v->ifs & 127; n; n--)
        if ((--slot & 63) == 63)
            slot--;
    if ((slot | 63) < before)
        v->own_rnat = *(u64 *)((slot | 63) * 8);
    v->dirty = slot * 8 - v->bstore;
}
static void rfi(struct vcpu *v)
{
    u64 ifs = *vcr(v, CR_IFS);
    if (*vpsr(v) & PSR_IC) {
        inject(v, 0x5400, ILLEGAL_OPERATION);
        return;
    }
    v->iip = *vcr(v, CR_IIP) & ~15ul;
    set_vpsr(v, *vcr(v, CR_IPSR));
    if (ifs & IFS_V) {
        drop_frame(v);
        v->ifs = ifs;
    }
    pending_changed(v);
}

static void bank(struct vcpu *v, int bank1)
{
    switch_bank(v, bank1);
    next_instruction(v);
}

static void result(struct vcpu *v, u64 value)
{
    set_gr(v, r1(v), value);
    next_instruction(v);
}
static void set_itc(struct vcpu *v, u64 value)
{
    v->itc_offset = value - read_itc();
    program_timer(v);
    next_instruction(v);
}

void emulate(struct vcpu *v)
{
    v->count[v->cause % 48]++;
    switch (v->cause) {
    case 1: set_itc(v, r2(v)); break;
    case 2: set_itc(v, (u64)immediate8(v)); break;
    case 3: result(v, read_itc() + v->itc_offset); break;
    case 4: to_cr(v); break;
    case 5: from_cr(v); break;
    case 6: change_psr(v, r2(v)); break;
    case 7: result(v, *vpsr(v) & 0x18ffffffff); break;
    case 8: insert(v, 1, -1); break;
    case 9: insert(v, 0, -1); break;
    case 10: to_rr(v); break;
    case 11: to_array(v, v->dbr, 8); break;
    case 12: to_array(v, v->ibr, 8); break;
    case 13: to_array(v, v->pkr, 16); break;
    case 14: to_array(v, v->pmc, 8); break;
    case 15: to_array(v, v->pmd, 8); break;
    case 16: insert(v, 1, (int)(r3(v) & 0xff)); break;
    case 17: insert(v, 0, (int)(r3(v) & 0xff)); break;
    case 18: result(v, v->rr[r3(v) >> 61]); break;
    case 19: from_array(v, v->dbr, 8); break;
    case 20: from_array(v, v->ibr, 8); break;
    case 21: from_array(v, v->pkr, 16); break;
    case 22: from_array(v, v->pmc, 8); break;
    case 23: from_cpuid(v); break;
    case 24: change_psr(v, *vpsr(v) | immediate24(v)); break;
    case 25: change_psr(v, *vpsr(v) & ~immediate24(v)); break;
    case 26:
    case 27:
    case 28: purge(v, 3, 0); break;
    case 29: purge(v, 2, 1); break;
    case 30: purge(v, 1, 1); break;
    case 31: result(v, guest_thash(v, r3(v))); break;
    case 32: result(v, guest_ttag(v, r3(v))); break;
    case 33: tpa(v); break;
    case 34: tak(v); break;
    case 35:
        tlb_purge_all(v);
        next_instruction(v);
        break;
    case 36: cover(v); break;
    case 37: rfi(v); break;
    case 38: bank(v, 0); break;
    case 39: bank(v, 1); break;
    case 40: inject(v, 0x5400, ILLEGAL_OPERATION); break;
    default: die(v, "a virtualization fault without cause");
    }
}

// A fault of the guest's own goes to its own table, with what the processor says of it.
static void reflect(struct vcpu *v)
{
    if (*vpsr(v) & PSR_IC) {
        *vcr(v, CR_IFA) = v->ifa;
        *vcr(v, CR_ITIR) = v->itir;
        *vcr(v, CR_IIM) = v->iim;
    }
    inject(v, v->vector, v->isr);
}

// The guest was left: r21's virtual processor, everything of it in its struct.  Returns the one
// that is to run.
struct vcpu *guest_left(struct vcpu *v)
{
    struct vcpu *next = v;
    *vpsr(v) = (*vpsr(v) & ~LIVE) | (v->ipsr & LIVE);
    switch (v->vector) {
    case 0x0000: tlb_miss(v, !(v->isr >> 32 & 1)); break;
    case 0x0400:
    case 0x0c00: tlb_miss(v, 0); break;
    case 0x0800:
    case 0x1000: tlb_miss(v, 1); break;
    case 0x2c00:
        if (v->iim == HYPERCALL)
            next = hypercall(v);
        else
            reflect(v);
        break;
    case 0x3000: external_interrupt(v); break;
    case 0x3400:
        v->virtual_interrupts++;
        inject(v, 0x3000, v->isr);
        break;
    case 0x6100: emulate(v); break;
    default: reflect(v);
    }
    deliver(next);
    return next;
}
