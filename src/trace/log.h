// SPDX-License-Identifier: Apache-2.0
// The way into a trace for an engine that runs blocks of decoded instructions: words in a buffer, which
// a thread of its own turns into the file's chunks (encode.c) while the engine fills the next one.
//
// The log of a stretch is records in a row:
//   a block: the address of its struct trace_code, its RIP, and room for what its instructions load
//   an item: a word whose low three bits are not 0, and its operands; items belong to the block
//            before them
// An engine writes the word of a block and leaves its room open; everything else goes by functions.
#ifndef SP_TRACE_LOG_H
#define SP_TRACE_LOG_H

#include <stddef.h>

#include "trace/filter.h"
#include "trace/format.h"

/* One instruction of a block, as it stands in memory. */
struct trace_code_insn {
    uint8_t bytes[TRACE_BYTES_MAX];
    uint8_t length;
    uint8_t slot;                 /* Itanium                                                      */
    uint16_t room;                /* word of the block's record where its load goes, if it has one */
    struct trace_rule rule;
};

/* A load of a rule. */
struct trace_load { uint16_t room; uint8_t insn, size; };

/* A block.  It stays where it is until trace_log_forget(). */
struct trace_code {
    uint64_t physical;            /* of its first byte                                            */
    uint16_t count;               /* instructions                                                 */
    uint16_t words;               /* of a record: 2 and the room                                  */
    uint16_t loads_n;
    uint8_t bits;                 /* 16, 32, 64, 128                                              */
    /* The encoder's: the chunk that the rest is of, the block's number in it, the one that followed it
     * last, its last RIP, and for each word of room what was there and the last difference. */
    uint32_t chunk, number, next;
    uint64_t rip;
    uint64_t (*last)[2];
    struct trace_load *load;
    struct trace_code_insn *insn;
};

/* Takes the place of a block's description in its record when another one turns out to run instead. */
extern const struct trace_code trace_code_void;

enum { LOG_BLOCK, LOG_ACCESS, LOG_INSN, LOG_EVENT, LOG_FILL, LOG_VIEW, LOG_CPU };
enum { LOG_OUTSIDE = 0xff };      /* for an instruction's number: after the last one             */

struct trace_log {
    uint64_t *at, *limit;         /* where the next record goes; a block at or above the limit
                                     needs a new buffer                                           */
    uint32_t classes;
    struct trace_filter *filter;  /* the engine's, NULL: everything passes                         */
    bool live;                    /* goes nowhere: trace_log_live()                                */
    struct trace_file *file;
    struct log_state *state;
};

struct trace_log *trace_log_open(const char *path, const struct trace_header *h,
                                 struct sp_error *e);
bool trace_log_close(struct trace_log *l, struct sp_error *e);
/* A live log has no file and keeps no more than the accesses of the instruction that is running,
 * for the engine to hand them to somebody when it is over.  Its blocks have no rules.  NULL: no
 * memory is left. */
struct trace_log *trace_log_live(void);
/* The access of a live log that begins at `at`; returns where the next one does, or NULL: there was
 * none.  The accesses of an instruction follow each other. */
const uint64_t *trace_log_next_access(const struct trace_log *l, const uint64_t *at,
                                      struct trace_access *a);

/* Called when a block finds at >= limit: makes room.  True: a chunk begins, and the caller logs the state
 * that it begins with.  Never inside of a block. */
bool trace_log_begin(struct trace_log *l);
/* A number that changes with each new chunk. */
uint32_t trace_log_turns(const struct trace_log *l);

/* Gives the parts of a block of n instructions their places in its room, which is cleared. */
void trace_code_place(struct trace_code *code, unsigned n);
/* Room for a block of n instructions, cleared and placed.  NULL when there is too much of it: the caller forgets
 * every block it has and calls trace_log_forget(), outside of blocks. */
struct trace_code *trace_log_code(struct trace_log *l, unsigned n);
/* To be called when the block is complete: gives its loads their room. */
void trace_code_ready(struct trace_code *code);
/* The bytes that a block of n instructions takes. */
size_t trace_code_size(unsigned n);
void trace_log_forget(struct trace_log *l);

/* Items.  `insn` is the number of the instruction in the block that is running, or LOG_OUTSIDE.  Accesses
 * belong to the trace_log_insn() that follows them. */
void trace_log_access(struct trace_log *l, uint64_t linear, uint64_t physical, unsigned size,
                      bool write, bool system, const void *bytes);
/* Outside of instructions: what a delivery or an entry did (status TRACE_DELIVERED), or state that the
 * reader cannot know (TRACE_SYNC).  `last`: the block ends here. */
void trace_log_insn(struct trace_log *l, unsigned insn, enum trace_status status, bool last,
                    uint64_t time, const struct trace_register *r, unsigned n);
void trace_log_event(struct trace_log *l, unsigned insn, uint64_t time, enum trace_kind kind,
                     const void *fields);
/* Translations that loads and stores of rules use: entry `slot` of array `array` (2 * view, and 1 more
 * for writes) has the page at `physical`; and the view in force. */
void trace_log_fill(struct trace_log *l, unsigned insn, unsigned array, unsigned slot,
                    uint64_t physical);
void trace_log_view(struct trace_log *l, unsigned insn, unsigned view);
void trace_log_cpu(struct trace_log *l, unsigned cpu, uint64_t time, uint64_t index);

#endif
