// SPDX-License-Identifier: Apache-2.0
#include "trace/replay.h"

#include <string.h>

#include "base/bits.h"

enum { CF = 1, PF = 4, AF = 16, ZF = 64, SF = 128, OF = 2048, STATUS = CF | PF | AF | ZF | SF | OF };

struct replay {
    struct replay_cpu *c;
    const struct trace_code *code;
    const struct trace_rule *r;
    uint64_t rip, next;
    unsigned tlb_slots;
    const uint64_t *load;
    struct replay_effect *out;
};

/* ---- operands ---- */

static uint64_t mask(unsigned size) { return size >= 8 ? ~UINT64_C(0) : BIT(8 * size) - 1; }

static uint64_t reg(const struct replay *p, unsigned r) { return p->c->reg[r][0]; }

static uint64_t reg_get(const struct replay *p, unsigned operand, unsigned size)
{
    if (operand >= OPERAND_XMM)
        return p->c->reg[(TREG_XMM0 + (operand & 15)) & 0xff][0] & mask(size);
    if (operand >= OPERAND_HIGH)
        return reg(p, operand & 3) >> 8 & 0xff;
    return reg(p, operand) & mask(size);
}

/* To be called before register `id` is written.  Each stands once, in the order of their numbers, with its
 * old value so far. */
static uint64_t *written(struct replay *p, unsigned id)
{
    struct replay_effect *o = p->out;
    unsigned k = 0;
    p->c->known[id] = true;
    while (k < o->registers_n && o->registers[k].id < id)
        k++;
    if (k < o->registers_n && o->registers[k].id == id)
        return p->c->reg[id];
    memmove(&o->registers[k + 1], &o->registers[k], (o->registers_n - k) * sizeof o->registers[0]);
    o->registers_n++;
    o->registers[k].id = (uint16_t)id;
    memcpy(o->registers[k].value, p->c->reg[id], sizeof o->registers[k].value);
    return p->c->reg[id];
}

/* Those that were written get their new values; those that have not changed go. */
static void keep_changed(struct replay *p)
{
    struct replay_effect *o = p->out;
    unsigned n = 0;
    for (unsigned k = 0; k < o->registers_n; k++) {
        struct trace_register *r = &o->registers[k];
        const uint64_t *now = p->c->reg[r->id];
        if (memcmp(r->value, now, sizeof r->value)) {
            memcpy(r->value, now, sizeof r->value);
            o->registers[n++] = *r;
        }
    }
    o->registers_n = n;
}

static void reg_set(struct replay *p, unsigned operand, unsigned size, uint64_t v)
{
    unsigned id = operand >= OPERAND_HIGH ? operand & 3 : operand;
    uint64_t *q = written(p, id);
    if (operand >= OPERAND_HIGH)
        *q = (*q & ~UINT64_C(0xff00)) | (v & 0xff) << 8;
    else
        *q = size >= 4 ? v & mask(size) : (*q & ~mask(size)) | (v & mask(size));
}

static uint64_t address(const struct replay *p)
{
    const struct trace_rule *r = p->r;
    uint64_t a = (uint64_t)r->disp;
    a += r->base < 16 ? reg(p, r->base) : r->base == BASE_RIP ? p->rip : 0;
    return a + (r->index < 16 ? reg(p, r->index) << (r->scale & 3) : 0);
}

/* What is read to be written is translated as the write is. */
static void tell_access(struct replay *p, uint64_t linear, unsigned size, bool write,
                        const uint64_t value[2])
{
    struct replay_effect *o = p->out;
    bool modifies = p->r->dst == OPERAND_MEMORY && p->r->kind != RULE_CMP && p->r->kind != RULE_TEST;
    unsigned array = 2 * p->c->view + (write || modifies);
    uint64_t page = p->c->page[array < TLB_ARRAYS ? array : 0][(linear >> 12) & (p->tlb_slots - 1)];
    memcpy(o->bytes[o->accesses_n], value, 16);
    o->accesses[o->accesses_n] = (struct trace_access){
        .linear = linear, .physical = page << 12 | (linear & 0xfff), .size = size, .write = write,
        .bytes = o->bytes[o->accesses_n],
    };
    o->accesses_n++;
}

static uint64_t load_from(struct replay *p, uint64_t linear, unsigned size)
{
    uint64_t v[2] = { p->load[0] & mask(size), size > 8 ? p->load[1] : 0 };
    tell_access(p, linear, size, false, v);
    return v[0];
}

static void store_to(struct replay *p, uint64_t linear, unsigned size, uint64_t value)
{
    uint64_t v[2] = { value & mask(size), 0 };
    tell_access(p, linear, size, true, v);
}

static uint64_t source(struct replay *p, unsigned size)
{
    switch (p->r->src) {
    case OPERAND_MEMORY: return load_from(p, address(p), size);
    case OPERAND_IMM: return p->r->imm & mask(size);
    case OPERAND_NONE: return 0;
    default: return reg_get(p, p->r->src, size);
    }
}

static uint64_t destination(struct replay *p, unsigned size)
{
    return p->r->dst == OPERAND_MEMORY ? load_from(p, address(p), size)
                                       : reg_get(p, p->r->dst, size);
}

