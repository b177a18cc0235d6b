// SPDX-License-Identifier: Apache-2.0
// Registers of Itanium traces by number (registers_ipf.def).
#ifndef SP_TRACE_REGISTERS_IPF_H
#define SP_TRACE_REGISTERS_IPF_H

#include "trace/format.h"

/* IREG_PSR; of runs the first, and IREG_GR_LAST and so on. */
enum {
#define ONE(NAME, name, bits) IREG_##NAME,
#define MANY(NAME, name, first, number, bits) \
    IREG_##NAME, IREG_##NAME##_LAST = IREG_##NAME + (number) - 1,
#define AR(NAME, number, name) IREG_AR_##NAME,
#define CR(NAME, number, name) IREG_CR_##NAME,
#include "trace/registers_ipf.def"
    TRACE_REGISTERS_IPF,
};
_Static_assert((int)TRACE_REGISTERS_IPF <= (int)TRACE_REGISTERS_MAX, "their numbers fit a log");

/* TRACE_REGISTERS_IPF rows. */
const struct trace_register_row *trace_ipf_registers(void);

#endif
