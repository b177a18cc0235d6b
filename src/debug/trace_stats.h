// SPDX-License-Identifier: Apache-2.0
// What a trace holds, counted.
#ifndef SP_DEBUG_TRACE_STATS_H
#define SP_DEBUG_TRACE_STATS_H

#include <stdio.h>

#include "debug/trace_text.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

enum { STATS_BITS = 4, STATS_BEFORE = EXIT_REASONS, STATS_REASONS }; /* BEFORE: no exit was yet */

enum { STATS_IPF = 512 };

/* VM exits with one basic reason, and what the processor did until it entered again. */
struct stats_exits {
    uint64_t count;
    uint64_t entered;           /* after how many of them a VM entry followed */
    uint64_t host, least, most; /* instructions between exit and entry: sum and extremes */
    uint64_t guest;             /* instructions before the exit, since its entry */
    uint64_t reads[VMCS_FIELD_COUNT], writes[VMCS_FIELD_COUNT];
};

/* A function, or a page of code that has no name. */
struct stats_place {
    const char *symbol; /* NULL: a page */
    uint64_t page;
    uint64_t instructions;
};

struct trace_stats {
    uint64_t instructions;
    uint64_t mode[3][4][STATS_BITS]; /* by enum trace_world, CPL, and 16, 32, 64 bits, Itanium */
    uint64_t kind[TRACE_KINDS];
    uint64_t exception[256], interrupt[256];
    uint64_t ipf[TRACE_KINDS][STATS_IPF]; /* by the first field: see trace_stats_ipf()       */
    struct stats_exits exits[STATS_REASONS];
    unsigned cpus;
    unsigned *last_exit;        /* of each processor */
    struct stats_count *counts; /* by address, open addressing */
    size_t counts_n, capacity;
};

/* NULL: no memory. */
struct trace_stats *trace_stats_create(const struct trace_header *h);
void trace_stats_free(struct trace_stats *s);
/* Whether an Itanium's events of a kind are counted by their first field, which *shift makes an
 * index below STATS_IPF. */
bool trace_stats_ipf(enum trace_kind kind, unsigned *shift);
/* False: no memory. */
bool trace_stats_add(struct trace_stats *s, const struct trace_event *event);
/* The places where most instructions were, the hottest first: at most n of them.  Returns how many.
 */
size_t trace_stats_places(const struct trace_stats *s, const struct trace_text *t,
                          struct stats_place *place, size_t n);

/* Tables; `top` places. */
void trace_stats_print(const struct trace_stats *s, const struct trace_text *t, unsigned top,
                       struct bytes *out);
/* The same as one JSON object. */
void trace_stats_json(const struct trace_stats *s, const struct trace_text *t, unsigned top,
                      struct bytes *out);

#endif
