// SPDX-License-Identifier: Apache-2.0
// SSE4.2 string comparison: PCMPxSTRx (SDM vol. 2, "Imm8 Control Byte Operation for PCMPESTRI /
// PCMPESTRM / PCMPISTRI / PCMPISTRM").  Lane j of the second operand (r/m) is compared with lanes
// of the first.
#include "cpu/ops.h"
#include "cpu/sse.h"

enum { EQUAL_ANY, RANGES, EQUAL_EACH, EQUAL_ORDERED };          /* imm8 3:2 */
enum { IMM_WORDS = 1 << 0, IMM_SIGNED = 1 << 1, IMM_NEGATIVE = 1 << 4, IMM_MASKED = 1 << 5,
       IMM_HIGH = 1 << 6 };

struct operand {
    int32_t lane[16];
    unsigned length;          /* valid lanes */
};

static unsigned lane_count(uint64_t imm) { return imm & IMM_WORDS ? 8 : 16; }

static struct operand operand_of(const union xmm *v, uint64_t imm)
{
    struct operand o;
    unsigned n = lane_count(imm);
    o.length = n;
    for (unsigned k = 0; k < n; k++) {
        uint64_t raw = imm & IMM_WORDS ? v->w[k] : v->b[k];
        o.lane[k] = imm & IMM_SIGNED ? (int32_t)sign_extend(raw, 16 / n) : (int32_t)raw;
    }
    return o;
}

/* Implicit length: up to the first zero lane. */
static unsigned implicit_length(const struct operand *o, unsigned n)
{
    unsigned k = 0;
    while (k < n && o->lane[k] != 0)
        k++;
    return k;
}

/* Explicit length: the absolute value of a register, saturated. */
static unsigned explicit_length(uint64_t reg, unsigned size, unsigned n)
{
    int64_t v = sign_extend(reg, size);
    uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    return magnitude < n ? (unsigned)magnitude : n;
}

static bool equal_any(const struct operand *a, const struct operand *b, unsigned j)
{
    for (unsigned k = 0; k < a->length; k++)
        if (j < b->length && a->lane[k] == b->lane[j])
            return true;
    return false;
}
static bool in_ranges(const struct operand *a, const struct operand *b, unsigned j)
{
    for (unsigned k = 0; k + 1 < a->length; k += 2)
        if (j < b->length && a->lane[k] <= b->lane[j] && b->lane[j] <= a->lane[k + 1])
            return true;
    return false;
}
static bool equal_each(const struct operand *a, const struct operand *b, unsigned j)
{
    if (j >= a->length || j >= b->length)
        return j >= a->length && j >= b->length;
    return a->lane[j] == b->lane[j];
}
/* The first operand stands in the second from lane j on; lanes beyond the register are not looked
 * at. */
static bool equal_ordered(const struct operand *a, const struct operand *b, unsigned j, unsigned n)
{
    for (unsigned k = 0; k < a->length && j + k < n; k++)
        if (j + k >= b->length || a->lane[k] != b->lane[j + k])
            return false;
    return true;
}

/* IntRes2: the aggregated comparisons with their polarity. */
static unsigned compare(const struct operand *a, const struct operand *b, uint64_t imm)
{
    unsigned n = lane_count(imm), result = 0;
    for (unsigned j = 0; j < n; j++) {
        bool r;
        switch (imm >> 2 & 3) {
        case EQUAL_ANY: r = equal_any(a, b, j); break;
        case RANGES: r = in_ranges(a, b, j); break;
        case EQUAL_EACH: r = equal_each(a, b, j); break;
        default: r = equal_ordered(a, b, j, n); break;
        }
        if (imm & IMM_NEGATIVE && !(imm & IMM_MASKED && j >= b->length))
            r = !r;
        result |= (unsigned)r << j;
    }
    return result;
}

static void string_index(struct cpu *c, unsigned result, uint64_t imm)
{
    if (!result)
        c->gpr[RCX] = lane_count(imm);
    else
        c->gpr[RCX] =
            (uint64_t)(imm & IMM_HIGH ? 31 - __builtin_clz(result) : __builtin_ctz(result));
}
static void string_mask(struct cpu *c, unsigned result, uint64_t imm)
{
    union xmm *d = &c->fpu.xmm[0];
    *d = (union xmm){ .q = { result, 0 } };
    for (unsigned k = 0; imm & IMM_HIGH && k < lane_count(imm); k++) {
        if (imm & IMM_WORDS)
            d->w[k] = result >> k & 1 ? 0xffff : 0;
        else
            d->b[k] = result >> k & 1 ? 0xff : 0;
    }
}

static enum outcome string_op(struct cpu *c, const struct insn *i, bool explicit_lengths,
                              void (*deliver)(struct cpu *c, unsigned result, uint64_t imm))
{
    union xmm s;
    FAULT_IF(!xmm_read_rm(c, i, 16, 0, &s));
    struct operand a = operand_of(xmm_reg(c, i), i->imm), b = operand_of(&s, i->imm);
    unsigned n = lane_count(i->imm), size = i->prefix & PFX_REX_W ? 8 : 4;
    a.length = explicit_lengths ? explicit_length(c->gpr[RAX], size, n) : implicit_length(&a, n);
    b.length = explicit_lengths ? explicit_length(c->gpr[RDX], size, n) : implicit_length(&b, n);
    unsigned result = compare(&a, &b, i->imm);
    deliver(c, result, i->imm);
    flags_set_status(c, (result ? FLAG_CF : 0) | (b.length < n ? FLAG_ZF : 0) |
                        (a.length < n ? FLAG_SF : 0) | (result & 1 ? FLAG_OF : 0));
    return RETIRED;
}
enum outcome op_pcmpestrm(struct cpu *c, const struct insn *i)
{
    return string_op(c, i, true, string_mask);
}
enum outcome op_pcmpestri(struct cpu *c, const struct insn *i)
{
    return string_op(c, i, true, string_index);
}
enum outcome op_pcmpistrm(struct cpu *c, const struct insn *i)
{
    return string_op(c, i, false, string_mask);
}
enum outcome op_pcmpistri(struct cpu *c, const struct insn *i)
{
    return string_op(c, i, false, string_index);
}
