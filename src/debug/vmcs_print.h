// SPDX-License-Identifier: Apache-2.0
// The current VMCS of a processor, whole: for people, and in the JSON form that `explain` reads.
#ifndef SP_DEBUG_VMCS_PRINT_H
#define SP_DEBUG_VMCS_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct cpu;

/* Every field that exists on c's model, in four groups, with its encoding, value and meaning.
 * `about` says in a few words when.  False, and nothing is written: no current VMCS. */
bool vmcs_print(FILE *out, struct cpu *c, const char *about);
/* The same as an object with the members "about", "cpu", "fields", "msrs", "outside" and "decoded";
 * NULL if there is no current VMCS. */
json_t *vmcs_json(struct cpu *c, const char *about);

#endif
