// SPDX-License-Identifier: Apache-2.0
#include "debug/disasm_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "debug/disasm.h"

enum { ENTRY_BITS = 15, TEXT_SIZE = 96 };

struct entry {
    uint64_t rip;
    uint8_t byte[INSN_BYTES_MAX], count, bits;
    char text[TEXT_SIZE];
};

struct disasm_cache {
    struct entry entry[1 << ENTRY_BITS];
};

struct disasm_cache *disasm_cache_create(void) { return calloc(1, sizeof(struct disasm_cache)); }

void disasm_cache_free(struct disasm_cache *d) { free(d); }

const char *disasm_cached(struct disasm_cache *d, const uint8_t *bytes, unsigned n, unsigned bits,
                          uint64_t rip)
{
    struct entry *e = &d->entry[rip * 0x9e3779b97f4a7c15ull >> (64 - ENTRY_BITS)];
    if (n > INSN_BYTES_MAX)
        n = INSN_BYTES_MAX;
    if (e->rip == rip && e->count == n && e->bits == bits && !memcmp(e->byte, bytes, n))
        return e->text;
    e->rip = rip;
    e->count = (uint8_t)n;
    e->bits = (uint8_t)bits;
    memcpy(e->byte, bytes, n);
    disasm_bytes(bytes, n, bits, rip, e->text, sizeof e->text);
    return e->text;
}
