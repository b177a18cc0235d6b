// SPDX-License-Identifier: Apache-2.0
// Why an Itanium machine ended badly, in English: its last interruptions, with the rules that were
// broken and the ways of addresses.
#ifndef SP_DEBUG_IPF_EXPLAIN_H
#define SP_DEBUG_IPF_EXPLAIN_H

#include <stdio.h>

#include "debug/ipf_rules.h"
#include "debug/symbols.h"

/* One interruption. */
struct ipf_note {
    struct ipf_event event;
    struct ipf_code_bytes code;
    const struct ipf_rule *rule; /* NULL: to be found when it is printed     */
    char operands[96];           /* source registers, with their NaT bits    */
    uint64_t psr, sp, retired;
};
/* The last ones of a processor; of a chain (IPF_CHAIN_MAX) those that it begins with. */
enum { IPF_NOTES = 8 };
struct ipf_explain_log {
    struct ipf_note last[IPF_NOTES];
    uint64_t count;
};

/* To be called by the hook of interruptions. */
struct ipf_note ipf_note(const struct ipf_cpu *c, const struct ipf_event *e);
void ipf_explain_note(struct ipf_explain_log *log, const struct ipf_cpu *c,
                      const struct ipf_event *e);

/* One line: the interruption, where, ISR, address or immediate; without a newline. */
void ipf_note_print(FILE *out, const struct ipf_note *n, const struct symbols *symbols);
/* The line behind it: the rule, the instruction, its operands; nothing for an interrupt. */
void ipf_note_rule(FILE *out, const struct ipf_cpu *c, const struct ipf_note *n);

/* The log, and the registers that decide where interruptions go and what they save. */
void ipf_explain_end(FILE *out, const struct ipf_explain_log *log, const struct ipf_cpu *c,
                     const struct symbols *symbols);
/* The same in one line of JSON; `event` names the end: "nested_interruptions", "halted". */
void ipf_explain_end_json(FILE *out, const char *event, const struct ipf_explain_log *log,
                          const struct ipf_cpu *c, const struct symbols *symbols);

#endif
