// SPDX-License-Identifier: Apache-2.0
// Why an Itanium processor interrupts its program: the rule of the manual that was broken.
#ifndef SP_DEBUG_IPF_RULES_H
#define SP_DEBUG_IPF_RULES_H

#include <stddef.h>

#include "ipf/decode.h"
#include "ipf/state.h"

struct ipf_rule {
    const char *id, *section, *sentence;
    uint8_t what; /* row of interruption.def */
};

/* The bundle that an event is about, taken now and decoded later if somebody asks. */
struct ipf_code_bytes {
    uint64_t low, high;
    bool mapped; /* else both are 0 */
};
struct ipf_code_bytes ipf_code_fetch(const struct ipf_cpu *c, uint64_t ip);
/* One of its slots, decoded (2 for both slots of a long instruction). */
struct ipf_code_slot {
    bool reserved; /* the template is */
    bool known;    /* insn is valid   */
    struct ipf_slot insn;
};
struct ipf_code_slot ipf_code_decode(const struct ipf_code_bytes *code, unsigned slot);
/* Prints it; "(not mapped)", "(reserved template)" or "(reserved)" if there is no instruction. */
void ipf_code_print(const struct ipf_code_bytes *code, uint64_t ip, unsigned slot, char *out,
                    size_t size);

/* The rule behind an event that is about to be delivered (a hook's: the processor's state is that
 * of the interrupted program); NULL: none was broken, it is an external interrupt. */
const struct ipf_rule *ipf_broken_rule(const struct ipf_cpu *c, const struct ipf_event *e,
                                       const struct ipf_code_bytes *code);
/* Whether it is found by registers, which change when the event is delivered. */
bool ipf_rule_needs_registers(const struct ipf_event *e);
/* The rows of ipf_rules.def; NULL beyond the last. */
const struct ipf_rule *ipf_rule_at(unsigned n);

#endif
