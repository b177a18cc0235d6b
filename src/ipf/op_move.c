// SPDX-License-Identifier: Apache-2.0
// Moves between register files (formats I21 to I28, M29 to M36, M42 to M44), alloc, bsw.
#include "ipf/op.h"

/* Writes r1, or faults. */
#define SET_R1(value, nat_)                                                                        \
    do {                                                                                           \
        if (no_target(c, op->r1))                                                                  \
            return illegal_operation(c, op);                                                       \
        *gr(c, op->r1) = (struct ipf_gr){ (value), (nat_) };                                       \
    } while (0)
/* r2's value, or a Register NaT Consumption fault. */
#define GET_R2(name)                                                                               \
    if (gr(c, op->r2)->nat)                                                                        \
        return nat_consumption(c, op, 0);                                                          \
    uint64_t name = gr(c, op->r2)->v
#define PRIVILEGED                                                                                 \
    if (cpl(c))                                                                                    \
    return privileged_operation(c, op)

/* ---- branch registers, predicates, ip ---- */

HANDLER(ia_mov_to_br)
{
    IF_PREDICATE(c, op);
    GET_R2(value);
    c->br[op->r1] = value;
    NEXT(c, op);
}
HANDLER(ia_mov_from_br)
{
    IF_PREDICATE(c, op);
    SET_R1(c->br[op->r2], 0);
    NEXT(c, op);
}
HANDLER(ia_mov_from_ip)
{
    IF_PREDICATE(c, op);
    SET_R1(op_ip(c, op), 0);
    NEXT(c, op);
}

/* c->pr is as instructions see it: pr17 after a rotation is the pr16 of before. */
HANDLER(ia_mov_from_pr)
{
    IF_PREDICATE(c, op);
    SET_R1(c->pr, 0);
    NEXT(c, op);
}
/* Bit 16 of the mask stands for all rotating predicates. */
HANDLER(ia_mov_to_pr)
{
    IF_PREDICATE(c, op);
    GET_R2(value);
    uint64_t mask = (uint64_t)op->imm & 0xfffe;
    mask |= op->imm & 0x10000 ? ~UINT64_C(0xffff) : 0;
    c->pr = (c->pr & ~mask) | (value & mask) | 1;
    NEXT(c, op);
}
HANDLER(ia_mov_to_pr_rot)
{
    IF_PREDICATE(c, op);
    c->pr = (c->pr & 0xffff) | ((uint64_t)op->imm & ~UINT64_C(0xffff));
    NEXT(c, op);
}

/* ---- application registers ---- */

enum { AR_M_END = 48, AR_I = 64, AR_I_END = 112 };

static bool ar_exists(unsigned n)
{
    return n <= 7 || (n >= 16 && n <= 19) || n == 21 || (n >= 24 && n <= 30) || n == 32 ||
           n == 36 || n == 40 || n == 44 || (n >= 48 && n <= 63) || (n >= 64 && n <= 66) ||
           n >= 112;
}
static bool ar_ignored(unsigned n) { return (n >= AR_M_END && n < AR_I) || n >= AR_I_END; }

/* Whether the instruction's unit reaches the register: mov.m below 64, mov.i from 64 up, both the
 * ignored ones. */
static bool ar_reachable(const struct ipf_op *op)
{
    bool by_i = op->arg;
    return ar_exists(op->r3) && (ar_ignored(op->r3) || by_i == (op->r3 >= AR_I));
}

static uint64_t ar_read(const struct ipf_cpu *c, const struct ipf_op *op)
{
    switch (op->r3) {
    case AR_BSP: return c->bsp;
    case AR_BSPSTORE: return c->bspstore;
    case AR_RNAT: return c->rnat;
    case AR_ITC: return c->retired + op->index;
    default: return ar_ignored(op->r3) ? 0 : c->ar[op->r3];
    }
}

static bool needs_rse_mode_0(const struct ipf_cpu *c, unsigned n)
{
    return (n == AR_BSPSTORE || n == AR_RNAT) && c->ar[AR_RSC] & 3;
}

HANDLER(ia_mov_from_ar)
{
    IF_PREDICATE(c, op);
    if (!ar_reachable(op) || needs_rse_mode_0(c, op->r3))
        return illegal_operation(c, op);
    SET_R1(ar_read(c, op), 0);
    NEXT(c, op);
}

static bool ar_reserved_bits(unsigned n, uint64_t value)
{
    static const uint64_t reserved[] = {
        [AR_RSC] = ~UINT64_C(0x3fff001f),
        [AR_PFS] = UINT64_C(0x3c0fffc000000000),
        [AR_EC] = ~UINT64_C(0x3f),
        [AR_FPSR] = UINT64_C(0xfc00000000000000),
    };
    return n < ARRAY_SIZE(reserved) && value & reserved[n];
}

