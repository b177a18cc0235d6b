// SPDX-License-Identifier: Apache-2.0
// Integer addition, subtraction and logic (SDM vol. 1, "Binary Arithmetic Instructions", "Logical
// Instructions").
#include "cpu/access.h"
#include "cpu/ops.h"

enum outcome op_add(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    uint64_t s;
    FAULT_IF(!src_read(c, i, &s) || !dst_rmw(c, i, &d));
    flags_add(c, d.value, s, 0, i->size);
    rmw_write(c, &d, c->res);
    return RETIRED;
}

enum outcome op_adc(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    uint64_t s;
    FAULT_IF(!src_read(c, i, &s) || !dst_rmw(c, i, &d));
    flags_add(c, d.value, s, flag_cf(c), i->size);
    rmw_write(c, &d, c->res);
    return RETIRED;
}

enum outcome op_sub(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    uint64_t s;
    FAULT_IF(!src_read(c, i, &s) || !dst_rmw(c, i, &d));
    flags_sub(c, d.value, s, 0, i->size);
    rmw_write(c, &d, c->res);
    return RETIRED;
}

enum outcome op_sbb(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    uint64_t s;
    FAULT_IF(!src_read(c, i, &s) || !dst_rmw(c, i, &d));
    flags_sub(c, d.value, s, flag_cf(c), i->size);
    rmw_write(c, &d, c->res);
    return RETIRED;
}

enum outcome op_cmp(struct cpu *c, const struct insn *i)
{
    uint64_t d, s;
    FAULT_IF(!src_read(c, i, &s) || !dst_read(c, i, &d));
    flags_sub(c, d, s, 0, i->size);
    return RETIRED;
}

enum outcome op_and(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    uint64_t s;
    FAULT_IF(!src_read(c, i, &s) || !dst_rmw(c, i, &d));
    flags_logic(c, d.value & s, i->size);
    rmw_write(c, &d, c->res);
    return RETIRED;
}

enum outcome op_or(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    uint64_t s;
    FAULT_IF(!src_read(c, i, &s) || !dst_rmw(c, i, &d));
    flags_logic(c, d.value | s, i->size);
    rmw_write(c, &d, c->res);
    return RETIRED;
}

enum outcome op_xor(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    uint64_t s;
    FAULT_IF(!src_read(c, i, &s) || !dst_rmw(c, i, &d));
    flags_logic(c, d.value ^ s, i->size);
    rmw_write(c, &d, c->res);
    return RETIRED;
}

enum outcome op_test(struct cpu *c, const struct insn *i)
{
    uint64_t d, s;
    FAULT_IF(!src_read(c, i, &s) || !dst_read(c, i, &d));
    flags_logic(c, d & s, i->size);
    return RETIRED;
}

/* INC and DEC keep CF. */
enum outcome op_inc(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    bool cf = flag_cf(c);
    flags_add(c, d.value, 1, 0, i->size);
    flags_set_cf(c, cf);
    rmw_write(c, &d, c->res);
    return RETIRED;
}

enum outcome op_dec(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    bool cf = flag_cf(c);
    flags_sub(c, d.value, 1, 0, i->size);
    flags_set_cf(c, cf);
    rmw_write(c, &d, c->res);
    return RETIRED;
}

enum outcome op_neg(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    flags_sub(c, 0, d.value, 0, i->size);
    rmw_write(c, &d, c->res);
    return RETIRED;
}

enum outcome op_not(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    rmw_write(c, &d, ~d.value);
    return RETIRED;
}

/* The sum of two operands and a carry bit; *carry becomes the carry out of the operand size. */
static uint64_t add_carry(uint64_t a, uint64_t b, bool *carry, unsigned size)
{
    uint64_t r = a + b + *carry;
    *carry = carries_of_add(a, b, r) >> (8 * size - 1) & 1;
    return r;
}

enum outcome op_adcx(struct cpu *c, const struct insn *i)
{
    uint64_t s;
    bool cf = flag_cf(c);
    FAULT_IF(!src_read(c, i, &s));
    uint64_t r = add_carry(reg_read(c, i->reg, i->size), s, &cf, i->size);
    flags_set_cf(c, cf);
    reg_write(c, i->reg, i->size, r);
    return RETIRED;
}

enum outcome op_adox(struct cpu *c, const struct insn *i)
{
    uint64_t s;
    bool of = lazy_of(c->aux);
    FAULT_IF(!src_read(c, i, &s));
    uint64_t r = add_carry(reg_read(c, i->reg, i->size), s, &of, i->size);
    flags_set_cf_of(c, flag_cf(c), of);
    reg_write(c, i->reg, i->size, r);
    return RETIRED;
}
