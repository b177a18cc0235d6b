// SPDX-License-Identifier: Apache-2.0
// Branches (formats B1 to B8), checks of speculation, break and nop.
#include "ipf/fast.h"
#include "ipf/float_op.h"

static unsigned branch_to(struct ipf_cpu *c, const struct ipf_op *op, uint64_t target)
{
    c->branched = true;
    return leave_to(c, op, target & ~UINT64_C(15));
}
/* The same for the fast list (fast.h); near: relative to IP. */
static inline __attribute__((always_inline)) unsigned
branch_on(struct ipf_cpu *c, const struct ipf_op *op, uint64_t target)
{
    struct ipf_way w = { op->index + 1u, op_ip(c, op), target & ~UINT64_C(15), 0 };
    return go_on(c, op, w, false);
}
static inline __attribute__((always_inline)) unsigned
branch_near(struct ipf_cpu *c, const struct ipf_op *op, uint64_t target)
{
    struct ipf_way w = { op->index + 1u, op_ip(c, op), target & ~UINT64_C(15), 0 };
    return go_on(c, op, w, true);
}
/* A branch is written once, with what it does where it is taken: leave the block, or go on. */
typedef unsigned branch_end(struct ipf_cpu *c, const struct ipf_op *op, uint64_t target);
#define BRANCH(name, on)                                                                           \
    static inline __attribute__((always_inline)) unsigned name##_(                                 \
        struct ipf_cpu *c, const struct ipf_op *op, branch_end *taken);                            \
    HANDLER(ia_##name) { return name##_(c, op, branch_to); }                                       \
    HANDLER(ia_##name##_on) { return name##_(c, op, on); }                                         \
    static inline unsigned name##_(struct ipf_cpu *c, const struct ipf_op *op, branch_end *taken)
static uint64_t target_of(const struct ipf_cpu *c, const struct ipf_op *op)
{
    return op_ip(c, op) + (uint64_t)op->imm;
}

BRANCH(br_cond, branch_near)
{
    IF_PREDICATE(c, op);
    return taken(c, op, target_of(c, op));
}
BRANCH(br_cond_b, branch_on)
{
    IF_PREDICATE(c, op);
    return taken(c, op, c->br[op->r2]);
}
HANDLER(ia_br_ia)
{
    IF_PREDICATE(c, op);
    return not_modelled(c, op, "the IA-32 instruction set (br.ia)");
}

/* ---- procedures: SDM vol. 1, "Register Stack" ---- */

/* Predicates stay in their places in the register file; their numbers turn with rrb.pr. */
static void set_cfm(struct ipf_cpu *c, struct ipf_cfm m)
{
    c->pr = rotated_pr(c->pr, 48u + c->cfm.rrb_pr - m.rrb_pr);
    c->cfm = m;
    frame_changed(c);
}

static void call(struct ipf_cpu *c, const struct ipf_op *op)
{
    c->br[op->r1] = op_ip(c, op) + 16;
    c->ar[AR_PFS] = cfm_pack(&c->cfm) | (c->ar[AR_EC] & 0x3f) << 52 | (uint64_t)cpl(c) << 62;
    unsigned locals = c->cfm.sol;
    set_cfm(c, (struct ipf_cfm){ .sof = (uint8_t)(c->cfm.sof - locals) });
    rse_advance(c, locals);
}
BRANCH(br_call, branch_near)
{
    IF_PREDICATE(c, op);
    call(c, op);
    return taken(c, op, target_of(c, op));
}
/* The target may be in the branch register that gets the return address. */
BRANCH(br_call_b, branch_on)
{
    IF_PREDICATE(c, op);
    uint64_t target = c->br[op->r2];
    call(c, op);
    return taken(c, op, target);
}

/* A frame for which there is no room, because the program made AR.PFS up, becomes empty (SDM vol.
 * 2, "Bad PFS used by Branch Return"). */
BRANCH(br_ret, branch_on)
{
    IF_PREDICATE(c, op);
    uint64_t pfs = c->ar[AR_PFS];
    struct ipf_cfm m = cfm_unpack(pfs);
    rse_retreat(c, m.sol);
    set_cfm(c, c->dirty + m.sof > IPF_STACKED ? (struct ipf_cfm){ 0 } : m);
    c->ar[AR_EC] = bits(pfs, 57, 52);
    if (pfs >> 62 > cpl(c)) {
        c->psr = (c->psr & ~PSR_CPL) | (pfs >> 62) << PSR_CPL_SHIFT;
        ipf_mode_changed(c);
    }
    rse_try_fill(c);
    return taken(c, op, c->br[op->r2]);
}

/* ---- loops: SDM vol. 1, "Modulo-scheduled Loop Support" ---- */

/* pr16 of after the rotation is pr63 of before. */
static void rotate(struct ipf_cpu *c)
{
    struct ipf_cfm m = c->cfm;
    if (m.sor)
        m.rrb_gr = m.rrb_gr ? m.rrb_gr - 1 : (uint8_t)(m.sor - 1);
    m.rrb_fr = m.rrb_fr ? m.rrb_fr - 1 : 95;
    m.rrb_pr = m.rrb_pr ? m.rrb_pr - 1 : 47;
    set_cfm(c, m);
}

/* Counted loops: ctop goes back while LC or the epilogue count lasts, cexit goes on while they do.
 */
static bool counted(struct ipf_cpu *c)
{
    uint64_t *lc = &c->ar[AR_LC], *ec = &c->ar[AR_EC];
    bool again = *lc || *ec > 1;
    set_pr(c, 63, *lc != 0);
    if (*lc)
        --*lc;
    else if (*ec)
        --*ec;
    else
        return false; /* LC = EC = 0: nothing rotates */
    rotate(c);
    return again;
}
/* While loops: the predicate takes LC's part. */
static bool while_loop(struct ipf_cpu *c, bool condition)
{
    uint64_t *ec = &c->ar[AR_EC];
    bool again = condition || *ec > 1;
    set_pr(c, 63, false);
    if (!condition) {
        if (!*ec)
            return false;
        --*ec;
    }
    rotate(c);
    return again;
}

/* They stand in slot 2, or are illegal. */
#define LOOP_BRANCH(name, goes)                                                                    \
    BRANCH(name, branch_near)                                                                                   \
    {                                                                                              \
        if (op->slot != 2)                                                                         \
            return illegal_operation(c, op);                                                       \
        if (goes)                                                                                  \
            return taken(c, op, target_of(c, op));                                                 \
        NEXT(c, op);                                                                               \
    }
LOOP_BRANCH(br_cloop, c->ar[AR_LC] && c->ar[AR_LC]--)
LOOP_BRANCH(br_ctop, counted(c))
LOOP_BRANCH(br_cexit, !counted(c))
LOOP_BRANCH(br_wtop, while_loop(c, c->pr >> op->qp & 1))
LOOP_BRANCH(br_wexit, !while_loop(c, c->pr >> op->qp & 1))

/* ---- frame, privilege, return from interruption ---- */

HANDLER(ia_clrrrb)
{
    struct ipf_cfm m = c->cfm;
    m.rrb_gr = m.rrb_fr = m.rrb_pr = 0;
    set_cfm(c, m);
    NEXT(c, op);
}
HANDLER(ia_clrrrb_pr)
{
    struct ipf_cfm m = c->cfm;
    m.rrb_pr = 0;
    set_cfm(c, m);
    NEXT(c, op);
}
uint64_t ipf_cover(struct ipf_cpu *c)
{
    struct ipf_cfm old = c->cfm;
    set_cfm(c, (struct ipf_cfm){ 0 });
    rse_advance(c, old.sof);
    return BIT(63) | cfm_pack(&old);
}
/* Virtualized at level 0 only (SDM vol. 3, cover). */
HANDLER(ia_cover)
{
    if (unlikely(op->cause) && !cpl(c))
        return virtualized(c, op);
    uint64_t ifs = ipf_cover(c);
    if (!(c->psr & PSR_IC))
        c->cr[CR_IFS] = ifs;
    NEXT(c, op);
}
/* The page of the instruction says which level it promotes to, in physical mode level 0. */
HANDLER(ia_epc)
{
    struct ipf_translation room;
    const struct ipf_translation *t = NULL;
    if (c->ar[AR_PFS] >> 62 < cpl(c))
        return illegal_operation(c, op);
    if (c->psr & PSR_IT && !(t = ipf_search(c, IPF_INSTRUCTIONS, op_ip(c, op), ISR_X, &room)))
        return data_fault(c, op);
    unsigned level = !t ? 0 : t->ar == 7 && t->pl < cpl(c) ? t->pl : cpl(c);
    c->psr = (c->psr & ~PSR_CPL) | (uint64_t)level << PSR_CPL_SHIFT;
    ipf_mode_changed(c);
    return leave_behind(c, op);
}

#define PSR_DERIVED (PSR_PK | PSR_DB) /* that what is cached of translations depends on */

void ipf_return_to(struct ipf_cpu *c, uint64_t ip, uint64_t psr, uint64_t ifs)
{
    uint64_t before = c->psr;
    if (!c->vti.enabled)
        psr &= ~PSR_VM;
    if (ifs >> 63) {
        struct ipf_cfm m = cfm_unpack(ifs);
        rse_retreat(c, m.sof);
        set_cfm(c, m);
    } else if (c->dirty < 0) {
        c->attention |= ATTENTION_FRAME;
    }
    ipf_switch_bank(c, psr & PSR_BN);
    c->psr = psr & ~PSR_RI;
    if ((before ^ psr) & PSR_DERIVED)
        ipf_flush(c);
    ipf_mode_changed(c);
    rse_try_fill(c);
    c->ip = ip & ~UINT64_C(15);
    c->slot = bits(psr, 42, 41) % 3;
}
/* SDM vol. 3, rfi.  An instruction executed with PSR.ic = 0 is none that CR.IIPA knows of. */
HANDLER(ia_rfi)
{
    if (cpl(c))
        return privileged_operation(c, op, 0);
    VIRTUALIZED_HERE(c, op);
    if (c->cr[CR_IPSR] & PSR_IS)
        return not_modelled(c, op, "the IA-32 instruction set (rfi)");
    c->last_ip = c->psr & PSR_IC ? op_ip(c, op) : IPF_NO_LAST;
    ipf_return_to(c, c->cr[CR_IIP], c->cr[CR_IPSR], c->cr[CR_IFS]);
    return op->index + 1u;
}

/* SDM vol. 3, vmsw: only on a page that is for execution and promotion, and if nobody disabled it.
 */
static bool vmsw_permitted(const struct ipf_cpu *c, const struct ipf_translation *t)
{
    enum { EXECUTE_AND_PROMOTE = 7 };
    const struct ipf_vti *v = &c->vti;
    bool disabled = !v->enabled || !v->vmsw_enabled || (v->vp && v->vp->vdc & VDC_D_VMSW);
    return t && t->ar == EXECUTE_AND_PROMOTE && !disabled;
}
static unsigned vmsw(struct ipf_cpu *c, const struct ipf_op *op, uint64_t vm)
{
    struct ipf_translation room;
    const struct ipf_translation *t = NULL;
    if (!c->vti.implemented)
        return illegal_operation(c, op);
    if (cpl(c))
        return privileged_operation(c, op, 0);
    if (c->psr & PSR_IT && !(t = ipf_search(c, IPF_INSTRUCTIONS, op_ip(c, op), ISR_X, &room)))
        return data_fault(c, op);
    if (!vmsw_permitted(c, t))
        return virtualization_fault(c, op, CAUSE_VMSW);
    c->psr = (c->psr & ~PSR_VM) | vm;
    ipf_mode_changed(c);
    return leave_behind(c, op);
}
HANDLER(ia_vmsw_0) { return vmsw(c, op, 0); }
HANDLER(ia_vmsw_1) { return vmsw(c, op, PSR_VM); }

HANDLER(ia_flushrs)
{
    if (!rse_flush(c))
        return data_fault(c, op);
    NEXT(c, op);
}
HANDLER(ia_loadrs)
{
    uint64_t rsc = c->ar[AR_RSC];
    if (rsc & 3 || (c->cfm.sof && rsc >> 16 & 0x3fff) || !rse_load_fits(c))
        return illegal_operation(c, op);
    if (!rse_load(c))
        return data_fault(c, op);
    NEXT(c, op);
}

/* ---- checks: to recovery code if a speculation failed ---- */

HANDLER(ia_chk_s_gr)
{
    IF_PREDICATE(c, op);
    if (gr(c, op->r2)->nat)
        return branch_to(c, op, target_of(c, op));
    NEXT(c, op);
}
HANDLER(ia_chk_s_fr)
{
    IF_PREDICATE(c, op);
    const struct ipf_fr *f = fr(c, op->r2);
    FP_REGISTERS(c, op, op->r2, 0, 0, 0);
    if (float_is_natval(f))
        return branch_to(c, op, target_of(c, op));
    NEXT(c, op);
}
#define CHECK_ADVANCED(name, is_fr, clear)                                                         \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        if (!alat_check(c, op->r1, is_fr, clear))                                                  \
            return branch_to(c, op, target_of(c, op));                                             \
        NEXT(c, op);                                                                               \
    }
CHECK_ADVANCED(ia_chk_a_nc_gr, false, false)
CHECK_ADVANCED(ia_chk_a_clr_gr, false, true)
CHECK_ADVANCED(ia_chk_a_nc_fr, true, false)
CHECK_ADVANCED(ia_chk_a_clr_fr, true, true)
HANDLER(ia_invala)
{
    IF_PREDICATE(c, op);
    alat_clear(c);
    NEXT(c, op);
}
HANDLER(ia_invala_e_gr)
{
    IF_PREDICATE(c, op);
    alat_invalidate(c, op->r1, false);
    NEXT(c, op);
}
HANDLER(ia_invala_e_fr)
{
    IF_PREDICATE(c, op);
    alat_invalidate(c, op->r1, true);
    NEXT(c, op);
}

/* ---- break, nop, and what the decoder puts where there is no instruction ---- */

/* Firmware's entry points are breaks in its own memory, those of PAL's services in memory that a
 * monitor gave it. */
static bool is_firmware(const struct ipf_cpu *c, uint64_t pa)
{
    return (pa >= c->firmware_base && pa < c->firmware_end) ||
           (pa >= c->service_base && pa < c->service_end);
}
static enum ipf_called firmware_call(struct ipf_cpu *c, const struct ipf_op *op)
{
    enum { FIRMWARE_BREAK = 0x100000 };
    uint64_t pa, number = (uint64_t)op->imm;
    if (!c->firmware || number < FIRMWARE_BREAK || ipf_translate_code(c, op_ip(c, op), &pa))
        return FIRMWARE_NONE;
    if (!is_firmware(c, pa))
        return FIRMWARE_NONE;
    if (ipf_repeat_alone(c))
        return FIRMWARE_FAULTS;
    return c->firmware(c->firmware_user, c, number - FIRMWARE_BREAK);
}
/* Of the immediate bits 20:0 are reported, of break.b (arg 1) none (SDM vol. 3, break).  The
 * firmware and the simulator that a virtual machine calls are its monitor's. */
HANDLER(ia_break)
{
    IF_PREDICATE(c, op);
    uint64_t immediate = op->arg ? 0 : bits((uint64_t)op->imm, 20, 0);
    uint64_t last_ip = c->psr & PSR_IC ? op_ip(c, op) : IPF_NO_LAST;
    if (c->psr & PSR_VM)
        return break_instruction(c, op, immediate);
    switch (firmware_call(c, op)) {
    case FIRMWARE_DONE: return leave_behind(c, op);
    case FIRMWARE_GOES: c->last_ip = last_ip; return op->index + 1u;
    case FIRMWARE_FAULTS: return data_fault(c, op);
    case FIRMWARE_NONE: break;
    }
    if (c->ssc && ipf_repeat_alone(c))
        return data_fault(c, op);
    if (c->ssc && c->ssc(c->ssc_user, c, (uint64_t)op->imm))
        return leave_behind(c, op);
    return break_instruction(c, op, immediate);
}
/* nop, hint, brp, fences: one processor sees its accesses in order. */
HANDLER(ia_nop) { NEXT(c, op); }
HANDLER(ia_srlz_i) { NEXT(c, op); }
HANDLER(ia_reserved)
{
    IF_PREDICATE(c, op);
    return illegal_operation(c, op);
}
/* The end of a block: not an operation of its own. */
HANDLER(ia_end)
{
    c->last_ip = op_ip(c, in_block(c, op) - 1);
    c->ip = op_ip(c, op);
    c->slot = op->slot;
    return op->index;
}
HANDLER(ia_end_on)
{
    struct ipf_way w = { op->index, op_ip(c, op) - 16, op_ip(c, op), op->slot };
    return go_on(c, op, w, true);
}
