// SPDX-License-Identifier: Apache-2.0
// Moves between register files (formats I21 to I28, M29 to M31), alloc.
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

/* These see the predicates as if CFM.rrb.pr were 0. */
static uint64_t pr_in_places(const struct ipf_cpu *c) { return rotated_pr(c->pr, c->cfm.rrb_pr); }
static void set_pr_in_places(struct ipf_cpu *c, uint64_t mask, uint64_t value)
{
    uint64_t pr = (pr_in_places(c) & ~mask) | (value & mask) | 1;
    c->pr = rotated_pr(pr, 48u - c->cfm.rrb_pr);
}
HANDLER(ia_mov_from_pr)
{
    IF_PREDICATE(c, op);
    SET_R1(pr_in_places(c), 0);
    NEXT(c, op);
}
/* Bit 16 of the mask stands for all rotating predicates. */
HANDLER(ia_mov_to_pr)
{
    IF_PREDICATE(c, op);
    GET_R2(value);
    uint64_t mask = (uint64_t)op->imm & 0xfffe;
    mask |= op->imm & 0x10000 ? ~UINT64_C(0xffff) : 0;
    set_pr_in_places(c, mask, value);
    NEXT(c, op);
}
HANDLER(ia_mov_to_pr_rot)
{
    IF_PREDICATE(c, op);
    set_pr_in_places(c, ~UINT64_C(0xffff), (uint64_t)op->imm);
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
    case AR_ITC: return ipf_itc(c, op->index);
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
    if (!ar_reachable(op) || needs_rse_mode_0(c, op->r3) || no_target(c, op->r1))
        return illegal_operation(c, op);
    if (op->r3 == AR_ITC && c->psr & PSR_SI) {
        if (cpl(c))
            return privileged_register(c, op);
        VIRTUALIZED_HERE(c, op);
    }
    *gr(c, op->r1) = (struct ipf_gr){ ar_read(c, op), 0 };
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

static unsigned move_to_ar(struct ipf_cpu *c, const struct ipf_op *op, struct ipf_gr from)
{
    uint64_t value = from.v;
    if (!ar_reachable(op) || op->r3 == AR_BSP || needs_rse_mode_0(c, op->r3))
        return illegal_operation(c, op);
    if ((op->r3 <= 7 || op->r3 == AR_ITC) && cpl(c))
        return privileged_register(c, op);
    if (from.nat)
        return nat_consumption(c, op, 0);
    if (ar_reserved_bits(op->r3, value))
        return reserved_field(c, op);
    VIRTUALIZED_HERE(c, op);
    ar_write(c, op->r3, value);
    if (op->r3 != AR_ITC)
        NEXT(c, op);
    ipf_set_itc(c, op->index, value);
    return leave_behind(c, op);
}
HANDLER(ia_mov_to_ar)
{
    IF_PREDICATE(c, op);
    return move_to_ar(c, op, *gr(c, op->r2));
}
HANDLER(ia_mov_to_ar_imm)
{
    IF_PREDICATE(c, op);
    return move_to_ar(c, op, (struct ipf_gr){ (uint64_t)op->imm, 0 });
}

/* SDM vol. 3, alloc: the new frame is the old one with other sizes. */
HANDLER(ia_alloc)
{
    unsigned sof = op->r2, sol = op->r3, sor = op->r4 * 8u;
    if (sof > IPF_STACKED || sor > sof || sol > sof || op->r1 >= 32 + sof)
        return illegal_operation(c, op);
    if (sor != c->cfm.sor && (c->cfm.rrb_gr | c->cfm.rrb_fr | c->cfm.rrb_pr))
        return reserved_field(c, op);
    if (!rse_ensure(c, sof))
        return data_fault(c, op);
    c->cfm.sof = (uint8_t)sof;
    c->cfm.sol = (uint8_t)sol;
    c->cfm.sor = (uint8_t)sor;
    frame_changed(c);
    *gr(c, op->r1) = (struct ipf_gr){ c->ar[AR_PFS], 0 };
    NEXT(c, op);
}
