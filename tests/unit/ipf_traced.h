// SPDX-License-Identifier: Apache-2.0
// With TEST_TRACED in the environment all that the tests of a bare Itanium processor run is traced,
// for nobody: it must not show.
#ifndef SP_TESTS_IPF_TRACED_H
#define SP_TESTS_IPF_TRACED_H

#include <stdlib.h>

#include "ipf/trace.h"
#include "trace/registers_ipf.h"

static inline struct ipf_cpu *traced_if_asked(struct ipf_cpu *c)
{
    struct sp_error e = { 0 };
    const struct trace_header h = { .arch = TRACE_IPF, .classes = TRACE_PRESET_FULL, .cpus = 64,
                                    .tlb_slots = 1, .last = UINT64_MAX,
                                    .registers_n = TRACE_REGISTERS_IPF,
                                    .registers = trace_ipf_registers() };
    if (!getenv("TEST_TRACED"))
        return c;
    struct trace_log *log = trace_log_open("/dev/null", &h, &e);
    if (!log || !ipf_trace_begin(c, log))
        abort();
    return c;
}

#endif
