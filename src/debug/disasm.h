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

/* Fetches the bytes at CS:rip of a processor, without side effects; fewer, or none, where nothing
 * is mapped. */
struct code_bytes disasm_fetch(struct cpu *c, uint64_t rip);
/* Prints them; "(not mapped)" if there are none. */
unsigned disasm_print(const struct code_bytes *code, uint64_t rip, char *out, size_t size);

#endif
