// SPDX-License-Identifier: Apache-2.0
// The bounded reader: the only way in which loaders look into a file.
#ifndef SP_IMAGE_READER_H
#define SP_IMAGE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "image/image.h"

/* True if the `length` bytes at `offset` stand in the file. */
static inline bool image_has(const struct image *i, uint64_t offset, uint64_t length)
{
    uint64_t end;
    return !__builtin_add_overflow(offset, length, &end) && end <= i->size;
}

/* Copies `length` bytes at `offset`; false, and nothing copied, if they are not all there. */
static inline bool image_get(const struct image *i, uint64_t offset, void *out, size_t length)
{
    if (!image_has(i, offset, length))
        return false;
    memcpy(out, i->data + offset, length);
    return true;
}

/* A little-endian 32-bit word, or 0 beyond the end (headers are probed with it). */
static inline uint32_t image_u32(const struct image *i, uint64_t offset)
{
    uint32_t v = 0;
    image_get(i, offset, &v, sizeof v);
    return v;
}

#endif
