// SPDX-License-Identifier: Apache-2.0
// A growing byte string, in which boot information is put together before it goes to the guest.
#ifndef SP_IMAGE_BLOB_H
#define SP_IMAGE_BLOB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct blob {
    uint8_t *bytes;
    size_t size, capacity;
    bool failed;               /* the host had no memory: nothing more is added */
};

/* Appends n bytes (zeros if data is NULL) at the next multiple of `align`; returns their offset. */
static inline size_t blob_add(struct blob *b, const void *data, size_t n, size_t align)
{
    size_t at = (b->size + align - 1) / align * align;
    if (at + n > b->capacity && !b->failed) {
        size_t capacity = 2 * (at + n) + 256;
        uint8_t *p = realloc(b->bytes, capacity);
        if (p)
            b->bytes = p, b->capacity = capacity;
        b->failed = !p;
    }
    if (b->failed)
        return 0;
    memset(b->bytes + b->size, 0, at - b->size);
    if (data)
        memcpy(b->bytes + at, data, n);
    else
        memset(b->bytes + at, 0, n);
    b->size = at + n;
    return at;
}

static inline void blob_put_u32(struct blob *b, size_t offset, uint32_t v)
{
    if (!b->failed)
        memcpy(b->bytes + offset, &v, sizeof v);
}

#endif
