// SPDX-License-Identifier: Apache-2.0
// A translation from guest-linear by guest-physical to host-physical address, entry by entry.
#ifndef SP_DEBUG_WALK_H
#define SP_DEBUG_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cpu;

/* Prints how the current guest's EPT translates `physical`: each entry with where it stands, what
 * it holds, and its bits by name; behind the one that decides, why (SDM vol. 3, "EPT Translation
 * Mechanism", "EPT Misconfigurations"); then the entries for its sub-page, where writes go by them
 * ("Sub-Page Write Permissions").  For VMX non-root operation with EPT; changes nothing. */
void walk_print_ept(FILE *out, struct cpu *c, uint64_t physical);

/* The same for the guest's own paging structures on the way to `linear` (SDM vol. 3, chapter
 * "Paging"), whose addresses are guest-physical; before them those of HLAT paging, if it translates
 * `linear`.  With guest-paging verification, those without paging-write access are marked. */
void walk_print_linear(FILE *out, struct cpu *c, uint64_t linear);

/* One line: where `linear` leads to, and the memory type that an access to it has, with the types
 * that it comes from (SDM vol. 3, "EPT and Memory Typing", "MTRR Precedences").  Nothing if it is
 * not mapped.  In any mode. */
void walk_print_memory_type(FILE *out, struct cpu *c, uint64_t linear);

#endif
