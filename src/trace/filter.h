// SPDX-License-Identifier: Apache-2.0
// Which instructions a trace gets (--trace-filter).
#ifndef SP_TRACE_FILTER_H
#define SP_TRACE_FILTER_H

#include "trace/event.h"

/* What begins or ends the tracing: any of these. */
struct trace_trigger {
    bool any, magic;             /* any: there is one; magic: XCHG BX, BX                         */
    bool has_address;
    uint64_t address;            /* linear, of an instruction that is about to begin             */
    uint32_t kinds;              /* events: bits of enum trace_kind                               */
};

struct trace_filter {
    uint64_t from, until;        /* machine time, until not included                              */
    uint64_t low, high;          /* linear addresses of instructions, high included              */
    uint64_t cpus;               /* a bit for each processor                                      */
    uint8_t levels, worlds;      /* a bit for each CPL and each enum trace_world                  */
    bool has_vmcs;
    uint64_t vmcs;               /* non-root operation of this one                               */
    struct trace_trigger start, stop;
    bool on;                     /* what start and stop have left                                 */
};

/* Lets everything pass. */
struct trace_filter trace_filter_all(void);

#endif
