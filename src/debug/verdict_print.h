// SPDX-License-Identifier: Apache-2.0
// Reports of verdicts, for people and in JSON.
#ifndef SP_DEBUG_VERDICT_PRINT_H
#define SP_DEBUG_VERDICT_PRINT_H

#include <stdio.h>

#include "debug/verdict.h"

/* What the reports name. */
struct verdict_source {
    const char *file;
    const struct vmcs_dump *dump;
    const char *cpu;                   /* the -cpu text                                    */
};

/* All broken checks, the architecturally first one first; the undecided ones too if `verbose`. */
void verdicts_print(FILE *out, const struct verdict_source *from, const struct verdicts *v,
                    bool verbose);
/* One line of JSON. */
void verdicts_print_json(FILE *out, const struct verdict_source *from, const struct verdicts *v);

#endif
