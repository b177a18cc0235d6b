// SPDX-License-Identifier: Apache-2.0
#include "debug/bytes.h"

#include <stdlib.h>
#include <string.h>

void bytes_put(struct bytes *b, const void *data, size_t size)
{
    if (size > b->capacity - b->size) {
        size_t capacity = 2 * (b->size + size) + 64;
        uint8_t *p = realloc(b->data, capacity);
        if (!p) {
            b->failed = true;
            return;
        }
        b->data = p;
        b->capacity = capacity;
    }
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

void bytes_number(struct bytes *b, uint64_t value, unsigned size)
{
    uint8_t byte[8];
    for (unsigned k = 0; k < size; k++)
        byte[k] = (uint8_t)(value >> (8 * k));
    bytes_put(b, byte, size);
}

void bytes_varint(struct bytes *b, uint64_t value)
{
    uint8_t byte[10];
    unsigned n = 0;
    for (; value > 127; value >>= 7)
        byte[n++] = (uint8_t)(value | 128);
    byte[n++] = (uint8_t)value;
    bytes_put(b, byte, n);
}

void bytes_clear(struct bytes *b) { b->size = 0; }

void bytes_flush(struct bytes *b, FILE *out)
{
    if (b->size)
        fwrite(b->data, 1, b->size, out);
    b->size = 0;
}

void bytes_free(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){ 0 };
}
