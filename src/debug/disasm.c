// SPDX-License-Identifier: Apache-2.0
#include "debug/disasm.h"

#include <capstone/capstone.h>
#include <stdio.h>

#include "cpu/access.h"
#include "cpu/cpu.h"
#include "mem/phys.h"

unsigned disasm_bytes(const uint8_t *bytes, size_t n, unsigned bits, uint64_t rip, char *out,
                      size_t size)
{
    csh handle;
    cs_insn *insn;
    unsigned length = 0;
    cs_mode mode = bits == 64 ? CS_MODE_64 : bits == 32 ? CS_MODE_32 : CS_MODE_16;
    snprintf(out, size, "(bad)");
    if (cs_open(CS_ARCH_X86, mode, &handle) != CS_ERR_OK)
        return 0;
    if (cs_disasm(handle, bytes, n, rip, 1, &insn) == 1) {
        snprintf(out, size, "%s%s%s", insn->mnemonic, *insn->op_str ? " " : "", insn->op_str);
        length = insn->size;
        cs_free(insn, 1);
    }
    cs_close(&handle);
    return length;
}

struct code_bytes disasm_fetch(struct cpu *c, uint64_t rip)
{
    struct code_bytes code = { .bits = in_64bit(c) ? 64 : c->seg[CS].access & SEG_DB ? 32 : 16 };
    uint64_t pa, linear = c->seg[CS].base + rip;
    while (code.count < INSN_BYTES_MAX) {
        uint64_t at = code.bits == 64 ? linear + code.count : (uint32_t)(linear + code.count);
        unsigned left = PAGE_SIZE - (at & (PAGE_SIZE - 1)), wanted = INSN_BYTES_MAX - code.count;
        if (!linear_peek(c, at, &pa))
            break;
        mem_read(c->mem, pa, &code.byte[code.count], left < wanted ? left : wanted);
        code.count += (uint8_t)(left < wanted ? left : wanted);
    }
    return code;
}

unsigned disasm_print(const struct code_bytes *code, uint64_t rip, char *out, size_t size)
{
    if (code->count)
        return disasm_bytes(code->byte, code->count, code->bits, rip, out, size);
    snprintf(out, size, "(not mapped)");
    return 0;
}
