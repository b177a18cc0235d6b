// SPDX-License-Identifier: Apache-2.0
// The rules of instructions that have fast forms (trace/format.h): what a reader of a trace can
// conclude by itself.  tests/unit/test_trace.c holds them against the processor.
#include "cpu/ops.h"
#include "cpu/trace.h"

static const struct { op_fn *op; uint8_t kind; } kinds[] = {
    { op_add, RULE_ADD }, { op_or, RULE_OR }, { op_adc, RULE_ADC }, { op_sbb, RULE_SBB },
    { op_and, RULE_AND }, { op_sub, RULE_SUB }, { op_xor, RULE_XOR }, { op_cmp, RULE_CMP },
    { op_test, RULE_TEST }, { op_mov, RULE_MOVE }, { op_lea, RULE_ADDRESS }, { op_inc, RULE_INC },
    { op_dec, RULE_DEC }, { op_neg, RULE_NEG }, { op_not, RULE_NOT }, { op_push, RULE_PUSH },
    { op_push_imm, RULE_PUSH }, { op_pop, RULE_POP }, { op_leave, RULE_LEAVE },
    { op_call, RULE_CALL }, { op_call_indirect, RULE_CALL }, { op_ret, RULE_RET },
    { op_jmp, RULE_NOTHING }, { op_jcc, RULE_NOTHING }, { op_nop, RULE_NOTHING },
    { op_jmp_indirect, RULE_LOAD }, { op_shl, RULE_SHL }, { op_shr, RULE_SHR },
    { op_sar, RULE_SAR }, { op_rol, RULE_ROL }, { op_ror, RULE_ROR }, { op_setcc, RULE_SET },
    { op_cmovcc, RULE_CMOV }, { op_movsxd, RULE_SIGN_EXTEND }, { op_cbw, RULE_SIGN_EXTEND },
    { op_cwd, RULE_SIGN }, { op_imul_imm, RULE_IMUL },
    { op_movsd_load, RULE_XMM }, { op_movsd_store, RULE_XMM }, { op_movss_load, RULE_XMM },
    { op_movss_store, RULE_XMM }, { op_movups_load, RULE_XMM }, { op_movups_store, RULE_XMM },
    { op_movaps_load, RULE_XMM }, { op_movaps_store, RULE_XMM }, { op_pxor, RULE_PXOR },
};

static unsigned kind_of(const struct insn *i)
{
    const struct insn_row *row = &insn_rows[i->row];
    if (row->map == 1 && row->opcode == 0xaf)
        return RULE_IMUL;
    if (row->map == 1 && (row->opcode & 0xfe) == 0xb6)
        return RULE_ZERO_EXTEND;
    if (row->map == 1 && (row->opcode & 0xfe) == 0xbe)
        return RULE_SIGN_EXTEND;
    for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++)
        if (kinds[k].op == row->op)
            return kinds[k].kind;
    return RULE_EXPLICIT;
}

static void operands(const struct insn *i, struct trace_rule *r)
{
    uint8_t rm = insn_is_mem(i) ? OPERAND_MEMORY : i->rm;
    switch (i->shape & 3) {
    case DST_RM: r->dst = rm; break;
    case DST_REG: r->dst = i->reg; break;
    default: break;
    }
    switch (i->shape >> 2) {
    case SRC_REG: r->src = i->reg; break;
    case SRC_RM: r->src = rm; break;
    case SRC_IMM: r->src = OPERAND_IMM; break;
    default: break;
    }
}

/* XMM registers, and how much of them a move moves. */
static void vector(const struct insn *i, struct trace_rule *r)
{
    op_fn *op = insn_rows[i->row].op;
    r->size = op == op_movsd_load || op == op_movsd_store ? 8
            : op == op_movss_load || op == op_movss_store ? 4 : 16;
    r->dst |= r->dst == OPERAND_MEMORY ? 0 : OPERAND_XMM;
    r->src |= r->src == OPERAND_MEMORY ? 0 : OPERAND_XMM;
}

/* What the shape does not say. */
static void special(const struct insn *i, struct trace_rule *r)
{
    uint8_t rm = insn_is_mem(i) ? OPERAND_MEMORY : i->rm;
    switch (r->kind) {
    case RULE_PUSH:
        r->src = r->src == OPERAND_IMM ? OPERAND_IMM : rm;
        r->dst = OPERAND_NONE;
        break;
    case RULE_CALL:
    case RULE_LOAD:
        r->src = insn_rows[i->row].op == op_call ? OPERAND_NONE : rm;
        r->dst = OPERAND_NONE;
        break;
    case RULE_NOTHING:
    case RULE_RET:
    case RULE_LEAVE:
    case RULE_SIGN: r->dst = r->src = OPERAND_NONE; break;
    case RULE_SET:
    case RULE_CMOV: r->from = i->opcode & 15; break;
    case RULE_ZERO_EXTEND: r->from = i->opcode & 1 ? 2 : 1; break;
    case RULE_IMUL:
        r->has_imm = insn_rows[i->row].op == op_imul_imm;
        r->dst = i->reg;
        r->src = rm;
        break;
    case RULE_SIGN_EXTEND:
        r->from = insn_rows[i->row].op == op_movsxd ? 4 : i->opcode & 1 ? 2 : 1;
        if (insn_rows[i->row].op == op_cbw) {
            r->from = i->size / 2;
            r->dst = r->src = RAX;
        }
        break;
    default: break;
    }
}

bool trace_rule_of(const struct insn *i, struct trace_rule *r)
{
    *r = (struct trace_rule){ .kind = (uint8_t)kind_of(i), .size = i->size, .dst = OPERAND_NONE,
                              .src = OPERAND_NONE, .imm = i->imm, .disp = i->disp };
    if (r->kind == RULE_EXPLICIT)
        return false;
    operands(i, r);
    if (r->kind == RULE_XMM || r->kind == RULE_PXOR)
        vector(i, r);
    else
        special(i, r);
    r->base = i->rm == REG_ZERO ? BASE_NONE : i->rm == REG_BLOCK_RIP ? BASE_RIP : i->rm;
    r->index = i->index == REG_ZERO ? BASE_NONE : i->index;
    r->scale = i->sib & 3;
    return true;
}
