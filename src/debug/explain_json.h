// SPDX-License-Identifier: Apache-2.0
// The JSON form of explanations: one object a line.
#ifndef SP_DEBUG_EXPLAIN_JSON_H
#define SP_DEBUG_EXPLAIN_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "debug/explain.h"
#include "vmx/entry.h"

/* A broken check: id, section, title, sentence, fields, what is required of the first one. */
json_t *explain_check_json(const struct broken_check *b, bool first);
/* A text; bytes that are not UTF-8 become question marks. */
json_t *explain_text_json(const char *text);
/* Writes the object in one line, and frees it. */
void explain_json_line(FILE *out, json_t *object);

/* explain_entry_failure() and explain_triple_fault() as objects. */
void explain_entry_failure_json(FILE *out, struct cpu *c, const struct entry_failure *f,
                                const struct symbols *symbols);
void explain_triple_fault_json(FILE *out, const struct explain_log *log, struct cpu *c,
                               const struct symbols *symbols);

#endif
