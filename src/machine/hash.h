// SPDX-License-Identifier: Apache-2.0
// Parts of the state hash that both kinds of machine use.
#ifndef SP_MACHINE_HASH_H
#define SP_MACHINE_HASH_H

#include <stdint.h>
#include <xxhash.h>

struct ipf_cpu;
struct mem;

/* All RAM, write-protected or not, and ROM over it. */
void hash_memory(XXH64_state_t *h, const struct mem *mem);
/* Everything that software can observe of Itanium processors, their time and RAM. */
uint64_t hash_ipf(uint64_t now, struct ipf_cpu *const *cpus, unsigned count, const struct mem *mem);

#endif
