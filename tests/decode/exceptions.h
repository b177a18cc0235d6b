// SPDX-License-Identifier: Apache-2.0
// Where the decoder and Zydis differ on purpose.
#ifndef SP_TESTS_DECODE_EXCEPTIONS_H
#define SP_TESTS_DECODE_EXCEPTIONS_H

#include <Zydis/Zydis.h>

#include "cpu/insn.h"

/* One string as both decoders see it; `insn` is meaningful if ours_ok, `zydis` if theirs_ok. */
struct zydis_view {
    const uint8_t *bytes;
    unsigned bits;
    bool ours_ok, theirs_ok;
    const struct insn *insn;
    ZydisDecodedInstruction zydis;
};

enum { EXCEPTIONS_MAX = 32 };
struct difference {
    bool (*applies)(const struct zydis_view *v);
    const char *reason;
};
extern const struct difference exceptions[];
extern const unsigned exception_count;

/* The row that explains a difference, or -1. */
int find_exception(const struct zydis_view *v);

#endif
