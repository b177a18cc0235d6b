// SPDX-License-Identifier: Apache-2.0
// Fast forms of integer instructions in 64-bit code; but for the stack, in flat 32-bit code too.
#include "cpu/fast.h"

#include "cpu/fast_alu.h"
#include "cpu/fast_mem.h"
#include "cpu/fast_shift.h"
#include "cpu/fast_sse.h"

/* 8- and 16-bit results keep the rest of the register. */
#define SET_PART(T, r, v) do { T part_ = (T)(v); memcpy(&c->gpr[r], &part_, sizeof part_); } while (0)

/* ---- moves ---- */

static RUN(nop) { NEXT; }
#define MOVES(n, T, PUT)                                                    \
    static RUN(mov##n##_rr) { PUT(T, i->rm, c->gpr[i->reg]); NEXT; }        \
    static RUN(mov##n##_gr) { PUT(T, i->reg, c->gpr[i->rm]); NEXT; }        \
    static RUN(mov##n##_ri) { PUT(T, i->rm, i->imm); NEXT; }                \
    static RUN(mov##n##_rm) { LOAD(T, v) PUT(T, i->reg, v); NEXT; }         \
    static RUN(mov##n##_mr) { STORE(T, c->gpr[i->reg]) NEXT; }              \
    static RUN(mov##n##_mi) { STORE(T, i->imm) NEXT; }
MOVES(8, uint64_t, SET)
MOVES(4, uint32_t, SET)
MOVES(2, uint16_t, SET_PART)
MOVES(1, uint8_t, SET_PART)
/* Forms for forward_results(): the operand that the name ends with comes in `last`. */
#define MOVES_FORWARD(n, T)                                                 \
    static RUN(mov##n##_rr_reg) { SET(T, i->rm, last); NEXT; }              \
    static RUN(mov##n##_gr_rm) { SET(T, i->reg, last); NEXT; }              \
    static RUN(mov##n##_rm_base) { LOAD_BY_BASE(T, v) SET(T, i->reg, v); NEXT; }   \
    static RUN(mov##n##_rm_index) { LOAD_BY_INDEX(T, v) SET(T, i->reg, v); NEXT; }
MOVES_FORWARD(8, uint64_t)
MOVES_FORWARD(4, uint32_t)

#define EXTENDS(name, T, R)                                                 \
    static RUN(name##_r) { SET(R, i->reg, (R)(T)c->gpr[i->rm]); NEXT; }     \
    static RUN(name##_r_rm) { SET(R, i->reg, (R)(T)last); NEXT; }           \
    static RUN(name##_m) { LOAD(T, v) SET(R, i->reg, (R)v); NEXT; }         \
    static RUN(name##_m_base) { LOAD_BY_BASE(T, v) SET(R, i->reg, (R)v); NEXT; }  \
    static RUN(name##_m_index) { LOAD_BY_INDEX(T, v) SET(R, i->reg, (R)v); NEXT; }
EXTENDS(movzx_b, uint8_t, uint32_t)
EXTENDS(movzx_w, uint16_t, uint32_t)
EXTENDS(movsx_b4, int8_t, uint32_t)
EXTENDS(movsx_b8, int8_t, uint64_t)
EXTENDS(movsx_w4, int16_t, uint32_t)
EXTENDS(movsx_w8, int16_t, uint64_t)
EXTENDS(movsx_d8, int32_t, uint64_t)

static RUN(lea8) { SET(uint64_t, i->reg, EA); NEXT; }
static RUN(lea4) { SET(uint32_t, i->reg, EA); NEXT; }
static RUN(lea8_base) { SET(uint64_t, i->reg, EA_BY_BASE); NEXT; }
static RUN(lea4_base) { SET(uint32_t, i->reg, EA_BY_BASE); NEXT; }
static RUN(lea8_index) { SET(uint64_t, i->reg, EA_BY_INDEX); NEXT; }
static RUN(lea4_index) { SET(uint32_t, i->reg, EA_BY_INDEX); NEXT; }
static RUN(cdqe) { c->gpr[RAX] = (uint64_t)(int64_t)(int32_t)c->gpr[RAX]; NEXT; }
static RUN(cdq) { c->gpr[RDX] = (uint32_t)((int32_t)c->gpr[RAX] >> 31); NEXT; }
static RUN(cqo) { c->gpr[RDX] = (uint64_t)((int64_t)c->gpr[RAX] >> 63); NEXT; }

/* ---- ALU: destination and source forms of each operation ---- */

/* A form of two registers or a register and an immediate: destination, operands. */
#define ALU_FORM(name, OP, T, S, to, x, y)                                  \
    static RUN(name) { T a = (T)(x), b = (T)(y); OP(T, S); SET(T, to, r); NEXT; }

#define ALU_FORMS(name, OP, n, T, S)                                                                \
    ALU_FORM(name##n##_rr, OP, T, S, i->rm, c->gpr[i->rm], c->gpr[i->reg])                          \
    ALU_FORM(name##n##_rr_rm, OP, T, S, i->rm, last, c->gpr[i->reg])                                \
    ALU_FORM(name##n##_rr_reg, OP, T, S, i->rm, c->gpr[i->rm], last)                                \
    ALU_FORM(name##n##_ri, OP, T, S, i->rm, c->gpr[i->rm], i->imm)                                  \
    ALU_FORM(name##n##_ri_rm, OP, T, S, i->rm, last, i->imm)                                        \
    ALU_FORM(name##n##_gr, OP, T, S, i->reg, c->gpr[i->reg], c->gpr[i->rm])                         \
    ALU_FORM(name##n##_gr_rm, OP, T, S, i->reg, c->gpr[i->reg], last)                               \
    ALU_FORM(name##n##_gr_reg, OP, T, S, i->reg, last, c->gpr[i->rm])                               \
    static RUN(name##n##_rm) { LOAD(T, b) T a = REG(T, i->reg); OP(T, S); SET(T, i->reg, r); NEXT; }          \
    static RUN(name##n##_rm_reg) { LOAD(T, b) T a = (T)last; OP(T, S); SET(T, i->reg, r); NEXT; }   \
    static RUN(name##n##_rm_base) { LOAD_BY_BASE(T, b) T a = REG(T, i->reg); OP(T, S); SET(T, i->reg, r); NEXT; } \
    static RUN(name##n##_rm_index) { LOAD_BY_INDEX(T, b) T a = REG(T, i->reg); OP(T, S); SET(T, i->reg, r); NEXT; } \
    static RUN(name##n##_mr) { ALU_MEM(T, S, OP, REG(T, i->reg)) NEXT; }                            \
    static RUN(name##n##_mi) { ALU_MEM(T, S, OP, (T)i->imm) NEXT; }
#define ALU_MEM(T, S, OP, source)                                           \
    HOST(WRITES, EA, sizeof(T))                                             \
    T a, b = source;                                                        \
    memcpy(&a, host_, sizeof a);                                            \
    LOADED(&a, sizeof a)                                                    \
    OP(T, S);                                                               \
    memcpy(host_, &r, sizeof r);
#define ALU_BOTH(name, OP)                                                  \
    ALU_FORMS(name, OP, 8, uint64_t, int64_t)                               \
    ALU_FORMS(name, OP, 4, uint32_t, int32_t)
/* Register forms whose flags nobody can see: dead_flags() below puts them in. */
#define ALU_QUIET(name, op, n, T)                                                                   \
    static RUN(name##n##_rr_quiet) { SET(T, i->rm, c->gpr[i->rm] op c->gpr[i->reg]); NEXT; }        \
    static RUN(name##n##_rr_quiet_rm) { SET(T, i->rm, last op c->gpr[i->reg]); NEXT; }              \
    static RUN(name##n##_rr_quiet_reg) { SET(T, i->rm, c->gpr[i->rm] op last); NEXT; }              \
    static RUN(name##n##_ri_quiet) { SET(T, i->rm, c->gpr[i->rm] op i->imm); NEXT; }                \
    static RUN(name##n##_ri_quiet_rm) { SET(T, i->rm, last op i->imm); NEXT; }                      \
    static RUN(name##n##_gr_quiet) { SET(T, i->reg, c->gpr[i->reg] op c->gpr[i->rm]); NEXT; }       \
    static RUN(name##n##_gr_quiet_rm) { SET(T, i->reg, c->gpr[i->reg] op last); NEXT; }             \
    static RUN(name##n##_gr_quiet_reg) { SET(T, i->reg, last op c->gpr[i->rm]); NEXT; }
#define ALU_QUIET_BOTH(name, op) ALU_QUIET(name, op, 8, uint64_t) ALU_QUIET(name, op, 4, uint32_t)
ALU_QUIET_BOTH(add, +)
ALU_QUIET_BOTH(sub, -)
ALU_QUIET_BOTH(and, &)
ALU_QUIET_BOTH(or, |)
ALU_QUIET_BOTH(xor, ^)
ALU_BOTH(add, ALU_ADD)
ALU_BOTH(adc, ALU_ADC)
ALU_BOTH(sbb, ALU_SBB)
ALU_BOTH(sub, ALU_SUB)
ALU_BOTH(and, ALU_AND)
ALU_BOTH(or, ALU_OR)
ALU_BOTH(xor, ALU_XOR)

/* CMP and TEST write no result. */
#define COMPARE_FORMS(name, OP, n, T, S)                                                            \
    static RUN(name##n##_rr) { T a = REG(T, i->rm), b = REG(T, i->reg); OP(T, S); (void)r; NEXT; }  \
    static RUN(name##n##_ri) { T a = REG(T, i->rm), b = (T)i->imm; OP(T, S); (void)r; NEXT; }       \
    static RUN(name##n##_gr) { T a = REG(T, i->reg), b = REG(T, i->rm); OP(T, S); (void)r; NEXT; }  \
    static RUN(name##n##_rm) { LOAD(T, b) T a = REG(T, i->reg); OP(T, S); (void)r; NEXT; }          \
    static RUN(name##n##_mr) { LOAD(T, a) T b = REG(T, i->reg); OP(T, S); (void)r; NEXT; }          \
    static RUN(name##n##_mi) { LOAD(T, a) T b = (T)i->imm; OP(T, S); (void)r; NEXT; }
#define COMPARE_ALL(name, OP)                                               \
    COMPARE_FORMS(name, OP, 8, uint64_t, int64_t)                           \
    COMPARE_FORMS(name, OP, 4, uint32_t, int32_t)                           \
    COMPARE_FORMS(name, OP, 2, uint16_t, int16_t)                           \
    COMPARE_FORMS(name, OP, 1, uint8_t, int8_t)
COMPARE_ALL(cmp, ALU_SUB)
COMPARE_ALL(test, ALU_AND)

/* INC and DEC keep CF: OF stands in the XOR of the two carry bits. */
#define KEEP_CF(old) aux = (aux & AUX_AF) | (old & AUX_CF) | (((aux ^ aux >> 1) ^ old >> 1) & 1)
#define STEPS(n, T, S)                                                                              \
    static RUN(inc##n) { uint64_t old = aux; T a = REG(T, i->rm), b = 1; ALU_ADD(T, S); KEEP_CF(old); SET(T, i->rm, r); NEXT; } \
    static RUN(dec##n) { uint64_t old = aux; T a = REG(T, i->rm), b = 1; ALU_SUB(T, S); KEEP_CF(old); SET(T, i->rm, r); NEXT; } \
    static RUN(neg##n) { T a = 0, b = REG(T, i->rm); ALU_SUB(T, S); SET(T, i->rm, r); NEXT; }       \
    static RUN(not##n) { SET(T, i->rm, ~c->gpr[i->rm]); NEXT; }
STEPS(8, uint64_t, int64_t)
STEPS(4, uint32_t, int32_t)

/* IMUL r, r/m and r, r/m, imm: CF = OF = the product does not fit; SF, PF from the result, ZF = 0. */
#define IMUL(T, S, a, b) S r; bool lost = __builtin_mul_overflow((S)(a), (S)(b), &r);               \
    aux = lost ? AUX_CF : 0; res = (uint64_t)(int64_t)r | (uint64_t)(r == 0) << 8; SET(T, i->reg, r);
static RUN(imul8_rr) { IMUL(uint64_t, int64_t, c->gpr[i->reg], c->gpr[i->rm]) NEXT; }
static RUN(imul4_rr) { IMUL(uint32_t, int32_t, c->gpr[i->reg], c->gpr[i->rm]) NEXT; }
#define IMUL_QUIET(n, T)                                                                            \
    static RUN(imul##n##_rr_quiet) { SET(T, i->reg, c->gpr[i->reg] * c->gpr[i->rm]); NEXT; }        \
    static RUN(imul##n##_rr_quiet_rm) { SET(T, i->reg, c->gpr[i->reg] * last); NEXT; }              \
    static RUN(imul##n##_rr_quiet_reg) { SET(T, i->reg, last * c->gpr[i->rm]); NEXT; }              \
    static RUN(imul##n##_ri_quiet) { SET(T, i->reg, c->gpr[i->rm] * i->imm); NEXT; }                \
    static RUN(imul##n##_ri_quiet_rm) { SET(T, i->reg, last * i->imm); NEXT; }
IMUL_QUIET(8, uint64_t)
IMUL_QUIET(4, uint32_t)
static RUN(imul8_ri) { IMUL(uint64_t, int64_t, c->gpr[i->rm], i->imm) NEXT; }
static RUN(imul4_ri) { IMUL(uint32_t, int32_t, c->gpr[i->rm], i->imm) NEXT; }

/* ---- stack and branches, 64-bit code ---- */

#define PUSH(value)                                                         \
    {                                                                       \
        uint64_t v_ = (value);                                              \
        HOST(WRITES, c->gpr[RSP] - 8, 8)                                    \
        memcpy(host_, &v_, 8);                                              \
        c->gpr[RSP] -= 8;                                                   \
    }
#define POP(var)                                                            \
    uint64_t var;                                                           \
    {                                                                       \
        HOST(READS, c->gpr[RSP], 8)                                         \
        memcpy(&var, host_, 8);                                             \
        LOADED(&var, 8)                                                     \
    }
static RUN(push8) { PUSH(c->gpr[i->rm]) NEXT; }
static RUN(push8_i) { PUSH(i->imm) NEXT; }
static RUN(pop8) { POP(v) c->gpr[RSP] += 8; c->gpr[i->rm] = v; NEXT; }
static RUN(leave8)
{
    uint64_t v;
    HOST(READS, c->gpr[RBP], 8)
    memcpy(&v, host_, 8);
    LOADED(&v, 8)
    c->gpr[RSP] = c->gpr[RBP] + 8;
    c->gpr[RBP] = v;
    NEXT;
}

/* Where a direct branch leads, from its block's start: known when it is bound.  Targets in the same page
 * are linked; others go by the jump cache. */
#define NEAR_TARGET (insn_next_rip(c, i) + i->imm)
#define JUMP(target) { FIND_JUMP(entry, target, GENERAL); TAKE_JUMP(entry, res, aux); }
static RUN(jmp_link) { FOLLOW(i + 1 + LINK_TARGET, res, aux); }
static RUN(jmp_far) JUMP(NEAR_TARGET)
static RUN(jmp_r) JUMP(c->gpr[i->rm])
static RUN(jmp_m) { LOAD(uint64_t, v) JUMP(v) }
static RUN(ret8)
{
    POP(v)
    FIND_JUMP(entry, v, GENERAL);
    c->gpr[RSP] += 8;
    TAKE_JUMP(entry, res, aux);
}

#define CALL(target)                                                        \
    {                                                                       \
        FIND_JUMP(entry, target, GENERAL);                                  \
        PUSH(insn_next_rip(c, i))                                           \
        TAKE_JUMP(entry, res, aux);                                         \
    }
static RUN(call_link) { PUSH(insn_next_rip(c, i)) FOLLOW(i + 1 + LINK_TARGET, res, aux); }
static RUN(call_far) CALL(NEAR_TARGET)
static RUN(call_r) CALL(c->gpr[i->rm])
static RUN(call_m) { LOAD(uint64_t, v) CALL(v) }

enum { CC_O, CC_NO, CC_B, CC_AE, CC_Z, CC_NZ, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };
#define JCC(cc, unused)                                                                             \
    static RUN(j##cc##_link) { if (lazy_condition(CC_##cc, res, aux)) FOLLOW(i + 1 + LINK_TARGET, res, aux); FOLLOW(i + 1 + LINK_NEXT, res, aux); } \
    static RUN(j##cc##_far) { if (lazy_condition(CC_##cc, res, aux)) JUMP(NEAR_TARGET) NEXT; } \
    static RUN(set##cc##_r) { SET_PART(uint8_t, i->rm, lazy_condition(CC_##cc, res, aux)); NEXT; }  \
    static RUN(cmov##cc##8) { if (lazy_condition(CC_##cc, res, aux)) c->gpr[i->reg] = c->gpr[i->rm]; NEXT; } \
    static RUN(cmov##cc##4) { c->gpr[i->reg] = (uint32_t)c->gpr[lazy_condition(CC_##cc, res, aux) ? i->rm : i->reg]; NEXT; }
FOR_EACH_CONDITION(JCC, 0)

/* ---- fused compare and branch: i is the compare, i + 1 the linked Jcc ---- */

#define FUSED_END(cond) if (cond) FOLLOW(i + 2 + LINK_TARGET, res, aux); FOLLOW(i + 2 + LINK_NEXT, res, aux)
#define FUSED(cc, n, T, S)                                                                                            \
    static RUN(cmp##n##_rr_##cc) { T a = REG(T, i->rm), b = REG(T, i->reg); ALU_SUB(T, S); (void)r; FUSED_END(COND_##cc(a, b, S)); } \
    static RUN(cmp##n##_gr_##cc) { T a = REG(T, i->reg), b = REG(T, i->rm); ALU_SUB(T, S); (void)r; FUSED_END(COND_##cc(a, b, S)); } \
    static RUN(cmp##n##_ri_##cc) { T a = REG(T, i->rm), b = (T)i->imm; ALU_SUB(T, S); (void)r; FUSED_END(COND_##cc(a, b, S)); } \
    static RUN(cmp##n##_rm_##cc) { LOAD(T, b) T a = REG(T, i->reg); ALU_SUB(T, S); (void)r; FUSED_END(COND_##cc(a, b, S)); } \
    static RUN(cmp##n##_mr_##cc) { LOAD(T, a) T b = REG(T, i->reg); ALU_SUB(T, S); (void)r; FUSED_END(COND_##cc(a, b, S)); } \
    static RUN(cmp##n##_mi_##cc) { LOAD(T, a) T b = (T)i->imm; ALU_SUB(T, S); (void)r; FUSED_END(COND_##cc(a, b, S)); }
#define FUSED_TEST(cc, n, T, S)                                                                                       \
    static RUN(test##n##_rr_##cc) { T a = REG(T, i->rm), b = REG(T, i->reg); ALU_AND(T, S); (void)r; FUSED_END(lazy_condition(CC_##cc, res, 0)); } \
    static RUN(test##n##_ri_##cc) { T a = REG(T, i->rm), b = (T)i->imm; ALU_AND(T, S); (void)r; FUSED_END(lazy_condition(CC_##cc, res, 0)); }
FOR_EACH_CONDITION(FUSED_TEST, 8, uint64_t, int64_t)
FOR_EACH_CONDITION(FUSED_TEST, 4, uint32_t, int32_t)
FOR_EACH_CONDITION(FUSED_TEST, 1, uint8_t, int8_t)
FOR_EACH_CONDITION(FUSED, 8, uint64_t, int64_t)
FOR_EACH_CONDITION(FUSED, 4, uint32_t, int32_t)

/* ---- choosing ---- */

#define BY_CONDITION(cc, prefix, suffix) [CC_##cc] = prefix##cc##suffix,
#define CONDITION_TABLE(name, prefix, suffix) \
    static run_fn *const name[16] = { FOR_EACH_CONDITION(BY_CONDITION, prefix, suffix) }
CONDITION_TABLE(jcc_link, j, _link);
CONDITION_TABLE(jcc_far, j, _far);
CONDITION_TABLE(setcc_r, set, _r);
CONDITION_TABLE(cmov8, cmov, 8);
CONDITION_TABLE(cmov4, cmov, 4);
CONDITION_TABLE(fused8_rr, cmp8_rr_, );
CONDITION_TABLE(fused8_gr, cmp8_gr_, );
CONDITION_TABLE(fused8_ri, cmp8_ri_, );
CONDITION_TABLE(fused8_rm, cmp8_rm_, );
CONDITION_TABLE(fused8_mr, cmp8_mr_, );
CONDITION_TABLE(fused8_mi, cmp8_mi_, );
CONDITION_TABLE(fused4_rr, cmp4_rr_, );
CONDITION_TABLE(fused4_gr, cmp4_gr_, );
CONDITION_TABLE(fused4_ri, cmp4_ri_, );
CONDITION_TABLE(fused4_rm, cmp4_rm_, );
CONDITION_TABLE(fused4_mr, cmp4_mr_, );
CONDITION_TABLE(fused4_mi, cmp4_mi_, );
CONDITION_TABLE(fused_test8_rr, test8_rr_, );
CONDITION_TABLE(fused_test8_ri, test8_ri_, );
CONDITION_TABLE(fused_test4_rr, test4_rr_, );
CONDITION_TABLE(fused_test4_ri, test4_ri_, );
CONDITION_TABLE(fused_test1_rr, test1_rr_, );
CONDITION_TABLE(fused_test1_ri, test1_ri_, );

/* The six forms of a two-operand operation, in the order of enum shape_form. */
enum shape_form { RR, GR, RI, RM, MR, MI, FORM_COUNT };
#define FORMS(name) { name##_rr, name##_gr, name##_ri, name##_rm, name##_mr, name##_mi }
static run_fn *const alu_forms[8][2][FORM_COUNT] = {    /* by ModRM.reg of group 1: [.][8 or 4 bytes] */
    [0] = { FORMS(add8), FORMS(add4) }, [1] = { FORMS(or8), FORMS(or4) },
    [2] = { FORMS(adc8), FORMS(adc4) }, [3] = { FORMS(sbb8), FORMS(sbb4) },
    [4] = { FORMS(and8), FORMS(and4) }, [5] = { FORMS(sub8), FORMS(sub4) },
    [6] = { FORMS(xor8), FORMS(xor4) }, [7] = { FORMS(cmp8), FORMS(cmp4) },
};
static run_fn *const cmp_small[2][FORM_COUNT] = { FORMS(cmp2), FORMS(cmp1) };
static run_fn *const test_forms[4][FORM_COUNT] = { FORMS(test8), FORMS(test4), FORMS(test2), FORMS(test1) };
static run_fn *const mov_forms[4][FORM_COUNT] = { FORMS(mov8), FORMS(mov4), FORMS(mov2), FORMS(mov1) };

/* What a fast form needs to know of the instruction. */
struct shape {
    bool code64, mem_ok;    /* mem_ok: a memory operand that EA addresses           */
    bool link_ok;           /* a branch within the page may be linked               */
    unsigned size_index;    /* 0 to 3: 8, 4, 2, 1 bytes                             */
    int form;               /* enum shape_form, or -1                               */
};

/* A 64-bit address without FS or GS; or a 32-bit one in a flat data segment where linear addresses
 * have 32 bits.  EA does not truncate then, but what it gives beyond 4 GiB is in no TLB entry. */
static bool plain_address(const struct mode *m, const struct insn *i)
{
    if (m->bits & MODE_CODE64)
        return insn_asize(i) == 8 && insn_seg(i) < FS;
    return m->bits & MODE_CODE32 && m->bits & MODE_LINEAR32 && insn_asize(i) == 4 &&
           insn_seg(i) < FS && insn_seg(i) != CS;
}

static struct shape shape_of(const struct mode *m, const struct insn *i)
{
    struct shape s = { .code64 = m->bits & MODE_CODE64, .form = -1 };
    bool mem = insn_is_mem(i);
    s.link_ok = s.code64 || (m->bits & MODE_CODE32 && i->size == 4);
    s.mem_ok = mem && plain_address(m, i);
    s.size_index = i->size == 8 ? 0 : i->size == 4 ? 1 : i->size == 2 ? 2 : 3;
    if (mem && !s.mem_ok)
        return s;
    bool reg_used = i->shape != (DST_RM | SRC_IMM << 2); /* else ModRM.reg is part of the opcode */
    if (i->size == 1 && ((reg_used && i->reg >= REG_HIGH) || (!mem && i->rm >= REG_HIGH)))
        return s;
    switch (i->shape) {
    case DST_RM | SRC_REG << 2: s.form = mem ? MR : RR; break;
    case DST_REG | SRC_RM << 2: s.form = mem ? RM : GR; break;
    case DST_RM | SRC_IMM << 2: s.form = mem ? MI : RI; break;
    default: break;
    }
    return s;
}

static run_fn *fast_alu(unsigned operation, const struct shape *s)
{
    if (s->form < 0)
        return NULL;
    if (s->size_index < 2)
        return alu_forms[operation][s->size_index][s->form];
    return operation == 7 ? cmp_small[s->size_index - 2][s->form] : NULL;
}

/* Group 3 /0 to /3, groups 4 and 5 on registers, and the near indirect branches. */
static run_fn *fast_group(const struct insn *i, const struct shape *s)
{
    bool mem = insn_is_mem(i), wide = i->size == 8;
    unsigned ext = i->modrm >> 3 & 7;
    if (i->opcode <= 0xf7) {
        if (ext <= 1)
            return s->form < 0 ? NULL : test_forms[s->size_index][s->form];
        if (mem || i->size < 4)
            return NULL;
        return ext == 2 ? (wide ? not8 : not4) : ext == 3 ? (wide ? neg8 : neg4) : NULL;
    }
    if (ext <= 1)
        return mem || i->size < 4 ? NULL : ext ? (wide ? dec8 : dec4) : (wide ? inc8 : inc4);
    if (!s->code64 || (mem && !s->mem_ok))
        return NULL;
    if (ext == 2 || ext == 4)
        return ext == 2 ? (mem ? call_m : call_r) : (mem ? jmp_m : jmp_r);
    return ext == 6 && !mem && wide ? push8 : NULL;
}

/* Whether the target of a direct branch lies in the page of the block (see fill_slots in code.c). */
static bool target_in_page(const struct insn *i, unsigned page_offset)
{
    int64_t target = (int64_t)page_offset + i->off + i->len + (int64_t)i->imm;
    return target >= 0 && target < PAGE_SIZE;
}

/* A direct branch: linked, or by the jump cache. */
static run_fn *fast_branch(const struct insn *i, const struct shape *s, unsigned page_offset,
                           run_fn *link, run_fn *far)
{
    if (s->link_ok && target_in_page(i, page_offset))
        return link;
    return s->code64 ? far : NULL;
}

static run_fn *fast_one_byte(const struct insn *i, const struct shape *s,
                             unsigned page_offset)
{
    uint8_t op = i->opcode;
    bool wide = i->size == 8;
    if (op < 0x40 && (op & 7) < 6)
        return fast_alu(op >> 3, s);
    if (op >= 0x70 && op <= 0x7f)
        return fast_branch(i, s, page_offset, jcc_link[op & 15], jcc_far[op & 15]);
    switch (op) {
    case 0x50 ... 0x57: return wide && s->code64 ? push8 : NULL;
    case 0x58 ... 0x5f: return wide && s->code64 ? pop8 : NULL;
    case 0x63: return i->size == 8 ? (insn_is_mem(i) ? (s->mem_ok ? movsx_d8_m : NULL) : movsx_d8_r) : NULL;
    case 0x68: case 0x6a: return wide && s->code64 ? push8_i : NULL;
    case 0x69: case 0x6b: return insn_is_mem(i) || i->size < 4 ? NULL : wide ? imul8_ri : imul4_ri;
    case 0x80: case 0x81: case 0x83: return fast_alu(i->modrm >> 3 & 7, s);
    case 0x84: case 0x85: case 0xa8: case 0xa9: return s->form < 0 ? NULL : test_forms[s->size_index][s->form];
    case 0x88 ... 0x8b: case 0xb8 ... 0xbf: case 0xc6: case 0xc7:
        return s->form < 0 ? NULL : mov_forms[s->size_index][s->form];
    case 0x8d: return !s->mem_ok ? NULL : wide ? lea8 : i->size == 4 ? lea4 : NULL;
    case 0x98: return wide ? cdqe : NULL;
    case 0x99: return wide ? cqo : i->size == 4 ? cdq : NULL;
    case 0xc1: return fast_shift_form(i);
    case 0xc3: return s->code64 ? ret8 : NULL;
    case 0xc9: return wide && s->code64 ? leave8 : NULL;
    case 0xd1: return NULL;
    case 0xe8: return !s->code64 ? NULL : target_in_page(i, page_offset) ? call_link : call_far;
    case 0xe9: case 0xeb: return fast_branch(i, s, page_offset, jmp_link, jmp_far);
    case 0xf6: case 0xf7: case 0xff: return fast_group(i, s);
    default: return NULL;
    }
}

static run_fn *fast_two_byte(const struct insn *i, const struct shape *s, unsigned page_offset)
{
    uint8_t op = i->opcode;
    bool mem = insn_is_mem(i), wide = i->size == 8;
    switch (op) {
    case 0x1f: return nop;
    case 0x40 ... 0x4f: return mem || i->size < 4 ? NULL : wide ? cmov8[op & 15] : cmov4[op & 15];
    case 0x80 ... 0x8f: return fast_branch(i, s, page_offset, jcc_link[op & 15], jcc_far[op & 15]);
    case 0x90 ... 0x9f: return mem || i->rm >= REG_HIGH ? NULL : setcc_r[op & 15];
    case 0xaf: return mem || i->size < 4 ? NULL : wide ? imul8_rr : imul4_rr;
    default: break;
    }
    if (i->size < 4 || (mem ? !s->mem_ok : i->rm >= REG_HIGH))
        return NULL;
    switch (op) {
    case 0xb6: return mem ? movzx_b_m : movzx_b_r;
    case 0xb7: return mem ? movzx_w_m : movzx_w_r;
    case 0xbe: return wide ? (mem ? movsx_b8_m : movsx_b8_r) : mem ? movsx_b4_m : movsx_b4_r;
    case 0xbf: return wide ? (mem ? movsx_w8_m : movsx_w8_r) : mem ? movsx_w4_m : movsx_w4_r;
    default: return NULL;
    }
}

run_fn *fast_form(const struct mode *m, const struct insn *i, unsigned page_offset)
{
    if (!(m->bits & MODE_FLAT) || i->prefix & PFX_LOCK)
        return NULL;
    struct shape s = shape_of(m, i);
    const struct insn_row *row = &insn_rows[i->row];
    if (row->attributes & (A_FPU | A_MMX | A_WAIT | A_CPL0))
        return NULL;
    if (row->attributes & A_SSE)
        return fast_sse_form(row, i, s.mem_ok);
    if (row->map > 1 || (row->map == 1 && i->prefix & (PFX_REP | PFX_REPNE)))
        return NULL;
    return row->map == 0 ? fast_one_byte(i, &s, page_offset) : fast_two_byte(i, &s, page_offset);
}

/* ---- after a block is complete ---- */

static const struct { run_fn *plain; run_fn *const *fused; bool memory; } pairs[] = {
    { cmp8_rr, fused8_rr, false }, { cmp8_gr, fused8_gr, false }, { cmp8_ri, fused8_ri, false },
    { cmp8_rm, fused8_rm, true }, { cmp8_mr, fused8_mr, true }, { cmp8_mi, fused8_mi, true },
    { cmp4_rr, fused4_rr, false }, { cmp4_gr, fused4_gr, false }, { cmp4_ri, fused4_ri, false },
    { cmp4_rm, fused4_rm, true }, { cmp4_mr, fused4_mr, true }, { cmp4_mi, fused4_mi, true },
    { test8_rr, fused_test8_rr, false }, { test8_ri, fused_test8_ri, false },
    { test4_rr, fused_test4_rr, false }, { test4_ri, fused_test4_ri, false },
    { test1_rr, fused_test1_rr, false }, { test1_ri, fused_test1_ri, false },
};

/* Joins a compare with the linked Jcc that follows it; true if the pair needs no flags from before it and
 * cannot fault. */
static bool fuse(struct insn *compare, const struct insn *branch)
{
    unsigned cc = branch->opcode & 15;
    if (branch->run != jcc_link[cc])
        return false;
    for (unsigned k = 0; k < ARRAY_SIZE(pairs); k++)
        if (compare->run == pairs[k].plain) {
            compare->run = pairs[k].fused[cc];
            return !pairs[k].memory;
        }
    return false;
}

/* Register forms that write all flags and read none, and their twins without flags. */
#define QUIET(name) { name, name##_quiet }
#define QUIET_ALU(name) QUIET(name##8_rr), QUIET(name##8_ri), QUIET(name##8_gr), QUIET(name##4_rr), \
                        QUIET(name##4_ri), QUIET(name##4_gr)
static const struct { run_fn *loud, *quiet; } quiet_forms[] = {
    QUIET_ALU(add), QUIET_ALU(sub), QUIET_ALU(and), QUIET_ALU(or), QUIET_ALU(xor),
    QUIET(imul8_rr), QUIET(imul4_rr), QUIET(imul8_ri), QUIET(imul4_ri),
    { cmp8_rr, nop }, { cmp8_ri, nop }, { cmp8_gr, nop }, { cmp4_rr, nop }, { cmp4_ri, nop },
    { cmp4_gr, nop }, { test8_rr, nop }, { test4_rr, nop },
};
/* Register forms that neither read nor write flags, and cannot fault. */
static run_fn *const flagless[] = {
    nop, mov8_rr, mov8_gr, mov8_ri, mov4_rr, mov4_gr, mov4_ri, lea8, lea4, cdqe, cdq, cqo, not8, not4,
    movzx_b_r, movzx_w_r, movsx_b4_r, movsx_b8_r, movsx_w4_r, movsx_w8_r, movsx_d8_r,
};

static bool is_flagless(run_fn *run)
{
    for (unsigned k = 0; k < ARRAY_SIZE(flagless); k++)
        if (flagless[k] == run)
            return true;
    return false;
}

/* Silences flags that are overwritten before anything could read them: between the two writers stand only
 * register forms, which cannot fault, exit or end the block. */
static void dead_flags(struct insn *block, unsigned n, bool live)
{
    while (n-- > 0) {
        unsigned k = 0;
        while (k < ARRAY_SIZE(quiet_forms) && quiet_forms[k].loud != block[n].run)
            k++;
        bool all = true;
        run_fn *quiet = k < ARRAY_SIZE(quiet_forms) ? quiet_forms[k].quiet :
                                                      fast_shift_quiet(block[n].run, &all);
        if (!quiet)
            live |= !is_flagless(block[n].run);
        else if (!live)
            block[n].run = quiet;
        else
            live = !all;
    }
}

/* ---- what an instruction writes and the next one reads: it spares a store and a load ---- */

enum destination { TO_NONE, TO_RM, TO_REG };
/* The forms that take `last` for the register named by ModRM.rm (or the base), ModRM.reg, the index. */
static const struct forward {
    run_fn *plain;
    enum destination to;
    run_fn *by_rm, *by_reg, *by_index;
} forwards[] = {
#define FORWARD_ALU(name)                                                                           \
    { name##_rr, TO_RM, name##_rr_rm, name##_rr_reg, NULL }, { name##_ri, TO_RM, name##_ri_rm, NULL, NULL }, \
    { name##_gr, TO_REG, name##_gr_rm, name##_gr_reg, NULL },                                       \
    { name##_rm, TO_REG, name##_rm_base, name##_rm_reg, name##_rm_index }
#define FORWARD_QUIET(name)                                                                         \
    { name##_rr_quiet, TO_RM, name##_rr_quiet_rm, name##_rr_quiet_reg, NULL },                      \
    { name##_ri_quiet, TO_RM, name##_ri_quiet_rm, NULL, NULL },                                     \
    { name##_gr_quiet, TO_REG, name##_gr_quiet_rm, name##_gr_quiet_reg, NULL }
#define FORWARD_MOV(name)                                                                           \
    { name##_rr, TO_RM, NULL, name##_rr_reg, NULL }, { name##_gr, TO_REG, name##_gr_rm, NULL, NULL }, \
    { name##_ri, TO_RM, NULL, NULL, NULL },                                                         \
    { name##_rm, TO_REG, name##_rm_base, NULL, name##_rm_index }
#define FORWARD_EXTEND(name)                                                                        \
    { name##_r, TO_REG, name##_r_rm, NULL, NULL }, { name##_m, TO_REG, name##_m_base, NULL, name##_m_index }
#define FORWARD_IMUL(name)                                                                          \
    { name##_rr_quiet, TO_REG, name##_rr_quiet_rm, name##_rr_quiet_reg, NULL },                     \
    { name##_ri_quiet, TO_REG, name##_ri_quiet_rm, NULL, NULL }
    FORWARD_MOV(mov8), FORWARD_MOV(mov4),
    FORWARD_EXTEND(movzx_b), FORWARD_EXTEND(movzx_w), FORWARD_EXTEND(movsx_b4), FORWARD_EXTEND(movsx_b8),
    FORWARD_EXTEND(movsx_w4), FORWARD_EXTEND(movsx_w8), FORWARD_EXTEND(movsx_d8),
    { lea8, TO_REG, lea8_base, NULL, lea8_index }, { lea4, TO_REG, lea4_base, NULL, lea4_index },
    FORWARD_ALU(add8), FORWARD_ALU(add4), FORWARD_ALU(sub8), FORWARD_ALU(sub4), FORWARD_ALU(adc8),
    FORWARD_ALU(adc4), FORWARD_ALU(sbb8), FORWARD_ALU(sbb4), FORWARD_ALU(and8), FORWARD_ALU(and4),
    FORWARD_ALU(or8), FORWARD_ALU(or4), FORWARD_ALU(xor8), FORWARD_ALU(xor4),
    FORWARD_QUIET(add8), FORWARD_QUIET(add4), FORWARD_QUIET(sub8), FORWARD_QUIET(sub4),
    FORWARD_QUIET(and8), FORWARD_QUIET(and4), FORWARD_QUIET(or8), FORWARD_QUIET(or4),
    FORWARD_QUIET(xor8), FORWARD_QUIET(xor4), FORWARD_IMUL(imul8), FORWARD_IMUL(imul4),
};

static struct forward forward_of(run_fn *run)
{
    for (unsigned k = 0; k < ARRAY_SIZE(forwards); k++)
        if (forwards[k].plain == run)
            return forwards[k];
    run_fn *shift = fast_shift_forward(run);
    return (struct forward){ run, shift ? TO_RM : TO_NONE, shift, NULL, NULL };
}

static void forward_results(struct insn *block, unsigned n)
{
    unsigned last = REG_COUNT; /* the register that the instruction before has written, if any */
    for (struct insn *i = block; i < block + n; i++) {
        struct forward f = forward_of(i->run);
        if (f.by_rm && i->rm == last)
            i->run = f.by_rm;
        else if (f.by_reg && i->reg == last)
            i->run = f.by_reg;
        else if (f.by_index && i->index == last && i->rm != last)
            i->run = f.by_index;
        last = f.to == TO_RM ? i->rm : f.to == TO_REG ? i->reg : REG_COUNT;
    }
}

void fast_finish(struct insn *block, unsigned n)
{
    bool overwritten = n >= 2 && fuse(&block[n - 2], &block[n - 1]);
    dead_flags(block, overwritten ? n - 2 : n, !overwritten);
    if (FORWARDS)
        forward_results(block, n);
}
