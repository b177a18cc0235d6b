// SPDX-License-Identifier: Apache-2.0
// Shifts and rotates (SDM vol. 1, "Shift and Rotate Instructions").
//
// A masked count of 0 changes no flag.  OF is defined for counts of 1 only; Intel processors set it
// by the first one-bit step whatever the count is (ROL and ROR of registers by imm8 apart), and
// shifts clear AF. So it is here.
#include "cpu/access.h"
#include "cpu/ops.h"

/* The count of a group 2 instruction: 1 (opcodes D0, D1), imm8 or CL, masked to 5 bits, or 6 with
 * 64-bit operands. */
static unsigned shift_count(const struct cpu *c, const struct insn *i)
{
    uint64_t count = c->gpr[RCX];
    if ((i->opcode & 0xfe) == 0xd0)
        count = 1;
    else if (i->shape >> 2 == SRC_IMM)
        count = i->imm;
    return count & (i->size == 8 ? 63 : 31);
}

static bool msb(uint64_t v, unsigned size)
{
    return v >> (8 * size - 1) & 1;
}
/* The two most significant bits differ. */
static bool msbs_differ(uint64_t v, unsigned size)
{
    return msb(v ^ v << 1, size);
}

enum outcome op_shl(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    unsigned n = shift_count(c, i), width = 8 * i->size;
    uint64_t r = d.value << n;
    bool cf = n != 0 && n <= width && (d.value >> (width - n) & 1);
    if (n)
        flags_shift(c, r, i->size, cf, msbs_differ(d.value, i->size));
    rmw_write(c, &d, r);
    return RETIRED;
}

enum outcome op_shr(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    unsigned n = shift_count(c, i);
    uint64_t r = d.value >> n;
    if (n)
        flags_shift(c, r, i->size, d.value >> (n - 1) & 1, msb(d.value, i->size));
    rmw_write(c, &d, r);
    return RETIRED;
}

enum outcome op_sar(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    unsigned n = shift_count(c, i);
    int64_t v = sign_extend(d.value, i->size);
    uint64_t r = (uint64_t)(v >> n);
    if (n)
        flags_shift(c, r, i->size, v >> (n - 1) & 1, false);
    rmw_write(c, &d, r);
    return RETIRED;
}

/* ROL and ROR of a register by an immediate other than 1 leave OF alone; the other forms set it as
 * if the count were 1. */
static bool rotate_of(const struct cpu *c, const struct insn *i, unsigned n, bool of)
{
    return i->shape >> 2 == SRC_IMM && !insn_is_mem(i) && n != 1 ? lazy_of(c->aux) : of;
}

/* Rotates change CF and OF only.  ROL and ROR by a multiple of the width still set them. */
enum outcome op_rol(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    unsigned n = shift_count(c, i), width = 8 * i->size, k = n % width;
    uint64_t r = k ? d.value << k | d.value >> (width - k) : d.value;
    if (n)
        flags_set_cf_of(c, r & 1, rotate_of(c, i, n, msbs_differ(d.value, i->size)));
    rmw_write(c, &d, r);
    return RETIRED;
}

enum outcome op_ror(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    unsigned n = shift_count(c, i), width = 8 * i->size, k = n % width;
    uint64_t r = k ? d.value >> k | d.value << (width - k) : d.value;
    if (n)
        flags_set_cf_of(c, msb(r, i->size),
                        rotate_of(c, i, n, msb(d.value, i->size) ^ (d.value & 1)));
    rmw_write(c, &d, r);
    return RETIRED;
}

/* RCL and RCR rotate width + 1 bits: counts are modulo 9 and 17 for bytes and words. */
static unsigned rotate_carry_count(const struct cpu *c, const struct insn *i)
{
    unsigned n = shift_count(c, i);
    return i->size < 4 ? n % (8 * i->size + 1) : n;
}

enum outcome op_rcl(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    unsigned n = rotate_carry_count(c, i), width = 8 * i->size;
    uint64_t r = d.value;
    if (n) {
        r = d.value << n | (uint64_t)flag_cf(c) << (n - 1);
        if (n > 1)
            r |= d.value >> (width + 1 - n);
        flags_set_cf_of(c, d.value >> (width - n) & 1, msbs_differ(d.value, i->size));
    }
    rmw_write(c, &d, r);
    return RETIRED;
}

enum outcome op_rcr(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    unsigned n = rotate_carry_count(c, i), width = 8 * i->size;
    uint64_t r = d.value;
    if (n) {
        r = d.value >> n | (uint64_t)flag_cf(c) << (width - n);
        if (n > 1)
            r |= d.value << (width + 1 - n);
        flags_set_cf_of(c, d.value >> (n - 1) & 1, msb(d.value, i->size) ^ flag_cf(c));
    }
    rmw_write(c, &d, r);
    return RETIRED;
}

/* ---- double shifts: opcodes A4, AC take imm8, A5, AD take CL ---- */

static unsigned double_shift_count(const struct cpu *c, const struct insn *i)
{
    uint64_t count = i->opcode & 1 ? c->gpr[RCX] : i->imm;
    return count & (i->size == 8 ? 63 : 31);
}

/* Words with counts above 16 are undefined; Intel processors shift dest:src:dest. */
static uint64_t shld(uint64_t d, uint64_t s, unsigned n, unsigned size, bool *cf)
{
    unsigned width = 8 * size;
    if (size == 2) {
        uint64_t wide = d << 32 | s << 16 | d;
        *cf = wide >> (48 - n) & 1;
        return wide << n >> 32 & 0xffff;
    }
    *cf = d >> (width - n) & 1;
    return d << n | s >> (width - n);
}

static uint64_t shrd(uint64_t d, uint64_t s, unsigned n, unsigned size, bool *cf)
{
    unsigned width = 8 * size;
    if (size == 2) {
        uint64_t wide = d << 32 | s << 16 | d;
        *cf = wide >> (n - 1) & 1;
        return wide >> n & 0xffff;
    }
    *cf = d >> (n - 1) & 1;
    return d >> n | s << (width - n);
}

enum outcome op_shld(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    unsigned n = double_shift_count(c, i);
    uint64_t r = d.value;
    bool cf;
    if (n) {
        r = shld(d.value, reg_read(c, i->reg, i->size), n, i->size, &cf);
        flags_shift(c, r, i->size, cf, msbs_differ(d.value, i->size));
    }
    rmw_write(c, &d, r);
    return RETIRED;
}

enum outcome op_shrd(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    unsigned n = double_shift_count(c, i);
    uint64_t r = d.value, s = reg_read(c, i->reg, i->size);
    bool cf;
    if (n) {
        r = shrd(d.value, s, n, i->size, &cf);
        flags_shift(c, r, i->size, cf, msb(d.value, i->size) ^ (s & 1));
    }
    rmw_write(c, &d, r);
    return RETIRED;
}
