// SPDX-License-Identifier: Apache-2.0
#ifndef SP_MEM_SAVED_H
#define SP_MEM_SAVED_H

#include "base/saved.h"
#include "mem/phys.h"

/* All regions that are there now are those of a new machine: what comes later is made again when a
 * machine is restored. */
void mem_built(struct mem *m);

/* Saves or loads RAM (pages of zeros are left out), ROM, and where regions stand.  Loading calls
 * make_device() for each region of a device that came after mem_built(), in the order in which they
 * were made: it makes the next one, at any address; NULL: there can be none.  No watcher is told;
 * nothing may be decoded. */
bool mem_saved(struct mem *m, struct saved_stream *s, bool (*make_device)(void *context),
               void *context);

const struct saved_table *saved_mem_region(void);

#endif
