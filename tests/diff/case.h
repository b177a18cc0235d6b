// SPDX-License-Identifier: Apache-2.0
// One differential case: the state before, a few instructions, the state after as a processor left
// it.
#ifndef SP_TESTS_DIFF_CASE_H
#define SP_TESTS_DIFF_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cpu/insn.h"

enum {
    CODE_BASE = 0x1b930000,      /* two pages, read and execute                                  */
    CODE_SIZE = 0x2000,
    DATA_BASE = 0x6ace0000,      /* two pages, read and write; nothing is mapped around them     */
    DATA_SIZE = 0x2000,
    SEQUENCE_MAX = 4,            /* instructions                                                 */
    CODE_BYTES_MAX = 15 * SEQUENCE_MAX + 1,
    PATTERN_SIZE = 1 << 20,      /* the data area starts as a window of these bytes              */
    NO_EXCEPTION = 0xff,
    STILL_RUNNING = 0x100,       /* no exception, but no end either                              */
};

/* What user-mode instructions read and write.  fx has the FXSAVE64 format. */
struct user_state {
    uint64_t gpr[16];
    uint64_t rflags;
    uint64_t rip;
    uint64_t fs_base, gs_base;
    uint8_t fx[512] __attribute__((aligned(16)));
    uint16_t selector[6]; /* ES, CS, SS, DS, FS, GS: 16- and 32-bit code only */
};
enum { FX_FCW = 0, FX_FSW = 2, FX_FTW = 4, FX_MXCSR = 24, FX_ST = 32, FX_XMM = 160 };

/* A value that an instruction shall find in the data area. */
struct poke {
    uint64_t value;
    uint16_t offset;
    uint8_t size;
};
enum { POKES_MAX = 4 };

struct test_case {
    struct user_state in;
    uint8_t bits; /* of the code segment: 64, 32 or 16                 */
    uint8_t poke_count;
    struct poke poke[POKES_MAX];
    uint32_t pattern;                    /* offset of the data area's first contents          */
    uint16_t start;                      /* offset of the first instruction in the code pages */
    uint8_t count, length;               /* instructions, bytes                               */
    uint8_t code[CODE_BYTES_MAX];
    uint16_t row[SEQUENCE_MAX];          /* instruction table rows                            */
    uint8_t offset[SEQUENCE_MAX];        /* of each instruction in code                       */
    struct insn last;                    /* the last instruction, decoded                     */
};

struct result {
    struct user_state out;
    uint32_t vector;                     /* NO_EXCEPTION: all instructions were executed      */
    uint32_t error;
    uint64_t address;                    /* #PF: CR2                                          */
    uint8_t data[DATA_SIZE];
};

/* RIP at the code area's begin: the 16-bit code segment begins there. */
static inline uint64_t case_origin(const struct test_case *t)
{
    return t->bits == 16 ? 0 : CODE_BASE;
}
static inline uint64_t case_end(const struct test_case *t)
{
    return case_origin(t) + t->start + t->length;
}

/* The data area's first contents. */
static inline void case_data(const struct test_case *t, const uint8_t *pattern,
                             uint8_t data[DATA_SIZE])
{
    memcpy(data, pattern + t->pattern, DATA_SIZE);
    for (unsigned k = 0; k < t->poke_count; k++)
        memcpy(data + t->poke[k].offset, &t->poke[k].value, t->poke[k].size);
}

#endif
