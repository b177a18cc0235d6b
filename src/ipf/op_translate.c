// SPDX-License-Identifier: Apache-2.0
// Insertion and purge of translations, and questions about them (formats M38 to M42, M45 to M47).
#include "ipf/trace.h"

#define PRIVILEGED(access)                                                                         \
    do {                                                                                           \
        if (cpl(c))                                                                                \
            return privileged_operation(c, op, access);                                            \
    } while (0)

enum { CODE = IPF_INSTRUCTIONS, DATA = IPF_DATA };

/* ---- itc, itr ---- */

/* What both check first, in this order; 0: nothing is wrong.  Whether CR.IFA is implemented is
 * checked when it is written (SDM vol. 3, mov cr, "impl_check_mov_ifa"): a virtual machine's insert
 * is not to fault for the address that its monitor used last. */
static unsigned cannot_insert(struct ipf_cpu *c, const struct ipf_op *op, bool is_register)
{
    const struct ipf_gr *r2 = gr(c, op->r2), *r3 = gr(c, op->r3);
    if (c->psr & PSR_IC && !op->cause) /* see cr_needs_ic_0() in op_control.c */
        return illegal_operation(c, op);
    PRIVILEGED(0);
    if (r2->nat || (is_register && r3->nat))
        return nat_consumption(c, op, 0);
    if ((is_register && (r3->v & 0xff) >= IPF_TR) ||
        ipf_translation_reserved(r2->v, c->cr[CR_ITIR]))
        return reserved_field(c, op);
    VIRTUALIZED_HERE(c, op);
    return 0;
}

HANDLER(ia_itc)
{
    IF_PREDICATE(c, op);
    unsigned done = cannot_insert(c, op, false);
    if (done)
        return done;
    uint64_t va = c->cr[CR_IFA];
    struct ipf_translation t =
        ipf_translation(gr(c, op->r2)->v, c->cr[CR_ITIR], va, ipf_rid(c, va));
    ipf_tlb_insert(c, op->arg, &t);
    NEXT(c, op);
}
HANDLER(ia_itr)
{
    IF_PREDICATE(c, op);
    unsigned done = cannot_insert(c, op, true);
    if (done)
        return done;
    uint64_t va = c->cr[CR_IFA];
    struct ipf_translation t =
        ipf_translation(gr(c, op->r2)->v, c->cr[CR_ITIR], va, ipf_rid(c, va));
    ipf_tlb_insert_register(c, op->arg, gr(c, op->r3)->v & 0xff, &t);
    NEXT(c, op);
}

/* ---- ptc.l, ptc.g, ptc.ga, ptr.d, ptr.i, ptc.e ---- */

enum { PURGE_LOCAL, PURGE_GLOBAL, PURGE_GLOBAL_ALAT, PURGE_DATA_REGISTERS, PURGE_CODE_REGISTERS };

static void purge_others(struct ipf_cpu *c, uint64_t va, unsigned ps, uint32_t rid)
{
    for (struct ipf_cpu *other = c->beside; other != c; other = other->beside) {
        ipf_tlb_purge(other, IPF_DATA, va, ps, rid, false);
        ipf_tlb_purge(other, IPF_INSTRUCTIONS, va, ps, rid, false);
    }
}

static void tell_purge(struct ipf_cpu *c, unsigned purge, uint64_t va, unsigned ps)
{
    static const uint8_t scopes[] = {
        [PURGE_LOCAL] = PURGES_CODE | PURGES_DATA,
        [PURGE_GLOBAL] = PURGES_CODE | PURGES_DATA | PURGES_EVERYWHERE,
        [PURGE_GLOBAL_ALAT] = PURGES_CODE | PURGES_DATA | PURGES_EVERYWHERE,
        [PURGE_DATA_REGISTERS] = PURGES_DATA | PURGES_REGISTERS,
        [PURGE_CODE_REGISTERS] = PURGES_CODE | PURGES_REGISTERS,
    };
    ipf_trace_purge(c, scopes[purge], va, ps);
}

/* The size is in bits 7:2 of r2; those of no page purge as the next smaller or larger would. */
HANDLER(ia_purge)
{
    IF_PREDICATE(c, op);
    const struct ipf_gr r3 = *gr(c, op->r3), r2 = *gr(c, op->r2);
    PRIVILEGED(0);
    if (r3.nat || r2.nat)
        return nat_consumption(c, op, 0);
    if (ipf_unimplemented(c, r3.v, true))
        return unimplemented_data_address(c, op, r3.v, 0);
    VIRTUALIZED_HERE(c, op);
    unsigned ps = bits(r2.v, 7, 2);
    uint32_t rid = ipf_rid(c, r3.v);
    if (unlikely(c->trace != NULL))
        tell_purge(c, op->arg, r3.v, ps);
    if (op->arg != PURGE_CODE_REGISTERS)
        ipf_tlb_purge(c, IPF_DATA, r3.v, ps, rid, op->arg == PURGE_DATA_REGISTERS);
    if (op->arg != PURGE_DATA_REGISTERS)
        ipf_tlb_purge(c, IPF_INSTRUCTIONS, r3.v, ps, rid, op->arg == PURGE_CODE_REGISTERS);
    if (op->arg == PURGE_GLOBAL || op->arg == PURGE_GLOBAL_ALAT)
        purge_others(c, r3.v, ps, rid);
    if (op->arg == PURGE_GLOBAL_ALAT)
        alat_clear_all(c);
    return leave_behind(c, op);
}
HANDLER(ia_ptc_e)
{
    IF_PREDICATE(c, op);
    PRIVILEGED(0);
    if (gr(c, op->r3)->nat)
        return nat_consumption(c, op, 0);
    VIRTUALIZED_HERE(c, op);
    if (unlikely(c->trace != NULL))
        ipf_trace_purge(c, PURGES_CODE | PURGES_DATA | PURGES_ALL, 0, 0);
    ipf_tlb_purge_all(c);
    return leave_behind(c, op);
}