static void put(struct replay *p, uint64_t v)
{
    if (p->r->dst == OPERAND_MEMORY)
        store_to(p, address(p), p->r->size, v);
    else
        reg_set(p, p->r->dst, p->r->size, v);
}

/* ---- flags ---- */

static uint64_t sign_of(uint64_t v, unsigned size) { return v >> (8 * size - 1) & 1; }

static uint64_t result_flags(uint64_t r, unsigned size)
{
    return (__builtin_parity((unsigned)r & 0xff) ? 0 : PF) | (r & mask(size) ? 0 : ZF) |
           (sign_of(r, size) ? SF : 0);
}

static void set_flags(struct replay *p, uint64_t which, uint64_t flags)
{
    uint64_t *f = written(p, TREG_RFLAGS);
    *f = (*f & ~which) | (flags & which);
}

/* From the carries out of every bit. */
static uint64_t carry_flags(uint64_t carries, unsigned size)
{
    uint64_t out = sign_of(carries, size), into = carries >> (8 * size - 2) & 1;
    return (out ? CF : 0) | (out != into ? OF : 0) | (carries & 8 ? AF : 0);
}

static uint64_t add(struct replay *p, uint64_t a, uint64_t b, uint64_t carry, uint64_t which)
{
    unsigned n = p->r->size;
    uint64_t r = (a + b + carry) & mask(n);
    set_flags(p, which, carry_flags((a & b) | ((a | b) & ~r), n) | result_flags(r, n));
    return r;
}

static uint64_t subtract(struct replay *p, uint64_t a, uint64_t b, uint64_t borrow, uint64_t which)
{
    unsigned n = p->r->size;
    uint64_t r = (a - b - borrow) & mask(n);
    set_flags(p, which, carry_flags((~a & b) | (~(a ^ b) & r), n) | result_flags(r, n));
    return r;
}

static uint64_t logic(struct replay *p, uint64_t r)
{
    set_flags(p, STATUS, result_flags(r, p->r->size));
    return r & mask(p->r->size);
}

static bool condition(uint64_t f, unsigned cc)
{
    bool v, less = !(f & SF) != !(f & OF);
    switch (cc >> 1 & 7) {
    case 0: v = f & OF; break;
    case 1: v = f & CF; break;
    case 2: v = f & ZF; break;
    case 3: v = f & (CF | ZF); break;
    case 4: v = f & SF; break;
    case 5: v = f & PF; break;
    case 6: v = less; break;
    default: v = f & ZF || less; break;
    }
    return v != (cc & 1);
}

/* ---- the rules ---- */

/* Destination first: memory is read once, and the flags are told after the result. */
static void arithmetic(struct replay *p)
{
    unsigned n = p->r->size, kind = p->r->kind;
    bool memory_source = p->r->src == OPERAND_MEMORY;
    uint64_t b = memory_source ? source(p, n) : 0, a = destination(p, n), r;
    uint64_t carry = reg(p, TREG_RFLAGS) & CF;
    b = memory_source ? b : source(p, n);
    switch (kind) {
    case RULE_ADD: r = add(p, a, b, 0, STATUS); break;
    case RULE_ADC: r = add(p, a, b, carry, STATUS); break;
    case RULE_SUB: case RULE_CMP: r = subtract(p, a, b, 0, STATUS); break;
    case RULE_SBB: r = subtract(p, a, b, carry, STATUS); break;
    case RULE_INC: r = add(p, a, 1, 0, STATUS & ~CF); break;
    case RULE_DEC: r = subtract(p, a, 1, 0, STATUS & ~CF); break;
    case RULE_NEG: r = subtract(p, 0, a, 0, STATUS); break;
    case RULE_OR: r = logic(p, a | b); break;
    case RULE_XOR: r = logic(p, a ^ b); break;
    default: r = logic(p, a & b); break;
    }
    if (kind != RULE_CMP && kind != RULE_TEST)
        put(p, r);
}

static uint64_t sign_extended(uint64_t v, unsigned size)
{
    return size >= 8 ? v : (uint64_t)((int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size));
}

/* CF = OF: the product does not fit; ZF and AF are clear, SF and PF are those of the result. */
static void multiply(struct replay *p)
{
    unsigned n = p->r->size;
    int64_t a = (int64_t)sign_extended(source(p, n), n);
    int64_t b = (int64_t)sign_extended(p->r->has_imm ? p->r->imm : reg_get(p, p->r->dst, n), n);
    __int128 whole = (__int128)a * b;
    uint64_t r = (uint64_t)whole & mask(n);
    bool lost = (__int128)(int64_t)sign_extended(r, n) != whole;
    set_flags(p, STATUS, (result_flags(r, n) & (SF | PF)) | (lost ? CF | OF : 0));
    put(p, r);
}

