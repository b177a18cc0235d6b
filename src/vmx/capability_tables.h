// SPDX-License-Identifier: Apache-2.0
// What capability.c and capability_option.c share.
#ifndef SP_VMX_CAPABILITY_TABLES_H
#define SP_VMX_CAPABILITY_TABLES_H

#include "vmx/capability.h"

/* A control word: the MSRs that report it, the original one and the TRUE one if IA32_VMX_BASIC[55];
 * its default1 class (SDM vol. 3, "Reserved Control Bits and Default Settings"); the bits of that
 * class that a TRUE MSR may allow to be 0, for what they do is modelled; where in the MSR the
 * bits begin that may be 1: at 32, above those that must be, or at 0 if there are none of these. */
struct capability_word {
    uint8_t msr, true_msr;
    uint32_t default1, releasable;
    uint8_t allowed1;
};
extern const struct capability_word capability_words[WORD_COUNT];

#define EPT_BASE                                                                                   \
    (EPT_CAP_EXECUTE_ONLY | EPT_CAP_WALK_4 | EPT_CAP_UC | EPT_CAP_WB | EPT_CAP_2M |                \
     EPT_CAP_INVEPT | EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL)
#define VPID_BASE                                                                                  \
    (VPID_CAP_INVVPID | VPID_CAP_INVVPID_TYPE(0) | VPID_CAP_INVVPID_TYPE(1) |                      \
     VPID_CAP_INVVPID_TYPE(2) | VPID_CAP_INVVPID_TYPE(3))

/* Control bits of a word, and bits of an MSR, that the model has. */
uint32_t capability_controls(enum control_word w);
uint64_t capability_bits(unsigned msr);
/* Lets control bits be 1, or no more. */
void capability_allow(uint64_t *cap, enum control_word w, uint32_t bits, bool on);
/* Drops what lost its base, and recomputes the MSRs that follow from others. */
void capability_settle(struct cpu_model *m);

#endif