/* ---- thash, ttag, tpa, tak ---- */

/* An unimplemented address gives NaT, as a NaT does. */
static unsigned hash(struct ipf_cpu *c, const struct ipf_op *op,
                     uint64_t (*function)(const struct ipf_cpu *c, uint64_t va))
{
    const struct ipf_gr r3 = *gr(c, op->r3);
    if (no_target(c, op->r1))
        return illegal_operation(c, op);
    VIRTUALIZED_HERE(c, op);
    bool nat = r3.nat || ipf_unimplemented(c, r3.v, true);
    *gr(c, op->r1) = (struct ipf_gr){ nat ? 0 : function(c, r3.v), nat };
    NEXT(c, op);
}
HANDLER(ia_thash)
{
    IF_PREDICATE(c, op);
    return hash(c, op, ipf_thash);
}
HANDLER(ia_ttag)
{
    IF_PREDICATE(c, op);
    return hash(c, op, ipf_ttag);
}

/* The address is virtual whatever PSR.dt says, but the walker stands still then. */
HANDLER(ia_tpa)
{
    IF_PREDICATE(c, op);
    const struct ipf_gr r3 = *gr(c, op->r3);
    uint64_t pa;
    if (no_target(c, op->r1))
        return illegal_operation(c, op);
    PRIVILEGED(ISR_NA | NA_TPA);
    if (r3.nat)
        return nat_consumption(c, op, ISR_NA | NA_TPA);
    VIRTUALIZED_HERE(c, op);
    if (ipf_translate_virtual(c, r3.v, 0, ISR_NA | NA_TPA, 0, &pa) != DATA_DONE)
        return data_fault(c, op);
    *gr(c, op->r1) = (struct ipf_gr){ pa & ~PA_UNCACHED, 0 };
    NEXT(c, op);
}
HANDLER(ia_tak)
{
    enum { NO_KEY = 1 };
    IF_PREDICATE(c, op);
    const struct ipf_gr r3 = *gr(c, op->r3);
    struct ipf_translation room;
    if (no_target(c, op->r1))
        return illegal_operation(c, op);
    PRIVILEGED(ISR_NA | NA_TAK);
    if (r3.nat)
        return nat_consumption(c, op, ISR_NA | NA_TAK);
    VIRTUALIZED_HERE(c, op);
    const struct ipf_translation *t = ipf_unimplemented(c, r3.v, true)
                                          ? NULL
                                          : ipf_search(c, IPF_DATA, r3.v, ISR_NA | NA_TAK, &room);
    uint64_t key = t && t->present ? (uint64_t)t->key << 8 : NO_KEY;
    *gr(c, op->r1) = (struct ipf_gr){ key, 0 };
    NEXT(c, op);
}

/* ---- probe: the argument has ISR's r (1) and w (2) ---- */

static unsigned probe_level(const struct ipf_cpu *c, unsigned level)
{
    return level < cpl(c) ? cpl(c) : level;
}
static uint64_t probe_access(const struct ipf_op *op)
{
    return (op->arg & 1 ? ISR_R : 0) | (op->arg & 2 ? ISR_W : 0) | ISR_NA;
}

static unsigned probe(struct ipf_cpu *c, const struct ipf_op *op, struct ipf_gr level)
{
    const struct ipf_gr r3 = *gr(c, op->r3);
    uint64_t how = probe_access(op) | NA_PROBE, pa;
    bool allowed = false;
    if (no_target(c, op->r1))
        return illegal_operation(c, op);
    if (r3.nat || level.nat)
        return nat_consumption(c, op, how);
    if (!ipf_unimplemented(c, r3.v, true)) {
        struct ipf_translation room;
        if (ipf_translate_virtual(c, r3.v, 0, how, 0, &pa) != DATA_DONE)
            return data_fault(c, op);
        const struct ipf_translation *t = ipf_search(c, IPF_DATA, r3.v, how, &room);
        allowed =
            t && ipf_rights(t, probe_level(c, level.v & 3), how) && ipf_key_permits(c, t, how);
    }
    *gr(c, op->r1) = (struct ipf_gr){ allowed, 0 };
    NEXT(c, op);
}
HANDLER(ia_probe)
{
    IF_PREDICATE(c, op);
    return probe(c, op, *gr(c, op->r2));
}
HANDLER(ia_probe_imm)
{
    IF_PREDICATE(c, op);
    return probe(c, op, (struct ipf_gr){ op->s1, 0 });
}
HANDLER(ia_probe_fault)
{
    IF_PREDICATE(c, op);
    const struct ipf_gr r3 = *gr(c, op->r3);
    uint64_t how = probe_access(op) | NA_PROBE_FAULT, pa;
    if (r3.nat)
        return nat_consumption(c, op, how);
    if (ipf_translate(c, r3.v, 0, how, probe_level(c, op->s1), &pa) != DATA_DONE)
        return data_fault(c, op);
    NEXT(c, op);
}