/* By 1 to width - 1; OF as for a count of 1.  Rotates change CF alone. */
static void shift(struct replay *p)
{
    unsigned n = p->r->size, w = 8 * n, k = (unsigned)p->r->imm & (w - 1), kind = p->r->kind;
    uint64_t a = destination(p, n), r, cf, of = 0;
    k = k ? k : 1;
    switch (kind) {
    case RULE_SHL: r = a << k; cf = a >> (w - k) & 1; of = sign_of(a ^ a << 1, n); break;
    case RULE_SHR: r = a >> k; cf = a >> (k - 1) & 1; of = sign_of(a, n); break;
    case RULE_SAR:
        r = (uint64_t)((int64_t)sign_extended(a, n) >> k);
        cf = (uint64_t)((int64_t)sign_extended(a, n) >> (k - 1)) & 1;
        break;
    case RULE_ROL: r = a << k | a >> (w - k); cf = r & 1; break;
    default: r = a >> k | a << (w - k); cf = sign_of(r, n); break;
    }
    r &= mask(n);
    if (kind == RULE_ROL || kind == RULE_ROR)
        set_flags(p, CF, cf ? CF : 0);
    else
        set_flags(p, STATUS, result_flags(r, n) | (cf ? CF : 0) | (of ? OF : 0));
    put(p, r);
}

static void push(struct replay *p, uint64_t v)
{
    store_to(p, reg(p, TREG_RSP) - 8, 8, v);
    reg_set(p, TREG_RSP, 8, reg(p, TREG_RSP) - 8);
}

static void stack(struct replay *p)
{
    uint64_t v;
    switch (p->r->kind) {
    case RULE_PUSH: push(p, source(p, 8)); return;
    case RULE_CALL: source(p, 8); push(p, p->next); return;
    case RULE_LEAVE:
        v = load_from(p, reg(p, TREG_RBP), 8);
        reg_set(p, TREG_RSP, 8, reg(p, TREG_RBP) + 8);
        reg_set(p, TREG_RBP, 8, v);
        return;
    default:
        v = load_from(p, reg(p, TREG_RSP), 8);
        reg_set(p, TREG_RSP, 8, reg(p, TREG_RSP) + 8);
        if (p->r->kind == RULE_POP)
            reg_set(p, p->r->dst, 8, v);
        return;
    }
}

/* Moves between XMM registers and memory, of 4, 8 and 16 bytes. */
static void move_xmm(struct replay *p)
{
    unsigned n = p->r->size;
    const uint64_t *from = p->r->src >= OPERAND_XMM && p->r->src < OPERAND_MEMORY
                               ? p->c->reg[TREG_XMM0 + (p->r->src & 15)] : p->load;
    uint64_t v[2] = { from[0] & mask(n), n > 8 ? from[1] : 0 };
    if (p->r->src == OPERAND_MEMORY)
        tell_access(p, address(p), n, false, v);
    if (p->r->dst == OPERAND_MEMORY) {
        tell_access(p, address(p), n, true, v);
        return;
    }
    uint64_t *to = written(p, TREG_XMM0 + (p->r->dst & 15));
    if (p->r->kind == RULE_PXOR) {
        to[0] ^= v[0];
        to[1] ^= v[1];
    } else {
        to[0] = v[0];
        to[1] = n > 8 || p->r->src == OPERAND_MEMORY ? v[1] : to[1];
    }
}

static void apply(struct replay *p)
{
    const struct trace_rule *r = p->r;
    unsigned n = r->size;
    switch (r->kind) {
    case RULE_NOTHING: break;
    case RULE_MOVE: put(p, source(p, n)); break;
    case RULE_NOT: put(p, ~destination(p, n)); break;
    case RULE_ZERO_EXTEND: put(p, source(p, r->from)); break;
    case RULE_SIGN_EXTEND: put(p, sign_extended(source(p, r->from), r->from)); break;
    case RULE_ADDRESS: put(p, address(p)); break;
    case RULE_SIGN: reg_set(p, TREG_RDX, n, sign_of(reg(p, TREG_RAX), n) ? ~UINT64_C(0) : 0); break;
    case RULE_IMUL: multiply(p); break;
    case RULE_SHL: case RULE_SHR: case RULE_SAR: case RULE_ROL: case RULE_ROR: shift(p); break;
    case RULE_SET: put(p, condition(reg(p, TREG_RFLAGS), r->from)); break;
    case RULE_CMOV:
        if (condition(reg(p, TREG_RFLAGS), r->from))
            put(p, source(p, n));
        else if (n == 4)
            put(p, destination(p, n));
        break;
    case RULE_PUSH: case RULE_POP: case RULE_LEAVE: case RULE_CALL: case RULE_RET: stack(p); break;
    case RULE_LOAD: source(p, n); break;
    case RULE_XMM: case RULE_PXOR: move_xmm(p); break;
    default: arithmetic(p); break;
    }
}

void replay_insn(struct replay_cpu *c, const struct trace_code *code,
                 const struct trace_code_insn *i, uint64_t rip, uint64_t next, unsigned tlb_slots,
                 const uint64_t load[2], struct replay_effect *out)
{
    struct replay p = { c, code, &i->rule, rip, next, tlb_slots, load, out };
    out->registers_n = out->accesses_n = 0;
    apply(&p);
    keep_changed(&p);
}
