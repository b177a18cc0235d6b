// SPDX-License-Identifier: Apache-2.0
// The VM-exit instruction-information field (SDM vol. 3, "Information for VM Exits Due to
// Instruction Execution").  The tables there share their layout:
//    1:0 scale   6:3 reg1   9:7 address size   10 register form   17:15 segment   21:18 index
//    22 no index   26:23 base   27 no base   31:28 reg2
#include "vmx/internal.h"

uint64_t displacement_of(const struct cpu *c, const struct insn *i)
{
    if (!insn_is_mem(i))
        return 0;
    uint64_t base = i->rm == REG_BLOCK_RIP ? c->gpr[REG_BLOCK_RIP] : 0;
    return base + (uint64_t)(int64_t)i->disp;
}

static uint32_t address_size(const struct insn *i)     /* 0: 16 bits, 1: 32, 2: 64 */
{
    return ((uint32_t)(i->sib >> 5) - 1) << 7;
}

uint32_t info_memory(const struct insn *i)
{
    if (!insn_is_mem(i))
        return 0;
    uint32_t info = address_size(i) | (uint32_t)insn_seg(i) << 15;
    if (i->index < REG_ZERO)
        info |= (i->sib & 3u) | (uint32_t)i->index << 18;
    else
        info |= 1u << 22;
    return info | (i->rm < REG_ZERO ? (uint32_t)i->rm << 23 : 1u << 27);
}

uint32_t info_memory_reg2(const struct insn *i)
{
    return info_memory(i) | (uint32_t)(i->reg & 15) << 28;
}

/* Memory, or the register form with its register in reg1. */
static uint32_t memory_or_register(const struct insn *i)
{
    return insn_is_mem(i) ? info_memory(i) : 1u << 10 | (uint32_t)(i->rm & 15) << 3;
}

uint32_t info_operands(const struct insn *i)
{
    return memory_or_register(i) | (uint32_t)(i->reg & 15) << 28;
}

/* ModRM.reg numbers SGDT, SIDT, LGDT, LIDT (and SLDT, STR, LLDT, LTR) as the field does. */
uint32_t info_table(const struct insn *i)
{
    bool small = (i->prefix & PFX_66) != 0;
    uint32_t operand_32 = i->size == 4 || (i->size == 8 && !small);
    return info_memory(i) | operand_32 << 11 | (i->modrm >> 3 & 3u) << 28;
}

uint32_t info_selector(const struct insn *i)
{
    return memory_or_register(i) | (i->modrm >> 3 & 3u) << 28;
}

uint32_t info_random(const struct insn *i)
{
    return (uint32_t)(i->rm & 15) << 3 | (i->size == 2 ? 0u : i->size == 4 ? 1u : 2u) << 11;
}

uint32_t info_wait(const struct insn *i) { return (uint32_t)(i->rm & 15) << 3; }

/* OUTS may override its segment; INS always uses ES, and leaves the field undefined. */
uint32_t info_string_io(const struct insn *i)
{
    bool outs = i->opcode & 2;
    return address_size(i) | (outs ? (uint32_t)insn_seg(i) << 15 : 0);
}