static void ar_write(struct ipf_cpu *c, unsigned n, uint64_t value)
{
    switch (n) {
    case AR_RSC: {
        uint64_t level = value >> 2 & 3 ? value >> 2 & 3 : 0;
        level = level < cpl(c) ? cpl(c) : level;
        c->ar[n] = (value & ~UINT64_C(0xc)) | level << 2;
        break;
    }
    case AR_BSPSTORE: rse_set_bspstore(c, value); break;
    case AR_RNAT: c->rnat = value & ~BIT(63); break;
    default:
        if (!ar_ignored(n))
            c->ar[n] = value;
    }
}

static unsigned move_to_ar(struct ipf_cpu *c, const struct ipf_op *op, uint64_t value)
{
    if (!ar_reachable(op) || op->r3 == AR_BSP || needs_rse_mode_0(c, op->r3))
        return illegal_operation(c, op);
    if ((op->r3 <= 7 || op->r3 == AR_ITC) && cpl(c))
        return privileged_register(c, op);
    if (ar_reserved_bits(op->r3, value))
        return reserved_field(c, op);
    ar_write(c, op->r3, value);
    NEXT(c, op);
}
HANDLER(ia_mov_to_ar)
{
    IF_PREDICATE(c, op);
    GET_R2(value);
    return move_to_ar(c, op, value);
}
HANDLER(ia_mov_to_ar_imm)
{
    IF_PREDICATE(c, op);
    return move_to_ar(c, op, (uint64_t)op->imm);
}

/* SDM vol. 3, alloc: the new frame is the old one with other sizes. */
HANDLER(ia_alloc)
{
    unsigned sof = op->r2, sol = op->r3, sor = op->r4 * 8u;
    if (sof > IPF_STACKED || sor > sof || sol > sof || op->r1 >= 32 + sof)
        return illegal_operation(c, op);
    if (sor != c->cfm.sor && (c->cfm.rrb_gr | c->cfm.rrb_fr | c->cfm.rrb_pr))
        return reserved_field(c, op);
    rse_ensure(c, sof);
    c->cfm.sof = (uint8_t)sof;
    c->cfm.sol = (uint8_t)sol;
    c->cfm.sor = (uint8_t)sor;
    *gr(c, op->r1) = (struct ipf_gr){ c->ar[AR_PFS], 0 };
    NEXT(c, op);
}

/* ---- control registers ---- */

static bool cr_exists(unsigned n)
{
    return n <= 2 || n == 8 || n == 16 || n == 17 || (n >= 19 && n <= 25) || (n >= 64 && n <= 74) ||
           n == 80 || n == 81;
}
static bool cr_read_only(unsigned n) { return n == CR_IVR || (n >= CR_IRR0 && n < CR_IRR0 + 4); }
static bool cr_needs_ic_0(const struct ipf_cpu *c, unsigned n)
{
    return n >= CR_IPSR && n <= CR_IHA && c->psr & PSR_IC;
}

HANDLER(ia_mov_to_cr)
{
    IF_PREDICATE(c, op);
    if (!cr_exists(op->r3) || cr_read_only(op->r3) || cr_needs_ic_0(c, op->r3))
        return illegal_operation(c, op);
    PRIVILEGED;
    GET_R2(value);
    c->cr[op->r3] = op->r3 == CR_IVA ? value & ~UINT64_C(0x7fff) : value;
    NEXT(c, op);
}
HANDLER(ia_mov_from_cr)
{
    enum { SPURIOUS = 15 };
    IF_PREDICATE(c, op);
    if (!cr_exists(op->r3) || cr_needs_ic_0(c, op->r3))
        return illegal_operation(c, op);
    PRIVILEGED;
    SET_R1(op->r3 == CR_IVR ? SPURIOUS : c->cr[op->r3], 0);
    NEXT(c, op);
}

/* ---- the processor status register ---- */

/* Translation is not there to be switched on. */
#define TRANSLATION (PSR_DT | PSR_RT | PSR_IT)

/* SDM vol. 3, mov psr: bits 31:0, it and mc can be seen. */
HANDLER(ia_mov_from_psr)
{
    IF_PREDICATE(c, op);
    PRIVILEGED;
    SET_R1(c->psr & (UINT64_C(0xffffffff) | UINT64_C(3) << 35), 0);
    NEXT(c, op);
}
HANDLER(ia_mov_from_psr_um)
{
    IF_PREDICATE(c, op);
    SET_R1(c->psr & PSR_USER_MASK, 0);
    NEXT(c, op);
}

