// SPDX-License-Identifier: Apache-2.0
// Packed shifts; MMX and XMM alike.  The count is an immediate, or 64 bits of the source operand.
#include "cpu/ops.h"
#include "cpu/sse.h"

/* A count of the lane's width or more gives zeros, or the sign for arithmetic shifts. */
static uint64_t shift_lane(uint64_t v, unsigned width, uint64_t count, bool left, bool arithmetic)
{
    if (arithmetic)
        return (uint64_t)(sign_extend(v, width / 8) >> (count < width ? count : width - 1));
    if (count >= width)
        return 0;
    return left ? v << count : v >> count;
}

static void shift_lanes(union xmm *d, unsigned width, uint64_t count, bool left, bool arithmetic)
{
    for (unsigned k = 0; k < 16; k += width / 8) {
        uint64_t v = 0;
        memcpy(&v, &d->b[k], width / 8);
        v = shift_lane(v, width, count, left, arithmetic);
        memcpy(&d->b[k], &v, width / 8);
    }
}

/* The shift of opcodes 71 to 73 /2 /4 /6, and of D1-D3, E1-E2, F1-F3. */
static enum outcome shift(struct cpu *c, const struct insn *i, unsigned width, bool left,
                          bool arithmetic)
{
    bool immediate = i->opcode < 0x80, wide = insn_is_xmm(i);
    unsigned n = immediate ? i->rm : i->reg;
    union xmm s = { .q = { i->imm, 0 } };
    if (wide) {
        FAULT_IF(!immediate && !xmm_source(c, i, &s));
        shift_lanes(&c->fpu.xmm[n & 15], width, s.q[0], left, arithmetic);
        return RETIRED;
    }
    MMX_CHECK(c);
    FAULT_IF(!immediate && !mmx_read_rm(c, i, 8, &s.q[0]));
    union xmm d = { .q = { mmx_read(c, n), 0 } };
    shift_lanes(&d, width, s.q[0], left, arithmetic);
    fpu_enter_mmx(c);
    mmx_write(c, n, d.q[0]);
    return RETIRED;
}

enum outcome op_psrlw(struct cpu *c, const struct insn *i) { return shift(c, i, 16, false, false); }
enum outcome op_psrld(struct cpu *c, const struct insn *i) { return shift(c, i, 32, false, false); }
enum outcome op_psrlq(struct cpu *c, const struct insn *i) { return shift(c, i, 64, false, false); }
enum outcome op_psraw(struct cpu *c, const struct insn *i) { return shift(c, i, 16, false, true); }
enum outcome op_psrad(struct cpu *c, const struct insn *i) { return shift(c, i, 32, false, true); }
enum outcome op_psllw(struct cpu *c, const struct insn *i) { return shift(c, i, 16, true, false); }
enum outcome op_pslld(struct cpu *c, const struct insn *i) { return shift(c, i, 32, true, false); }
enum outcome op_psllq(struct cpu *c, const struct insn *i) { return shift(c, i, 64, true, false); }

/* Shifts of the whole register by bytes. */
enum outcome op_psrldq(struct cpu *c, const struct insn *i)
{
    union xmm *d = &c->fpu.xmm[i->rm & 15], a = *d;
    for (unsigned k = 0; k < 16; k++)
        d->b[k] = k + i->imm < 16 ? a.b[k + i->imm] : 0;
    return RETIRED;
}
enum outcome op_pslldq(struct cpu *c, const struct insn *i)
{
    union xmm *d = &c->fpu.xmm[i->rm & 15], a = *d;
    for (unsigned k = 0; k < 16; k++)
        d->b[k] = k >= i->imm ? a.b[k - i->imm] : 0;
    return RETIRED;
}
