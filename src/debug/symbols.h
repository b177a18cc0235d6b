// SPDX-License-Identifier: Apache-2.0
// Names for addresses, from a kernel's own symbol table.
#ifndef SP_DEBUG_SYMBOLS_H
#define SP_DEBUG_SYMBOLS_H

#include "image/image.h"

struct symbols;

/* The functions and labels of an ELF image; an empty table for other images.  NULL: no memory. */
struct symbols *symbols_read(const struct image *image);
void symbols_free(struct symbols *s);

/* The symbol that `address` belongs to, and the distance from its start; NULL if there is none. */
const char *symbols_find(const struct symbols *s, uint64_t address, uint64_t *distance);
/* The address of a symbol; false: there is none of this name. */
bool symbols_address(const struct symbols *s, const char *name, uint64_t *address);
/* Prints "0x101a2c (launch+0x1c)", or the number alone.  Returns out.  s may be NULL. */
const char *symbols_print(const struct symbols *s, uint64_t address, char *out, size_t size);

#endif