static unsigned set_psr(struct ipf_cpu *c, const struct ipf_op *op, uint64_t psr)
{
    if ((psr & ~c->psr) & TRANSLATION)
        return not_modelled(c, op, "address translation (PSR.dt, rt or it)");
    c->psr = psr;
    NEXT(c, op);
}
HANDLER(ia_mov_to_psr_um)
{
    IF_PREDICATE(c, op);
    GET_R2(value);
    if (value & 0xffffffc1)
        return reserved_field(c, op);
    return set_psr(c, op, (c->psr & ~PSR_USER_MASK) | (value & PSR_USER_MASK));
}
#define PSR_L_RESERVED UINT64_C(0xf0011fc1)
HANDLER(ia_mov_to_psr_l)
{
    IF_PREDICATE(c, op);
    PRIVILEGED;
    GET_R2(value);
    if (value & PSR_L_RESERVED)
        return reserved_field(c, op);
    return set_psr(c, op, (c->psr & ~UINT64_C(0xffffffff)) | (value & 0xffffffff));
}

#define SYSTEM_MASK_RESERVED UINT64_C(0x11fc1)
HANDLER(ia_sum)
{
    IF_PREDICATE(c, op);
    if ((uint64_t)op->imm & ~PSR_USER_MASK || op->imm & 1)
        return reserved_field(c, op);
    return set_psr(c, op, c->psr | (uint64_t)op->imm);
}
HANDLER(ia_rum)
{
    IF_PREDICATE(c, op);
    if ((uint64_t)op->imm & ~PSR_USER_MASK || op->imm & 1)
        return reserved_field(c, op);
    return set_psr(c, op, c->psr & ~(uint64_t)op->imm);
}
HANDLER(ia_ssm)
{
    IF_PREDICATE(c, op);
    PRIVILEGED;
    if ((uint64_t)op->imm & SYSTEM_MASK_RESERVED)
        return reserved_field(c, op);
    return set_psr(c, op, c->psr | (uint64_t)op->imm);
}
HANDLER(ia_rsm)
{
    IF_PREDICATE(c, op);
    PRIVILEGED;
    if ((uint64_t)op->imm & SYSTEM_MASK_RESERVED)
        return reserved_field(c, op);
    return set_psr(c, op, c->psr & ~(uint64_t)op->imm);
}

HANDLER(ia_bsw_0)
{
    PRIVILEGED;
    ipf_switch_bank(c, false);
    NEXT(c, op);
}
HANDLER(ia_bsw_1)
{
    PRIVILEGED;
    ipf_switch_bank(c, true);
    NEXT(c, op);
}

/* ---- indirect registers ---- */

/* mov file[r3]=r2 and mov r1=file[r3]: the index is in bits 7:0 of r3. */
#define INDIRECT(name, file, count, index)                                                         \
    HANDLER(ia_mov_to_##name)                                                                      \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        PRIVILEGED;                                                                                \
        GET_R2(value);                                                                             \
        const struct ipf_gr *r3 = gr(c, op->r3);                                                   \
        if (r3->nat)                                                                               \
            return nat_consumption(c, op, 0);                                                      \
        if ((index) >= (count))                                                                    \
            return reserved_field(c, op);                                                          \
        c->file[index] = value;                                                                    \
        NEXT(c, op);                                                                               \
    }
#define INDIRECT_READ(name, file, count, index, level)                                             \
    HANDLER(ia_mov_from_##name)                                                                    \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        if (cpl(c) > (level))                                                                      \
            return privileged_operation(c, op);                                                    \
        const struct ipf_gr *r3 = gr(c, op->r3);                                                   \
        if (r3->nat)                                                                               \
            return nat_consumption(c, op, 0);                                                      \
        if ((index) >= (count))                                                                    \
            return reserved_field(c, op);                                                          \
        SET_R1(c->file[index], 0);                                                                 \
        NEXT(c, op);                                                                               \
    }
#define LOW_BYTE (r3->v & 0xff)
INDIRECT(rr, rr, 8, r3->v >> 61)
INDIRECT(pkr, pkr, 16, LOW_BYTE)
INDIRECT(ibr, ibr, 8, LOW_BYTE)
INDIRECT(dbr, dbr, 8, LOW_BYTE)
INDIRECT(pmc, pmc, 32, LOW_BYTE)
INDIRECT(pmd, pmd, 32, LOW_BYTE)
INDIRECT_READ(rr, rr, 8, r3->v >> 61, 0)
INDIRECT_READ(pkr, pkr, 16, LOW_BYTE, 0)
INDIRECT_READ(ibr, ibr, 8, LOW_BYTE, 0)
INDIRECT_READ(dbr, dbr, 8, LOW_BYTE, 0)
INDIRECT_READ(pmc, pmc, 32, LOW_BYTE, 0)
INDIRECT_READ(pmd, pmd, 32, LOW_BYTE, 3)
INDIRECT_READ(cpuid, cpuid, 5, LOW_BYTE, 3)
