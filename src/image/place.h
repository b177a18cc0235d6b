// SPDX-License-Identifier: Apache-2.0
// Where things go in guest RAM: loaders claim the ranges that an image dictates and ask for free
// ones for what they add (boot information, modules, page tables).
#ifndef SP_IMAGE_PLACE_H
#define SP_IMAGE_PLACE_H

#include "machine/machine.h"

enum { PLACE_RANGES_MAX = 256 };

struct place {
    struct machine *machine;
    struct mem *mem;
    const char *name;                  /* of the image, for messages */
    struct memory_range map[64];
    size_t map_count;
    struct { uint64_t base, end; } taken[PLACE_RANGES_MAX];
    size_t taken_count;
    uint64_t top;                      /* end of the highest claimed range */
};

void place_begin(struct place *p, struct machine *m, const char *name);
/* The same for memory that has no machine yet: all of its RAM is usable. */
void place_begin_in(struct place *p, struct mem *mem, const char *name);

/* Claims [base, base + size) for the image; it must lie in usable RAM.  `offset` says in the error
 * which part of the file asked for it. */
bool place_claim(struct place *p, uint64_t base, uint64_t size, uint64_t offset,
                 struct sp_error *e);
/* Finds the lowest free range of usable RAM in [low, high) and claims it. */
bool place_find(struct place *p, uint64_t size, uint64_t align, uint64_t low, uint64_t high,
                uint64_t *base, struct sp_error *e);
/* The same, but the highest. */
bool place_find_last(struct place *p, uint64_t size, uint64_t align, uint64_t low, uint64_t high,
                     uint64_t *base, struct sp_error *e);
/* Zeroes RAM without touching pages that are zero already. */
void place_zero(struct place *p, uint64_t base, uint64_t size);

#endif
