// SPDX-License-Identifier: Apache-2.0
// From bytes to struct insn: prefixes, ModRM, SIB, displacement, immediate, and the choice of the
// row. Legality that depends on the processor's state (privilege, CR0, CR4, features) is bound
// later, in code.c; what the bytes alone make undefined is decided here.
#ifndef SP_CPU_DECODE_H
#define SP_CPU_DECODE_H

#include "cpu/insn.h"

enum { DECODE_MAPS = 4, INSN_MAX_BYTES = 15 };

/* For each map and opcode, the rows to try in order: next[row] chains them. */
struct decoder {
    uint16_t first[DECODE_MAPS][256];
    uint16_t *next;
};
enum { ROW_NONE = 0xffff };

enum decode_result {
    DECODE_OK,
    DECODE_UNDEFINED,    /* #UD; out->len counts the bytes that were looked at */
    DECODE_TRUNCATED,    /* more than `n` bytes are needed */
    DECODE_TOO_LONG,     /* longer than 15 bytes: #GP(0) */
};

/* Indexes the rows; false when memory runs out. */
bool decoder_init(struct decoder *d);
void decoder_free(struct decoder *d);

/* Decodes one instruction of `n` available bytes for a code segment of `bits` (16, 32 or 64) bits.
 * Fills everything of *out but run, off and left. */
enum decode_result decode(const struct decoder *d, const uint8_t *bytes, unsigned n, unsigned bits,
                          struct insn *out);

#endif
