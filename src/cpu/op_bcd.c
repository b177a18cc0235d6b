// SPDX-License-Identifier: Apache-2.0
// Decimal arithmetic (SDM vol. 1, "Decimal Arithmetic Instructions"); not in 64-bit mode.
#include "cpu/access.h"
#include "cpu/ops.h"

/* SF, ZF and PF by AL; AF and CF as given; OF = 0 (undefined). */
static void decimal_flags(struct cpu *c, uint8_t al, bool af, bool cf)
{
    flags_logic(c, al, 1);
    c->aux = (af ? AUX_AF : 0) | (uint64_t)cf << 1 | (uint64_t)cf;
}

enum outcome op_daa(struct cpu *c, const struct insn *i)
{
    uint8_t al = (uint8_t)c->gpr[RAX], sum = al;
    bool af = (al & 15) > 9 || lazy_af(c->aux);
    bool cf = al > 0x99 || flag_cf(c);
    sum = (uint8_t)(sum + (af ? 6 : 0) + (cf ? 0x60 : 0));
    reg_write(c, RAX, 1, sum);
    decimal_flags(c, sum, af, cf);
    return RETIRED;
}

/* The borrow of the low digit's correction counts too. */
enum outcome op_das(struct cpu *c, const struct insn *i)
{
    uint8_t al = (uint8_t)c->gpr[RAX], difference = al;
    bool af = (al & 15) > 9 || lazy_af(c->aux);
    bool high = al > 0x99 || flag_cf(c);
    bool cf = high || (af && al < 6);
    difference = (uint8_t)(difference - (af ? 6 : 0) - (high ? 0x60 : 0));
    reg_write(c, RAX, 1, difference);
    decimal_flags(c, difference, af, cf);
    return RETIRED;
}

static enum outcome ascii_adjust(struct cpu *c, unsigned adjustment)
{
    bool adjust = (c->gpr[RAX] & 15) > 9 || lazy_af(c->aux);
    uint64_t ax = c->gpr[RAX] + (adjust ? adjustment : 0);
    reg_write(c, RAX, 2, ax & 0xff0f);
    decimal_flags(c, (uint8_t)(ax & 15), adjust, adjust);
    return RETIRED;
}

/* AAS subtracts 6 from AX, then 1 from AH. */
enum outcome op_aaa(struct cpu *c, const struct insn *i) { return ascii_adjust(c, 0x106); }
enum outcome op_aas(struct cpu *c, const struct insn *i) { return ascii_adjust(c, -0x106u); }

enum outcome op_aam(struct cpu *c, const struct insn *i)
{
    uint8_t al = (uint8_t)c->gpr[RAX], base = (uint8_t)i->imm;
    if (base == 0)
        return cpu_raise(c, EXC_DE);
    reg_write(c, RAX, 2, (uint64_t)(al / base) << 8 | al % base);
    flags_logic(c, al % base, 1);
    return RETIRED;
}

/* CF, AF and OF are undefined: on Intel processors, those of the 8-bit addition. */
enum outcome op_aad(struct cpu *c, const struct insn *i)
{
    uint64_t al = c->gpr[RAX] & 0xff, tens = (c->gpr[RAX] >> 8 & 0xff) * i->imm & 0xff;
    flags_add(c, al, tens, 0, 1);
    reg_write(c, RAX, 2, c->res & 0xff);
    return RETIRED;
}

/* Undocumented until lately: AL = CF ? FFH : 0, no flags. */
enum outcome op_salc(struct cpu *c, const struct insn *i)
{
    reg_write(c, RAX, 1, flag_cf(c) ? 0xff : 0);
    return RETIRED;
}
