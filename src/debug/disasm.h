// SPDX-License-Identifier: Apache-2.0
// Printing instructions.  Capstone stands behind this file alone; it never decides semantics.
#ifndef SP_DEBUG_DISASM_H
#define SP_DEBUG_DISASM_H

#include "cpu/state.h"

/* Prints the instruction in `bytes` (mode 16, 32 or 64 bits) in Intel syntax; returns its length,
 * or 0 and the text "(bad)". */
unsigned disasm_bytes(const uint8_t *bytes, size_t n, unsigned bits, uint64_t rip, char *out,
                      size_t size);
/* The bytes of one instruction, taken now and printed later if somebody asks. */
enum { INSN_BYTES_MAX = 15 };
struct code_bytes { uint8_t byte[INSN_BYTES_MAX], count, bits; };

/* Registers that an instruction reads and writes, implicit ones too, as bits: 0 to 15 general
 * registers by their encoding, 16 RFLAGS, 17 to 22 ES to GS, 24 to 39 XMM0 to XMM15, 40 to 47 x87
 * and MMX registers.  RIP is not among them. */
enum { DISASM_RFLAGS = 16, DISASM_SEGMENT = 17, DISASM_XMM = 24, DISASM_FPR = 40 };
struct disasm_registers {
    uint64_t read, written;
};
struct disasm_registers disasm_registers(const uint8_t *bytes, size_t n, unsigned bits);

/* Fetches the bytes at CS:rip of a processor, without side effects; fewer, or none, where nothing
 * is mapped. */
struct code_bytes disasm_fetch(struct cpu *c, uint64_t rip);
/* Prints them; "(not mapped)" if there are none. */
unsigned disasm_print(const struct code_bytes *code, uint64_t rip, char *out, size_t size);

#endif
