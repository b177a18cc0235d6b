// SPDX-License-Identifier: Apache-2.0
// Instructions as text, many and the same ones again and again: what a trace needs.
#ifndef SP_DEBUG_DISASM_CACHE_H
#define SP_DEBUG_DISASM_CACHE_H

#include <stddef.h>
#include <stdint.h>

struct disasm_cache;

/* NULL: no memory. */
struct disasm_cache *disasm_cache_create(void);
void disasm_cache_free(struct disasm_cache *d);

/* The text of the instruction of `n` bytes (1 to 15) at linear address rip, in a code segment of
 * 16, 32 or 64 bits; "(bad)" if that is none.  Valid until the next call. */
const char *disasm_cached(struct disasm_cache *d, const uint8_t *bytes, unsigned n, unsigned bits,
                          uint64_t rip);

#endif
