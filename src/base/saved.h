// SPDX-License-Identifier: Apache-2.0
// Saving and restoring state.  Every struct that holds state has a table with a row for each of its
// members; one function goes through the rows, and writes or reads.
#ifndef SP_BASE_SAVED_H
#define SP_BASE_SAVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Where state goes to or comes from.  Numbers are little-endian. */
struct saved_stream {
    bool loading;                    /* else saving                                              */
    /* Moves n bytes; false: it failed, and *error says why.  After that nothing moves any more. */
    bool (*move)(struct saved_stream *s, void *bytes, size_t n);
    uint64_t offset;                 /* bytes moved so far                                       */
    const char *file;                /* for messages                                             */
    struct sp_error *error;
    bool failed;
};

enum saved_kind {
    SAVED_STATE,                     /* what a guest can observe: saved, and part of the hash     */
    SAVED_KEPT,                      /* saved: the future depends on it, but not on how it stands */
    SAVED_OTHER                      /* not saved: constant, or built anew from what is           */
};

struct saved_table;
struct saved_row {
    const char *name;
    uint32_t offset;
    uint32_t size, count;            /* of an element, in bytes; elements                         */
    enum saved_kind kind;
    uint64_t most;                   /* no element is above it                                    */
    const struct saved_table *(*part)(void); /* of elements that are structs; else NULL           */
};
struct saved_table {
    const char *name;                /* of the struct                                             */
    const struct saved_row *row;
    unsigned rows;
    size_t size;
};

/* These return false once the stream has failed.  What is read may then be half an object. */
bool saved_object(struct saved_stream *s, const struct saved_table *t, void *object);
bool saved_number(struct saved_stream *s, uint64_t *v);
bool saved_flag(struct saved_stream *s, bool *v);
bool saved_bytes(struct saved_stream *s, void *bytes, size_t n);
/* A number that is the same in every machine of one configuration; `what` for the message. */
bool saved_same(struct saved_stream *s, uint64_t v, const char *what);
/* Fails the stream with a sentence; the file and the offset stand before it.  Returns false. */
bool saved_fail(struct saved_stream *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Calls `take` for each element of SAVED_STATE, with its bytes, in the order of the rows. */
void saved_observe(const struct saved_table *t, const void *object,
                   void (*take)(void *context, const void *bytes, size_t n), void *context);
/* A number that tells tables apart: names, sizes and order of the rows, those of parts included. */
uint32_t saved_layout(const struct saved_table *t, uint32_t seed);

#endif
