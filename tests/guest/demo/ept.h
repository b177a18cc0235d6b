// SPDX-License-Identifier: Apache-2.0
// Shows: the guest-physical address space of the guest.
#ifndef DEMO_EPT_H
#define DEMO_EPT_H

#include <stdbool.h>
#include <stdint.h>

/* Builds the structures (the image's own memory, mapped one to one) and returns the EPT pointer. */
uint64_t ept_create(void);
/* Gives the guest a fresh zeroed page at `gpa`; false if it lies outside the first 4 GiB, is mapped
 * already, or the pool is empty. */
bool ept_map_fresh_page(uint64_t gpa);

#endif
