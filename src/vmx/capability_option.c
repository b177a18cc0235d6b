// SPDX-License-Identifier: Apache-2.0
// The switches that change VMX capabilities: -cpu NAME,vmx-KEY=on|off.
#include <string.h>

#include "vmx/capability.h"
#include "vmx/capability_tables.h"

/* Controls of the default1 classes that the TRUE MSRs may release: on = "may be 0". */
static const struct {
    const char *key;
    uint8_t word, bit;
} release_options[] = {
    { "vmx-cr3-load-noexit", WORD_PROC, 15 },
    { "vmx-cr3-store-noexit", WORD_PROC, 16 },
    { "vmx-exit-nosave-debugctl", WORD_EXIT, 2 },
    { "vmx-entry-noload-debugctl", WORD_ENTRY, 2 },
};

static bool set_control(struct cpu_model *m, const struct vmx_control_bit *k, bool on)
{
    uint32_t bit = UINT32_C(1) << k->bit;
    if (bit & capability_words[k->word].default1)
        return on; /* always may be 1; see release_options */
    capability_allow(m->vmx_capability, k->word, bit, on);
    if (on && k->word == WORD_PROC2) {
        capability_allow(m->vmx_capability, WORD_PROC, PROC_SECONDARY_CONTROLS, true);
        if (bit & (PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST)) {
            capability_allow(m->vmx_capability, WORD_PROC2, PROC2_ENABLE_EPT, true);
            m->vmx_capability[CAP_EPT_VPID] |= EPT_BASE;
        }
        if (bit & PROC2_ENABLE_VPID)
            m->vmx_capability[CAP_EPT_VPID] |= VPID_BASE;
    }
    if (on && k->word == WORD_PROC3)
        capability_allow(m->vmx_capability, WORD_PROC, PROC_TERTIARY_CONTROLS, true);
    if (on && k->word == WORD_EXIT2)
        capability_allow(m->vmx_capability, WORD_EXIT, EXIT_SECONDARY_CONTROLS, true);
    capability_settle(m);
    return !on || vmx_can(m->vmx_capability, k->word, bit);
}

static bool set_bit_option(struct cpu_model *m, unsigned msr, unsigned bit, bool on)
{
    uint64_t *v = &m->vmx_capability[msr];
    *v = on ? *v | BIT(bit) : *v & ~BIT(bit);
    capability_settle(m);
    return !on || *v & BIT(bit);
}

static bool release(struct cpu_model *m, enum control_word w, unsigned bit, bool on)
{
    uint64_t *v = &m->vmx_capability[capability_words[w].true_msr];
    *v = on ? *v & ~BIT(bit) : *v | BIT(bit);
    return m->vmx_capability[CAP_BASIC] & BASIC_TRUE_CONTROLS;
}

bool vmx_model_option(struct cpu_model *m, const char *key, bool on)
{
    struct vmx_control_bit control;
    struct vmx_capability_bit bit;
    if (!model_has(m, FEAT_VMX))
        return false;
    for (unsigned k = 0; vmx_control_bit(k, &control); k++)
        if (!strcmp(control.key, key))
            return control.modelled && set_control(m, &control, on);
    for (unsigned k = 0; vmx_capability_bit(k, &bit); k++)
        if (!strcmp(bit.key, key))
            return bit.kind == CAPABILITY_SWITCH && set_bit_option(m, bit.msr, bit.bit, on);
    for (unsigned k = 0; k < ARRAY_SIZE(release_options); k++)
        if (!strcmp(release_options[k].key, key))
            return release(m, release_options[k].word, release_options[k].bit, on);
    return false;
}

bool vmx_is_absent(const char *key)
{
    struct vmx_control_bit control;
    struct vmx_capability_bit bit;
    for (unsigned k = 0; vmx_control_bit(k, &control); k++)
        if (!strcmp(control.key, key))
            return !control.modelled;
    for (unsigned k = 0; vmx_capability_bit(k, &bit); k++)
        if (!strcmp(bit.key, key))
            return bit.kind == CAPABILITY_ABSENT;
    return false;
}
