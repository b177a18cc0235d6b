// SPDX-License-Identifier: Apache-2.0
// Reading a trace (docs/trace-format.md).  Nothing in a file is trusted: whatever its bytes, each
// function returns, and says what is wrong and at which offset.
#ifndef SP_TRACE_READER_H
#define SP_TRACE_READER_H

#include <stddef.h>

#include "base/error.h"
#include "trace/event.h"

struct trace_reader;

/* A row of the register table: ids of struct trace_register index it. */
struct trace_register_row {
    const char *name;            /* "rax", "rflags", "xmm3" ...                                   */
    unsigned bits;               /* 1 to 128                                                      */
};

enum trace_arch { TRACE_IA32, TRACE_IPF };

struct trace_header {
    unsigned version;
    enum trace_arch arch;
    uint32_t classes;                /* mask of enum trace_class: what the trace has              */
    unsigned cpus;
    uint64_t seed;
    uint64_t image_hash;             /* XXH64 of the images, 0: none                              */
    const char *profile;             /* -cpu                                                      */
    const char *options;             /* command line, "" if none                                  */
    const char *filter;              /* --trace-filter, "" if none                                */
    const char *program;             /* who wrote it, with its version                            */
    unsigned registers_n;
    const struct trace_register_row *registers;
    unsigned tlb_slots;              /* a power of two: see the document, "Translations"          */
    /* A slice holds the instructions [first, last) by machine time; a whole trace 0 and all ones.
     * trace_next() keeps to it. */
    uint64_t first, last;
};

/* A chunk: a stretch of the trace that can be read without the others. */
struct trace_chunk {
    uint64_t offset;                 /* in the file                                               */
    uint64_t bytes;                  /* in the file                                               */
    uint64_t first_time;             /* machine time at its start                                 */
    uint64_t last_time;              /* and at its end: events of that very time may be in it     */
    uint64_t instructions;           /* in it, of all processors                                  */
    uint64_t events;                 /* other than instructions                                   */
    uint64_t hash;                   /* XXH64 of its contents (before compression)                */
    uint64_t running;                /* ... chained with those of all chunks before it: two traces
                                        with equal headers are equal up to here when these are    */
};

/* Opens a trace.  NULL and *e (code SP_EXIT_BAD_IMAGE, with file and offset) if it is none, is
 * damaged, or of another version.  A file that was cut off opens: trace_truncated() tells. */
struct trace_reader *trace_open(const char *path, struct sp_error *e);
/* The same from memory, which must outlive the reader; `name` stands in messages. */
struct trace_reader *trace_open_memory(const void *bytes, size_t n, const char *name,
                                       struct sp_error *e);
void trace_close(struct trace_reader *r);

const struct trace_header *trace_header_of(const struct trace_reader *r);
/* The chunks, in order; *n is their number. */
const struct trace_chunk *trace_chunks(const struct trace_reader *r, unsigned *n);
/* One sentence if the file ends before its index does, naming what can be read; else NULL. */
const char *trace_truncated(const struct trace_reader *r);

enum trace_result { TRACE_OK, TRACE_END, TRACE_BAD };
/* The next event, valid until the next call on r.  TRACE_BAD: *e says what is wrong, and where; the
 * reader stays there.  At the end of a file that was cut off: TRACE_END. */
enum trace_result trace_next(struct trace_reader *r, struct trace_event *event,
                             struct sp_error *e);

/* The next event that trace_next() gives is the first one whose machine time is not below `time`;
 * reads at most one chunk to get there. */
void trace_seek(struct trace_reader *r, uint64_t time);

/* What register `id` of processor `cpu` holds after the last event: false while the trace has not
 * told (none is known without TRACE_REGISTERS). */
bool trace_register_value(const struct trace_reader *r, unsigned cpu, unsigned id,
                          uint64_t value[2]);

/* How many registers were not what the trace had told when it told them anew, which it does where chunks
 * and runs of a processor begin.  Devices, resets and embedders change registers between runs; within
 * a run of one processor there is nothing to surprise. */
uint64_t trace_surprises(const struct trace_reader *r);

/* Writes the events of machine time [first, last) as a trace of its own: whole chunks are copied,
 * and the new header says which of their events count.  False and *e if a file cannot be read or
 * written. */
bool trace_slice(struct trace_reader *r, uint64_t first, uint64_t last, const char *path,
                 struct sp_error *e);

#endif
