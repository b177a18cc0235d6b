// SPDX-License-Identifier: Apache-2.0
// What can be chosen about an Itanium processor.
#ifndef SP_MACHINE_IPF_MODEL_H
#define SP_MACHINE_IPF_MODEL_H

#include <stdbool.h>

#include "base/error.h"

struct ipf_cpu;

struct ipf_model {
    bool vti;        /* PSR.vm and PAL's procedures for virtual processors */
    bool vmsw;       /* the instruction of that name works                 */
    unsigned va_msb; /* IMPL_VA_MSB: 50 to 60                              */
};
#define IPF_MODEL_NAME "itanium2"

/* Reads "itanium2", with ",+vti", ",-vti", ",+vmsw", ",-vmsw", ",impl-va-msb=N" behind it in any
 * number; "max" is "itanium2".  False: *e, code SP_EXIT_USAGE. */
bool ipf_model_parse(struct ipf_model *model, const char *text, struct sp_error *e);
/* Gives a new processor what a model has. */
void ipf_model_apply(struct ipf_cpu *c, const struct ipf_model *model);

#endif
