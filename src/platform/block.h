// SPDX-License-Identifier: Apache-2.0
// What a disk device asks of the storage behind it.
#ifndef SP_PLATFORM_BLOCK_H
#define SP_PLATFORM_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct saved_stream;

enum { BLOCK_SIZE = 512 };

/* Storage of `size` bytes, a multiple of BLOCK_SIZE.  Callers keep [offset, offset + n) inside it;
 * false means that the data could not be transferred. */
struct block_store {
    void *user;
    uint64_t size;
    bool read_only; /* write and zero are not called */
    bool (*read)(void *user, uint64_t offset, void *bytes, size_t n);
    bool (*write)(void *user, uint64_t offset, const void *bytes, size_t n);
    /* The range reads as zeros from now on; its storage may be given back. */
    bool (*zero)(void *user, uint64_t offset, uint64_t n);
    /* All writes so far survive a crash of the host. */
    bool (*flush)(void *user);
    /* Saves or loads what it holds beside its file; NULL: nothing. */
    bool (*saved)(void *user, struct saved_stream *s);
};

/* A disk of the machine; `serial` (up to 20 characters, may be empty) is what its driver can ask
 * for. */
struct block_disk {
    struct block_store store;
    const char *serial;
};

#endif
