// SPDX-License-Identifier: Apache-2.0
// Control registers, the processor status register, region, key and breakpoint registers (formats
// M32, M33, M35, M36, M42 to M44).  VIRTUALIZED_HERE stands behind all checks: it is the fault of
// lowest priority.
#include "ipf/cpu.h"
#include "ipf/op.h"

#define PRIVILEGED                                                                                 \
    if (cpl(c))                                                                                    \
    return privileged_operation(c, op, 0)
#define GET_R2(name)                                                                               \
    if (gr(c, op->r2)->nat)                                                                        \
        return nat_consumption(c, op, 0);                                                          \
    uint64_t name = gr(c, op->r2)->v

/* ---- control registers ---- */

static bool cr_exists(unsigned n)
{
    return n <= 2 || n == 8 || n == 16 || n == 17 || (n >= 19 && n <= 25) || (n >= 64 && n <= 74) ||
           n == 80 || n == 81;
}
static bool cr_read_only(unsigned n) { return n == CR_IVR || (n >= CR_IRR0 && n < CR_IRR0 + 4); }
/* Monitors run their guests with PSR.ic = 1 whatever the guest's own is, and get an intercept for
 * these registers: so the rule holds with PSR.vm = 0 only.  (The manual's operation of mov cr has
 * it first in both cases; with it neither Xen nor KVM could run a guest.  The same goes for itc and
 * itr.) */
static bool cr_needs_ic_0(const struct ipf_cpu *c, const struct ipf_op *op)
{
    return op->r3 >= CR_IPSR && op->r3 <= CR_IHA && c->psr & PSR_IC && !op->cause;
}

/* Reserved and ignored fields (SDM vol. 2, "Control Registers"). */
static const struct {
    uint64_t reserved, ignored;
} cr_fields[128] = {
    [CR_DCR] = { ~UINT64_C(0x7f07), 0 },
    [CR_IVA] = { 0, 0x7fff },
    [CR_PTA] = { 0x7e02, 0 },
    [CR_IPSR] = { ~UINT64_C(0x7fff0ffee03f) | 1, 0 },
    [CR_ISR] = { UINT64_C(0xfffff000ff000000), 0 },
    [CR_ITIR] = { ~UINT64_C(0xfffffffc), 0 },
    [CR_IFS] = { UINT64_C(0x7fffffc000000000), 0 },
    [CR_LID] = { 0, ~UINT64_C(0xffff0000) },
    [CR_TPR] = { 0xff00, ~UINT64_C(0x100f0) },
    [CR_EOI] = { 0, ~UINT64_C(0) },
    [CR_ITV] = { 0xef00, ~UINT64_C(0x1efff) },
    [CR_PMV] = { 0xef00, ~UINT64_C(0x1efff) },
    [CR_CMCV] = { 0xef00, ~UINT64_C(0x1efff) },
    [CR_LRR0] = { 0x800, ~UINT64_C(0x1afff) },
    [CR_LRR1] = { 0x800, ~UINT64_C(0x1afff) },
};
static bool cr_reserved_field(const struct ipf_cpu *c, unsigned n, uint64_t value)
{
    enum { SMALLEST = 15, LARGEST = 61 };
    unsigned size = bits(value, 7, 2);
    return value & cr_fields[n].reserved || (n == CR_PTA && (size < SMALLEST || size > LARGEST)) ||
           (n == CR_IPSR && value & PSR_VM && !c->vti.implemented);
}
uint64_t cr_writable(unsigned n, uint64_t value) { return value & ~cr_fields[n].ignored; }

HANDLER(ia_mov_to_cr)
{
    IF_PREDICATE(c, op);
    unsigned n = op->r3;
    if (!cr_exists(n) || cr_read_only(n) || cr_needs_ic_0(c, op))
        return illegal_operation(c, op);
    PRIVILEGED;
    GET_R2(value);
    if (cr_reserved_field(c, n, value))
        return reserved_field(c, op);
    if (n == CR_IFA && ipf_unimplemented(c, value, true))
        return unimplemented_data_address(c, op, value, 0);
    VIRTUALIZED_HERE(c, op);
    value = cr_writable(n, value);
    c->cr[n] = value;
    switch (n) {
    case CR_ITM: ipf_set_itm(c, op->index, value); return leave_behind(c, op);
    case CR_EOI: ipf_end_of_interrupt(c); return leave_behind(c, op);
    case CR_TPR: ipf_interrupts_changed(c); return leave_behind(c, op);
    }
    NEXT(c, op);
}

static uint64_t cr_read(struct ipf_cpu *c, unsigned n)
{
    if (n == CR_IVR)
        return ipf_read_ivr(c);
    return n >= CR_IRR0 && n < CR_IRR0 + 4 ? c->irr[n - CR_IRR0] : c->cr[n];
}
HANDLER(ia_mov_from_cr)
{
    IF_PREDICATE(c, op);
    if (!cr_exists(op->r3) || cr_needs_ic_0(c, op) || no_target(c, op->r1))
        return illegal_operation(c, op);
    PRIVILEGED;
    VIRTUALIZED_HERE(c, op);
    *gr(c, op->r1) = (struct ipf_gr){ cr_read(c, op->r3), 0 };
    NEXT(c, op);
}

