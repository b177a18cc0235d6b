// SPDX-License-Identifier: Apache-2.0
// The table of registers that the header of an Itanium trace has.
#include "trace/registers_ipf.h"

#include <stdio.h>

static const struct {
    const char *name;
    uint16_t first, number, bits; /* number 0: one register, without a number in its name */
} runs[] = {
#define ONE(NAME, name, bits) { #name, 0, 0, bits },
#define MANY(NAME, name, first, number, bits) { #name, first, number, bits },
#define AR(NAME, number, name) { #name, 0, 0, 64 },
#define CR(NAME, number, name) { #name, 0, 0, 64 },
#include "trace/registers_ipf.def"
};

enum { NAME_MAX_IPF = 12 };

const struct trace_register_row *trace_ipf_registers(void)
{
    static struct trace_register_row rows[TRACE_REGISTERS_IPF];
    static char names[TRACE_REGISTERS_IPF][NAME_MAX_IPF];
    unsigned n = 0;
    if (rows[0].name)
        return rows;
    for (size_t k = 0; k < sizeof runs / sizeof runs[0]; k++)
        for (unsigned j = 0; j < runs[k].number || !j; j++, n++) {
            if (runs[k].number)
                snprintf(names[n], sizeof names[n], "%s%u", runs[k].name, runs[k].first + j);
            rows[n].bits = runs[k].bits;
            rows[n].name = runs[k].number ? names[n] : runs[k].name;
        }
    return rows;
}
