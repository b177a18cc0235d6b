// SPDX-License-Identifier: Apache-2.0
#include "debug/disasm.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/access.h"
#include "cpu/cpu.h"
#include "mem/phys.h"

static bool open_for(unsigned bits, csh *handle)
{
    cs_mode mode = bits == 64 ? CS_MODE_64 : bits == 32 ? CS_MODE_32 : CS_MODE_16;
    return cs_open(CS_ARCH_X86, mode, handle) == CS_ERR_OK;
}

unsigned disasm_bytes(const uint8_t *bytes, size_t n, unsigned bits, uint64_t rip, char *out,
                      size_t size)
{
    csh handle;
    cs_insn *insn;
    unsigned length = 0;
    snprintf(out, size, "(bad)");
    if (!open_for(bits, &handle))
        return 0;
    if (cs_disasm(handle, bytes, n, rip, 1, &insn) == 1) {
        snprintf(out, size, "%s%s%s", insn->mnemonic, *insn->op_str ? " " : "", insn->op_str);
        length = insn->size;
        cs_free(insn, 1);
    }
    cs_close(&handle);
    return length;
}

/* The number of a register in struct disasm_registers, by its name: "al", "r10d", "xmm3", "fs" ...
 * Negative: none of them. */
static int register_bit(const char *name)
{
    static const char pairs[] = "axcxdxbxspbpsidi", bytes[] = "acdb";
    static const char segments[] = "escsssdsfsgs";
    size_t n = strlen(name);
    const char *p;
    if (!strncmp(name, "xmm", 3))
        return DISASM_XMM + (atoi(name + 3) & 15);
    if (!strncmp(name, "st(", 3))
        return DISASM_FPR + (atoi(name + 3) & 7);
    if (!strncmp(name, "mm", 2))
        return DISASM_FPR + (atoi(name + 2) & 7);
    if (name[0] == 'r' && name[1] >= '0' && name[1] <= '9')
        return atoi(name + 1) & 15;
    if (n > 4 && !strcmp(name + n - 5, "flags"))
        return DISASM_RFLAGS;
    if (n == 3 && (name[0] == 'r' || name[0] == 'e'))
        name++, n--;
    else if (n == 3 && name[2] == 'l') /* spl, bpl, sil, dil */
        n--;
    if (n != 2)
        return -1;
    if ((name[1] == 'l' || name[1] == 'h') && (p = strchr(bytes, name[0])))
        return (int)(p - bytes);
    for (int k = 0; k < 8; k++)
        if (!strncmp(name, pairs + 2 * k, 2))
            return k;
    for (int k = 0; k < 6; k++)
        if (!strncmp(name, segments + 2 * k, 2))
            return DISASM_SEGMENT + k;
    return -1;
}

static uint64_t register_bits(csh handle, const uint16_t *list, unsigned n)
{
    uint64_t result = 0;
    for (unsigned k = 0; k < n; k++) {
        const char *name = cs_reg_name(handle, list[k]);
        int bit = name ? register_bit(name) : -1;
        result |= bit < 0 ? 0 : UINT64_C(1) << bit;
    }
    return result;
}

struct disasm_registers disasm_registers(const uint8_t *bytes, size_t n, unsigned bits)
{
    struct disasm_registers r = { 0 };
    csh handle;
    cs_insn *insn;
    if (!open_for(bits, &handle))
        return r;
    cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
    if (cs_disasm(handle, bytes, n, 0, 1, &insn) == 1) {
        cs_regs read, written;
        uint8_t reads, writes;
        if (cs_regs_access(handle, insn, read, &reads, written, &writes) == CS_ERR_OK) {
            r.read = register_bits(handle, read, reads);
            r.written = register_bits(handle, written, writes);
        }
        cs_free(insn, 1);
    }
    cs_close(&handle);
    return r;
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