/* ---- the processor status register ---- */

/* SDM vol. 3, mov psr: bits 31:0, it and mc can be seen. */
HANDLER(ia_mov_from_psr)
{
    IF_PREDICATE(c, op);
    if (no_target(c, op->r1))
        return illegal_operation(c, op);
    PRIVILEGED;
    VIRTUALIZED_HERE(c, op);
    *gr(c, op->r1) = (struct ipf_gr){ c->psr & PSR_READABLE, 0 };
    NEXT(c, op);
}
HANDLER(ia_mov_from_psr_um)
{
    IF_PREDICATE(c, op);
    if (no_target(c, op->r1))
        return illegal_operation(c, op);
    *gr(c, op->r1) = (struct ipf_gr){ c->psr & PSR_USER_MASK, 0 };
    NEXT(c, op);
}

/* Bits that change what a block of code does, or whether it may run on. */
#define PSR_WATCHED (PSR_BE | PSR_I | PSR_DT | PSR_RT | PSR_PK | PSR_DB | PSR_LP | PSR_TB)

static unsigned set_psr(struct ipf_cpu *c, const struct ipf_op *op, uint64_t psr)
{
    uint64_t changed = c->psr ^ psr;
    c->psr = psr;
    if (!(changed & PSR_WATCHED))
        NEXT(c, op);
    if (changed & (PSR_PK | PSR_DB))
        ipf_flush(c);
    ipf_mode_changed(c);
    if (changed & (PSR_DB | PSR_LP | PSR_TB) || (c->psr & PSR_I && c->attention))
        return leave_behind(c, op);
    NEXT(c, op);
}
/* PSR.up is changed by system masks only, while PSR.sp is 1 (SDM vol. 3, sum). */
static uint64_t user_mask(const struct ipf_cpu *c, uint64_t mask)
{
    return c->psr & PSR_SP ? mask & ~PSR_UP : mask;
}
#define USER_MASK_RESERVED UINT64_C(0xffffffc1)
HANDLER(ia_mov_to_psr_um)
{
    IF_PREDICATE(c, op);
    GET_R2(value);
    uint64_t mask = user_mask(c, PSR_USER_MASK);
    if (value & USER_MASK_RESERVED)
        return reserved_field(c, op);
    return set_psr(c, op, (c->psr & ~mask) | (value & mask));
}
#define PSR_L_RESERVED UINT64_C(0xf0011fc1)
HANDLER(ia_mov_to_psr_l)
{
    IF_PREDICATE(c, op);
    PRIVILEGED;
    GET_R2(value);
    if (value & PSR_L_RESERVED)
        return reserved_field(c, op);
    VIRTUALIZED_HERE(c, op);
    return set_psr(c, op, (c->psr & ~UINT64_C(0xffffffff)) | (value & 0xffffffff));
}

#define SYSTEM_MASK_RESERVED UINT64_C(0x11fc1)
HANDLER(ia_sum)
{
    IF_PREDICATE(c, op);
    if ((uint64_t)op->imm & ~PSR_USER_MASK || op->imm & 1)
        return reserved_field(c, op);
    return set_psr(c, op, c->psr | user_mask(c, (uint64_t)op->imm));
}
HANDLER(ia_rum)
{
    IF_PREDICATE(c, op);
    if ((uint64_t)op->imm & ~PSR_USER_MASK || op->imm & 1)
        return reserved_field(c, op);
    return set_psr(c, op, c->psr & ~user_mask(c, (uint64_t)op->imm));
}
HANDLER(ia_ssm)
{
    IF_PREDICATE(c, op);
    PRIVILEGED;
    if ((uint64_t)op->imm & SYSTEM_MASK_RESERVED)
        return reserved_field(c, op);
    VIRTUALIZED_HERE(c, op);
    return set_psr(c, op, c->psr | (uint64_t)op->imm);
}
HANDLER(ia_rsm)
{
    IF_PREDICATE(c, op);
    PRIVILEGED;
    if ((uint64_t)op->imm & SYSTEM_MASK_RESERVED)
        return reserved_field(c, op);
    VIRTUALIZED_HERE(c, op);
    return set_psr(c, op, c->psr & ~(uint64_t)op->imm);
}

HANDLER(ia_bsw_0)
{
    PRIVILEGED;
    VIRTUALIZED_HERE(c, op);
    ipf_switch_bank(c, false);
    NEXT(c, op);
}
HANDLER(ia_bsw_1)
{
    PRIVILEGED;
    VIRTUALIZED_HERE(c, op);
    ipf_switch_bank(c, true);
    NEXT(c, op);
}

