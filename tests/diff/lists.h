// SPDX-License-Identifier: Apache-2.0
// What is not compared, and why.
#ifndef SP_TESTS_DIFF_LISTS_H
#define SP_TESTS_DIFF_LISTS_H

#include "cpu/insn.h"

/* The reason why a row is left out, or NULL. */
const char *row_excluded(const struct insn_row *row, unsigned bits);

/* Results that the manual leaves open; a sequence ends with the first instruction that has some. */
struct open_result {
    const char *name;        /* mnemonic                                    */
    uint8_t opcodes;         /* ANY_OPCODE, SHIFT_COUNTS (C0, C1, D2, D3) or OPCODE_DB */
    uint32_t flags;          /* status flags that are undefined             */
    uint16_t fsw;            /* bits of the x87 status word                 */
    uint8_t kind;            /* OPEN_*                                      */
    const char *reason;
};
enum { ANY_OPCODE, SHIFT_COUNTS, OPCODE_DB };
enum {
    OPEN_BITS = 0,               /* only what `flags` and `fsw` name              */
    OPEN_X87_LAST_BITS = 1 << 0, /* a few units in the last place of x87 results  */
    OPEN_ADDRESS = 1 << 1,       /* the address that a page fault reports         */
    OPEN_FAULT = 1 << 2,         /* which of #GP, #SS, #PF and #AC comes first    */
    OPEN_MEMORY = 1 << 3,        /* the operand in memory after a fault           */
    OPEN_MASKED = 1 << 4,        /* faults of bytes that are masked out           */
};
/* NULL if everything is defined. */
const struct open_result *row_open(const struct insn_row *row);

#endif
