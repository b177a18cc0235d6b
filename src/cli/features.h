// SPDX-License-Identifier: Apache-2.0
// What a processor profile has: names, and the JSON form of `silverpool features`.
#ifndef SP_CLI_FEATURES_H
#define SP_CLI_FEATURES_H

#include <stdio.h>

#include "cpu/model.h"
#include "vmx/capability.h"

/* The name of a CPUID feature in small letters, written to `out`. */
const char *features_name(enum feature f, char *out, size_t size);
/* "pin-based", "primary" ... */
const char *features_word_name(enum control_word w);
/* Writes one JSON object: the model, its CPUID leaves as 64-bit software on processor 0 sees them
 * with CR4.OSXSAVE clear, and the VMX capability MSRs, raw and decoded. */
void features_json(FILE *out, const struct cpu_model *m);

#endif