/* ---- indirect registers: the index is in bits 7:0 of r3, for region registers in bits 63:61.
 * Performance monitors beyond those that are there ignore writes and read as 0. ---- */

static bool rr_reserved(uint64_t v)
{
    return v & ~UINT64_C(0xfffffffd) || !(IPF_PAGE_SIZES >> bits(v, 7, 2) & 1);
}
static bool pkr_reserved(uint64_t v) { return v & ~UINT64_C(0xffffff0f); }
static bool none_reserved(uint64_t v) { return v & 0; }

static void set_rr(struct ipf_cpu *c, unsigned n, uint64_t v)
{
    bool changed = c->rr[n] != v;
    c->rr[n] = v;
    if (changed)
        ipf_flush(c);
}
/* A valid key is in one register only (SDM vol. 3, mov indirect). */
static void set_pkr(struct ipf_cpu *c, unsigned n, uint64_t v)
{
    enum { VALID = 1 };
    for (unsigned k = 0; k < IPF_KEYS && v & VALID; k++)
        if (bits(c->pkr[k], 31, 8) == bits(v, 31, 8))
            c->pkr[k] &= ~(uint64_t)VALID;
    c->pkr[n] = v;
    ipf_flush(c);
}
static bool any_enabled(const uint64_t *registers, uint64_t enables)
{
    return (registers[1] | registers[3] | registers[5] | registers[7]) & enables;
}
void ipf_breakpoints_changed(struct ipf_cpu *c)
{
    c->ibr_on = any_enabled(c->ibr, BIT(63));
    c->dbr_on = any_enabled(c->dbr, BIT(63) | BIT(62));
    ipf_flush(c);
}
static void set_ibr(struct ipf_cpu *c, unsigned n, uint64_t v)
{
    c->ibr[n] = v;
    ipf_breakpoints_changed(c);
}
static void set_dbr(struct ipf_cpu *c, unsigned n, uint64_t v)
{
    c->dbr[n] = v;
    ipf_breakpoints_changed(c);
}
static void set_pmc(struct ipf_cpu *c, unsigned n, uint64_t v) { c->pmc[n] = v; }
static void set_pmd(struct ipf_cpu *c, unsigned n, uint64_t v) { c->pmd[n] = v; }

#define LOW_BYTE (r3->v & 0xff)
#define INDIRECT(name, count, index, must_exist, reserved)                                         \
    HANDLER(ia_mov_to_##name)                                                                      \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        PRIVILEGED;                                                                                \
        GET_R2(value);                                                                             \
        const struct ipf_gr *r3 = gr(c, op->r3);                                                   \
        if (r3->nat)                                                                               \
            return nat_consumption(c, op, 0);                                                      \
        if ((must_exist && (index) >= (count)) || reserved(value))                                 \
            return reserved_field(c, op);                                                          \
        VIRTUALIZED_HERE(c, op);                                                                   \
        if ((index) < (count))                                                                     \
            set_##name(c, (unsigned)(index), value);                                               \
        return leave_behind(c, op);                                                                \
    }
#define INDIRECT_READ(name, count, index, must_exist, level)                                       \
    HANDLER(ia_mov_from_##name)                                                                    \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        const struct ipf_gr *r3 = gr(c, op->r3);                                                   \
        if (no_target(c, op->r1))                                                                  \
            return illegal_operation(c, op);                                                       \
        if (cpl(c) > (level))                                                                      \
            return privileged_operation(c, op, 0);                                                 \
        if (r3->nat)                                                                               \
            return nat_consumption(c, op, 0);                                                      \
        if (must_exist && (index) >= (count))                                                      \
            return reserved_field(c, op);                                                          \
        VIRTUALIZED_HERE(c, op);                                                                   \
        *gr(c, op->r1) = (struct ipf_gr){ (index) < (count) ? c->name[index] : 0, 0 };             \
        NEXT(c, op);                                                                               \
    }
INDIRECT(rr, 8, r3->v >> 61, true, rr_reserved)
INDIRECT(pkr, IPF_KEYS, LOW_BYTE, true, pkr_reserved)
INDIRECT(ibr, 8, LOW_BYTE, true, none_reserved)
INDIRECT(dbr, 8, LOW_BYTE, true, none_reserved)
INDIRECT(pmc, 32, LOW_BYTE, false, none_reserved)
INDIRECT(pmd, 32, LOW_BYTE, false, none_reserved)
INDIRECT_READ(rr, 8, r3->v >> 61, true, 0)
INDIRECT_READ(pkr, IPF_KEYS, LOW_BYTE, true, 0)
INDIRECT_READ(ibr, 8, LOW_BYTE, true, 0)
INDIRECT_READ(dbr, 8, LOW_BYTE, true, 0)
INDIRECT_READ(pmc, 32, LOW_BYTE, false, 0)
INDIRECT_READ(pmd, 32, LOW_BYTE, false, 3)
INDIRECT_READ(cpuid, 5, LOW_BYTE, true, 3)
