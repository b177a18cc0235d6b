// SPDX-License-Identifier: Apache-2.0
// Multiplication and division.  The double-width operand is AX for bytes, rDX:rAX otherwise.
#include "cpu/access.h"
#include "cpu/ops.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

static u128 double_read(const struct cpu *c, unsigned size)
{
    if (size == 1)
        return c->gpr[RAX] & 0xffff;
    return (u128)reg_read(c, RDX, size) << (8 * size) | reg_read(c, RAX, size);
}
static void double_write(struct cpu *c, unsigned size, u128 v)
{
    if (size == 1) {
        reg_write(c, RAX, 2, (uint64_t)v);
        return;
    }
    reg_write(c, RAX, size, (uint64_t)v);
    reg_write(c, RDX, size, (uint64_t)(v >> (8 * size)));
}

/* CF = OF = `over`.  The others are undefined; on Intel processors SF and PF are those of the low
 * half, ZF = AF = 0. */
static void product_flags(struct cpu *c, uint64_t low, unsigned size, bool over)
{
    flags_shift(c, low, size, over, over);
    if (c->res == 0)
        flags_replace(c, FLAG_ZF, 0);
}

enum outcome op_mul(struct cpu *c, const struct insn *i)
{
    uint64_t s;
    FAULT_IF(!rm_read(c, i, i->size, &s));
    u128 product = (u128)reg_read(c, RAX, i->size) * s;
    bool high = product >> (8 * i->size) != 0;
    double_write(c, i->size, product);
    product_flags(c, (uint64_t)product, i->size, high);
    return RETIRED;
}

/* The full product, and its flags: CF = OF = it does not fit in the low half. */
static s128 signed_product(struct cpu *c, uint64_t a, uint64_t b, unsigned size)
{
    s128 product = (s128)sign_extend(a, size) * sign_extend(b, size);
    bool over = product != sign_extend((uint64_t)product, size);
    product_flags(c, (uint64_t)product, size, over);
    return product;
}

enum outcome op_imul_acc(struct cpu *c, const struct insn *i)
{
    uint64_t s;
    FAULT_IF(!rm_read(c, i, i->size, &s));
    double_write(c, i->size, (u128)signed_product(c, c->gpr[RAX], s, i->size));
    return RETIRED;
}

enum outcome op_imul(struct cpu *c, const struct insn *i)
{
    uint64_t s;
    FAULT_IF(!rm_read(c, i, i->size, &s));
    reg_write(c, i->reg, i->size, (uint64_t)signed_product(c, c->gpr[i->reg], s, i->size));
    return RETIRED;
}

enum outcome op_imul_imm(struct cpu *c, const struct insn *i)
{
    uint64_t s;
    FAULT_IF(!rm_read(c, i, i->size, &s));
    reg_write(c, i->reg, i->size, (uint64_t)signed_product(c, s, i->imm, i->size));
    return RETIRED;
}

/* Division of magnitudes; false if the divisor is 0 or the quotient exceeds `limit`. */
static bool divide(u128 dividend, uint64_t divisor, uint64_t limit, uint64_t *q, uint64_t *r)
{
    if (divisor == 0)
        return false;
    if (likely(dividend >> 64 == 0)) {
        *q = (uint64_t)dividend / divisor;
        *r = (uint64_t)dividend % divisor;
        return *q <= limit;
    }
    u128 quotient = dividend / divisor;
    *q = (uint64_t)quotient;
    *r = (uint64_t)(dividend % divisor);
    return quotient <= limit;
}
static void quotient_write(struct cpu *c, unsigned size, uint64_t q, uint64_t r)
{
    if (size == 1) {
        reg_write(c, RAX, 2, (q & 0xff) | (r & 0xff) << 8);
        return;
    }
    reg_write(c, RAX, size, q);
    reg_write(c, RDX, size, r);
}

/* The flags are undefined after divisions; Intel processors leave them. */
enum outcome op_div(struct cpu *c, const struct insn *i)
{
    uint64_t s, q, r;
    FAULT_IF(!rm_read(c, i, i->size, &s));
    if (!divide(double_read(c, i->size), s, size_mask(i->size), &q, &r))
        return cpu_raise(c, EXC_DE);
    quotient_write(c, i->size, q, r);
    return RETIRED;
}

/* The quotient truncates towards 0, the remainder has the dividend's sign. */
enum outcome op_idiv(struct cpu *c, const struct insn *i)
{
    uint64_t s, q, r, max = size_mask(i->size) >> 1;
    FAULT_IF(!rm_read(c, i, i->size, &s));
    unsigned spare = 128 - (i->size == 1 ? 16 : 16 * i->size);
    s128 dividend = (s128)(double_read(c, i->size) << spare) >> spare;
    int64_t divisor = sign_extend(s, i->size);
    bool minus = dividend < 0, negative = minus != (divisor < 0);
    u128 magnitude = minus ? -(u128)dividend : (u128)dividend;
    uint64_t by = divisor < 0 ? -(uint64_t)divisor : (uint64_t)divisor;
    if (!divide(magnitude, by, max + negative, &q, &r))
        return cpu_raise(c, EXC_DE);
    quotient_write(c, i->size, negative ? -q : q, minus ? -r : r);
    return RETIRED;
}
