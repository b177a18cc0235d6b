// SPDX-License-Identifier: Apache-2.0
// Blocks as traces describe them.
#include "trace/log.h"

const struct trace_code trace_code_void = { .words = 2 };

size_t trace_code_size(unsigned n)
{
    /* Every instruction may load two words. */
    return sizeof(struct trace_code) + sizeof(struct trace_load) +
           n * (sizeof(struct trace_code_insn) + sizeof(struct trace_load) + 2 * 2 * sizeof(uint64_t));
}

/* What the encoder looks at each time stands together. */
void trace_code_place(struct trace_code *code, unsigned n)
{
    code->count = (uint16_t)n;
    code->load = (struct trace_load *)(code + 1);
    code->last = (uint64_t(*)[2])(code->load + (n + 1) / 2 * 2);
    code->insn = (struct trace_code_insn *)(code->last + 2 * n);
}

void trace_code_ready(struct trace_code *code)
{
    code->words = 2;
    for (unsigned k = 0; k < code->count; k++) {
        unsigned size = trace_rule_loads(&code->insn[k].rule);
        if (!size)
            continue;
        code->insn[k].room = code->words;
        code->load[code->loads_n++] = (struct trace_load){ code->words, (uint8_t)k, (uint8_t)size };
        code->words = (uint16_t)(code->words + (size + 7) / 8);
    }
}
