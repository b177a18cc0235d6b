// SPDX-License-Identifier: Apache-2.0
// Where two traces part.
#ifndef SP_DEBUG_TRACE_DIFF_H
#define SP_DEBUG_TRACE_DIFF_H

#include "debug/trace_text.h"

/* An event: the nth (from 0) of those of one machine time. */
struct trace_position {
    uint64_t time, nth;
};

enum { DIFF_CONTEXT_MAX = 1000 };

struct trace_diff {
    /* what is asked for */
    struct trace_reader *reader[2];
    int cpu;          /* events of this processor only; -1: of all */
    unsigned context; /* events to remember before the difference */
    uint64_t window;  /* of an alignment: how far to look ahead */
    /* what was found */
    bool differ;
    struct trace_position at[2]; /* of the first events that differ */
    bool ended[2];               /* ... or this trace ended there */
    char what[80];               /* in a few words */
    uint64_t stretches;          /* alignment: where they differ by timing alone */
    uint64_t only[2];            /* and events in those, of one trace alone */
    /* the last equal events, in the first trace: a ring */
    struct trace_position last[DIFF_CONTEXT_MAX];
    unsigned last_n, last_next;
    uint32_t classes; /* what both traces have */
};

/* Finds the first difference, skipping equal chunks by their hashes.  False and *e: a file is
 * damaged, or the traces cannot be compared. */
bool trace_diff_exact(struct trace_diff *d, struct sp_error *e);
/* Compares the path alone (processor, address, bytes, vectors, exit reasons, fields of the VMCS)
 * and goes on behind stretches of one trace that begin with an interrupt, or go round a loop more
 * often. */
bool trace_diff_aligned(struct trace_diff *d, struct sp_error *e);

/* For both: whether traces have the same registers; sets d->classes. */
bool trace_diff_begin(struct trace_diff *d, struct sp_error *e);
/* The next event that both traces could have. */
enum trace_result trace_diff_next(struct trace_diff *d, unsigned side, struct trace_event *event,
                                  struct sp_error *e);
void trace_diff_remember(struct trace_diff *d, struct trace_position p);
/* Puts a side before the event at p. */
bool trace_diff_seek(struct trace_diff *d, unsigned side, struct trace_position p,
                     struct sp_error *e);
/* Advances p, which counts events, to this event. */
void trace_position_step(struct trace_position *p, const struct trace_event *event);

#endif
