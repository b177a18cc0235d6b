// SPDX-License-Identifier: Apache-2.0
// A buffer that grows, for the formats that traces are converted to.
#ifndef SP_DEBUG_BYTES_H
#define SP_DEBUG_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* All zeros is an empty buffer. */
struct bytes {
    uint8_t *data;
    size_t size, capacity;
    bool failed; /* the host had no memory for some of it */
};

void bytes_put(struct bytes *b, const void *data, size_t size);
/* An integer of `size` bytes (1 to 8), little-endian. */
void bytes_number(struct bytes *b, uint64_t value, unsigned size);
/* LEB128: seven bits a byte from the lowest on, bit 7 where more follow. */
void bytes_varint(struct bytes *b, uint64_t value);
void bytes_clear(struct bytes *b); /* keeps the memory */
/* Writes what is in it and clears it. */
void bytes_flush(struct bytes *b, FILE *out);
void bytes_free(struct bytes *b);

#endif
