// SPDX-License-Identifier: Apache-2.0
// VMX capability MSRs of the profiles, and the switches that change them.
#include "vmx/capability.h"

#include <string.h>

#include "vmx/vmcs.h"

/* ---- reading ---- */

/* Which MSRs report a control word: the original one, and the TRUE one if IA32_VMX_BASIC[55]. */
static const struct { uint8_t msr, true_msr; } words[WORD_COUNT] = {
    [WORD_PIN] = { CAP_PIN, CAP_TRUE_PIN },
    [WORD_PROC] = { CAP_PROC, CAP_TRUE_PROC },
    [WORD_PROC2] = { CAP_PROC2, CAP_PROC2 },
    [WORD_EXIT] = { CAP_EXIT, CAP_TRUE_EXIT },
    [WORD_ENTRY] = { CAP_ENTRY, CAP_TRUE_ENTRY },
};

static uint64_t word_msr(const uint64_t *cap, enum control_word w)
{
    return cap[cap[CAP_BASIC] & BASIC_TRUE_CONTROLS ? words[w].true_msr : words[w].msr];
}
uint32_t vmx_allowed0(const uint64_t *cap, enum control_word w)
{
    return (uint32_t)word_msr(cap, w);
}
uint32_t vmx_allowed1(const uint64_t *cap, enum control_word w)
{
    return (uint32_t)(word_msr(cap, w) >> 32);
}

bool vmx_capability_exists(const uint64_t *cap, unsigned index)
{
    if (index <= CAP_VMCS_ENUM)
        return true;
    if (index == CAP_PROC2)
        return vmx_can(cap, WORD_PROC, PROC_SECONDARY_CONTROLS);
    if (index == CAP_EPT_VPID)
        return vmx_can(cap, WORD_PROC2, PROC2_ENABLE_EPT | PROC2_ENABLE_VPID);
    if (index == CAP_VMFUNC)
        return vmx_can(cap, WORD_PROC2, PROC2_ENABLE_VM_FUNCTIONS);
    return index <= CAP_TRUE_ENTRY && cap[CAP_BASIC] & BASIC_TRUE_CONTROLS;
}

/* ---- control bits ---- */

struct control { uint8_t word, bit; const char *key; };
static const struct control controls[] = {
#define CONTROL(word, bit, name, key) { WORD_##word, bit, key },
#include "vmx/controls.def"
};

/* SDM vol. 3, "Reserved Control Bits and Default Settings": the default1 classes; what the TRUE
 * MSRs allow to be 0 is in `releasable`. */
static const struct { uint32_t default1, releasable; } defaults[WORD_COUNT] = {
    [WORD_PIN] = { 0x00000016, 0 },
    [WORD_PROC] = { 0x0401e172, 1 << 15 | 1 << 16 },
    [WORD_PROC2] = { 0, 0 },
    [WORD_EXIT] = { 0x00036dff, 1 << 2 },
    [WORD_ENTRY] = { 0x000011ff, 1 << 2 },
};

/* ---- profiles ---- */

#define EPT_BASE (EPT_CAP_EXECUTE_ONLY | EPT_CAP_WALK_4 | EPT_CAP_UC | EPT_CAP_WB | EPT_CAP_2M | \
                  EPT_CAP_INVEPT | EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL)
#define VPID_BASE (VPID_CAP_INVVPID | VPID_CAP_INVVPID_TYPE(0) | VPID_CAP_INVVPID_TYPE(1) | \
                   VPID_CAP_INVVPID_TYPE(2) | VPID_CAP_INVVPID_TYPE(3))

struct vmx_profile {
    const char *name;
    uint32_t allowed1[WORD_COUNT];   /* beside the default1 bits                                  */
    uint32_t misc;
    uint64_t ept_vpid;
    uint64_t vmfunc;
    bool true_controls, ins_outs_info;
};

/* Written as masks because that is how the manual's tables and other tools print them. */
static const struct vmx_profile profiles[] = {
    /* 2005: no MSR bitmaps, no secondary controls, CR3 exits and debug controls always on. */
    { "prescott-vt",
      { 0x00000009, 0x63b99e8c, 0, 0x00008200, 0x00000200 },
      4 << MISC_CR3_TARGETS_SHIFT | MISC_HLT | MISC_SHUTDOWN | MISC_WAIT_SIPI,
      0,
      0,
      false,
      false },
    { "penryn",
      { 0x00000029, 0xf3f99e8c, 0x00000041, 0x00008200, 0x00000200 },
      4 << MISC_CR3_TARGETS_SHIFT | MISC_HLT | MISC_SHUTDOWN | MISC_WAIT_SIPI,
      0,
      0,
      true,
      true },
    { "nehalem",
      { 0x00000069, 0xfbf99e8c, 0x0000007f, 0x007c8204, 0x0000c204 },
      4 << MISC_CR3_TARGETS_SHIFT | MISC_HLT | MISC_SHUTDOWN | MISC_WAIT_SIPI,
      EPT_BASE | VPID_BASE,
      0,
      true,
      true },
    { "skylake",
      { 0x000000e9, 0xfbf99e8c, 0x02077fff, 0x007c8204, 0x0000c204 },
      4 << MISC_CR3_TARGETS_SHIFT | MISC_HLT | MISC_SHUTDOWN | MISC_WAIT_SIPI | MISC_STORES_LMA |
          MISC_WRITE_ANY | MISC_ZERO_LENGTH,
      EPT_BASE | EPT_CAP_1G | EPT_CAP_AD | VPID_BASE,
      VMFUNC_EPTP_SWITCHING,
      true,
      true },
    { "max",
      { 0x000000e9, 0xfbf99e8c, 0x02477fff, 0x007c8204, 0x0000c204 },
      4 << MISC_CR3_TARGETS_SHIFT | MISC_HLT | MISC_SHUTDOWN | MISC_WAIT_SIPI | MISC_STORES_LMA |
          MISC_WRITE_ANY | MISC_ZERO_LENGTH,
      EPT_BASE | EPT_CAP_1G | EPT_CAP_AD | EPT_CAP_ADVANCED | VPID_BASE,
      VMFUNC_EPTP_SWITCHING,
      true,
      true },
};
static const struct vmx_profile *const everything = &profiles[ARRAY_SIZE(profiles) - 1];

static const struct vmx_profile *find_profile(const char *name)
{
    for (unsigned k = 0; k < ARRAY_SIZE(profiles); k++)
        if (!strcmp(profiles[k].name, name))
            return &profiles[k];
    return everything;
}

/* ---- dependencies ---- */

/* Control bits that make sense only with another capability; settle() drops them without it. */
static const struct { uint8_t word, bit, needs_word, needs_bit;
} needs[] = {
    { WORD_PIN, 5, WORD_PIN, 3 },      /* virtual NMIs: NMI exiting                              */
    { WORD_PROC, 22, WORD_PIN, 5 },    /* NMI-window exiting: virtual NMIs                       */
    { WORD_PROC2, 7, WORD_PROC2, 1 },  /* unrestricted guest: EPT                                */
    { WORD_PROC2, 17, WORD_PROC2, 1 }, /* PML: EPT                                              */
    { WORD_PROC2, 18, WORD_PROC2, 1 }, /* EPT-violation #VE: EPT                                */
    { WORD_PROC2, 22, WORD_PROC2, 1 }, /* mode-based execute control: EPT                       */
    { WORD_EXIT, 22, WORD_PIN, 6 },    /* save preemption timer: preemption timer                */
};
/* Control bits for instructions and registers that the processor must have. */
static const struct { uint8_t word, bit, feature;
} needs_feature[] = {
    { WORD_PROC2, 3, FEAT_RDTSCP },   { WORD_PROC2, 11, FEAT_RDRAND },
    { WORD_PROC2, 12, FEAT_INVPCID }, { WORD_PROC2, 16, FEAT_RDSEED },
    { WORD_PROC, 10, FEAT_MONITOR },  { WORD_PROC, 29, FEAT_MONITOR },
    { WORD_PROC2, 4, FEAT_X2APIC },   { WORD_PROC, 19, FEAT_LM },
    { WORD_PROC, 20, FEAT_LM },       { WORD_PROC, 21, FEAT_LM },
    { WORD_EXIT, 9, FEAT_LM },        { WORD_ENTRY, 9, FEAT_LM },
    { WORD_EXIT, 18, FEAT_PAT },      { WORD_EXIT, 19, FEAT_PAT },
    { WORD_ENTRY, 14, FEAT_PAT },     { WORD_EXIT, 20, FEAT_LM },
    { WORD_EXIT, 21, FEAT_LM },       { WORD_ENTRY, 15, FEAT_LM },
};

static void allow(uint64_t *cap, enum control_word w, uint32_t bits1, bool on)
{
    uint64_t high = (uint64_t)bits1 << 32;
    uint8_t msr[2] = { words[w].msr, words[w].true_msr };
    for (unsigned k = 0; k < 2; k++)
        cap[msr[k]] = on ? cap[msr[k]] | high : cap[msr[k]] & ~high;
}

/* Bits that CR4 can have: what the features bring. */
static uint64_t cr4_bits(const struct cpu_model *m)
{
    static const struct { uint8_t feature; uint32_t cr4; } of[] = {
        { FEAT_VME, CR4_VME | CR4_PVI }, { FEAT_TSC, CR4_TSD }, { FEAT_DE, CR4_DE },
        { FEAT_PSE, CR4_PSE }, { FEAT_PAE, CR4_PAE }, { FEAT_MCE, CR4_MCE }, { FEAT_PGE, CR4_PGE },
        { FEAT_FXSR, CR4_OSFXSR }, { FEAT_SSE, CR4_OSXMMEXCPT }, { FEAT_UMIP, CR4_UMIP },
        { FEAT_VMX, CR4_VMXE }, { FEAT_FSGSBASE, CR4_FSGSBASE }, { FEAT_PCID, CR4_PCIDE },
        { FEAT_XSAVE, CR4_OSXSAVE }, { FEAT_SMEP, CR4_SMEP }, { FEAT_SMAP, CR4_SMAP },
    };
    uint64_t v = CR4_PCE;
    for (unsigned k = 0; k < ARRAY_SIZE(of); k++)
        v |= model_has(m, of[k].feature) ? of[k].cr4 : 0;
    return v;
}

/* The TRUE MSRs, for a profile that gets them by a switch. */
static void add_true_controls(uint64_t *cap)
{
    for (unsigned w = 0; w < WORD_COUNT; w++)
        if (words[w].true_msr != words[w].msr)
            cap[words[w].true_msr] = cap[words[w].msr] & ~(uint64_t)defaults[w].releasable;
}

/* Drops what lost its base and recomputes the MSRs that follow from others. */
static void settle(struct cpu_model *m)
{
    uint64_t *cap = m->vmx_capability;
    if (cap[CAP_BASIC] & BASIC_TRUE_CONTROLS && !cap[CAP_TRUE_PIN])
        add_true_controls(cap);
    for (unsigned k = 0; k < ARRAY_SIZE(needs_feature); k++)
        if (!model_has(m, needs_feature[k].feature))
            allow(cap, needs_feature[k].word, UINT32_C(1) << needs_feature[k].bit, false);
    if (!vmx_can(cap, WORD_PROC, PROC_SECONDARY_CONTROLS))
        cap[CAP_PROC2] = 0;
    for (unsigned k = 0; k < ARRAY_SIZE(needs); k++)
        if (!vmx_can(cap, needs[k].needs_word, UINT32_C(1) << needs[k].needs_bit))
            allow(cap, needs[k].word, UINT32_C(1) << needs[k].bit, false);
    if (!vmx_can(cap, WORD_PROC2, PROC2_ENABLE_EPT)) {
        cap[CAP_EPT_VPID] &= VPID_BASE;
        cap[CAP_VMFUNC] &= ~VMFUNC_EPTP_SWITCHING;
    }
    if (!(cap[CAP_EPT_VPID] & EPT_CAP_AD)) /* PML logs what sets dirty flags */
        allow(cap, WORD_PROC2, PROC2_ENABLE_PML, false);
    if (!vmx_can(cap, WORD_PROC2, PROC2_ENABLE_VPID))
        cap[CAP_EPT_VPID] &= ~(uint64_t)VPID_BASE;
    /* SDM, "Miscellaneous Data": bit 5 is 1 on any processor that supports unrestricted guests. */
    if (vmx_can(cap, WORD_PROC2, PROC2_UNRESTRICTED_GUEST))
        cap[CAP_MISC] |= MISC_STORES_LMA;
    cap[CAP_MISC] &= ~UINT64_C(0x1f);
    if (vmx_can(cap, WORD_PIN, PIN_PREEMPTION_TIMER))
        cap[CAP_MISC] |= TIMER_RATE;
    cap[CAP_CR4_FIXED1] = cr4_bits(m);
    cap[CAP_VMCS_ENUM] = vmcs_enum_msr(cap);
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        if (!vmx_capability_exists(cap, k))
            cap[k] = 0;
}

/* The two MSRs of a control word from what may be 1. */
static void set_word(uint64_t *cap, enum control_word w, uint32_t allowed1)
{
    uint32_t ones = defaults[w].default1;
    uint64_t high = (uint64_t)(allowed1 | ones) << 32;
    cap[words[w].true_msr] = high | (ones & ~(defaults[w].releasable));
    cap[words[w].msr] = high | ones;
}

void vmx_model_capabilities(struct cpu_model *m)
{
    const struct vmx_profile *p = find_profile(m->name);
    uint64_t *cap = m->vmx_capability;
    memset(cap, 0, sizeof m->vmx_capability);
    if (!model_has(m, FEAT_VMX))
        return;
    cap[CAP_BASIC] = VMCS_REVISION | (uint64_t)VMCS_REGION_SIZE << 32 | (uint64_t)6 << 50 |
                     (p->ins_outs_info ? BASIC_INS_OUTS_INFO : 0) |
                     (p->true_controls ? BASIC_TRUE_CONTROLS : 0);
    for (unsigned w = 0; w < WORD_COUNT; w++)
        set_word(cap, w, p->allowed1[w]);
    cap[CAP_MISC] = p->misc;
    cap[CAP_CR0_FIXED0] = CR0_PE | CR0_NE | CR0_PG;
    cap[CAP_CR0_FIXED1] = 0xffffffff;
    cap[CAP_CR4_FIXED0] = CR4_VMXE;
    cap[CAP_EPT_VPID] = p->ept_vpid;
    cap[CAP_VMFUNC] = p->vmfunc;
    settle(m);
}

/* ---- switches ---- */

/* Capabilities that are single bits of an MSR. */
static const struct { const char *key; uint8_t msr, bit;
} bit_options[] = {
    { "vmx-ins-outs", CAP_BASIC, 54 },
    { "vmx-true-ctls", CAP_BASIC, 55 },
    { "vmx-store-lma", CAP_MISC, 5 },
    { "vmx-activity-hlt", CAP_MISC, 6 },
    { "vmx-activity-shutdown", CAP_MISC, 7 },
    { "vmx-activity-wait-sipi", CAP_MISC, 8 },
    { "vmx-vmwrite-vmexit-fields", CAP_MISC, 29 },
    { "vmx-zero-len-inject", CAP_MISC, 30 },
    { "vmx-eptp-switching", CAP_VMFUNC, 0 },
    { "vmx-ept-execonly", CAP_EPT_VPID, 0 },
    { "vmx-ept-uc", CAP_EPT_VPID, 8 },
    { "vmx-ept-wb", CAP_EPT_VPID, 14 },
    { "vmx-ept-2mb", CAP_EPT_VPID, 16 },
    { "vmx-ept-1gb", CAP_EPT_VPID, 17 },
    { "vmx-invept", CAP_EPT_VPID, 20 },
    { "vmx-eptad", CAP_EPT_VPID, 21 },
    { "vmx-ept-advanced-exitinfo", CAP_EPT_VPID, 22 },
    { "vmx-invept-single-context", CAP_EPT_VPID, 25 },
    { "vmx-invept-all-context", CAP_EPT_VPID, 26 },
    { "vmx-invvpid", CAP_EPT_VPID, 32 },
    { "vmx-invvpid-single-addr", CAP_EPT_VPID, 40 },
    { "vmx-invvpid-single-context", CAP_EPT_VPID, 41 },
    { "vmx-invvpid-all-context", CAP_EPT_VPID, 42 },
    { "vmx-invvpid-single-context-noglobals", CAP_EPT_VPID, 43 },
};

/* Controls of the default1 classes that the TRUE MSRs may release: on = "may be 0". */
static const struct { const char *key; uint8_t word, bit; } release_options[] = {
    { "vmx-cr3-load-noexit", WORD_PROC, 15 }, { "vmx-cr3-store-noexit", WORD_PROC, 16 },
    { "vmx-exit-nosave-debugctl", WORD_EXIT, 2 }, { "vmx-entry-noload-debugctl", WORD_ENTRY, 2 },
};

static bool set_control(struct cpu_model *m, const struct control *k, bool on)
{
    uint32_t bit = UINT32_C(1) << k->bit;
    if (bit & defaults[k->word].default1)
        return on;                           /* always may be 1; see release_options */
    if (on && !(everything->allowed1[k->word] & bit))
        return false;
    allow(m->vmx_capability, k->word, bit, on);
    if (on && k->word == WORD_PROC2) {
        allow(m->vmx_capability, WORD_PROC, PROC_SECONDARY_CONTROLS, true);
        if (bit & (PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST)) {
            allow(m->vmx_capability, WORD_PROC2, PROC2_ENABLE_EPT, true);
            m->vmx_capability[CAP_EPT_VPID] |= EPT_BASE;
        }
        if (bit & PROC2_ENABLE_VPID)
            m->vmx_capability[CAP_EPT_VPID] |= VPID_BASE;
    }
    settle(m);
    return !on || vmx_can(m->vmx_capability, k->word, bit);
}

static bool set_bit_option(struct cpu_model *m, unsigned msr, unsigned bit, bool on)
{
    uint64_t *v = &m->vmx_capability[msr];
    *v = on ? *v | BIT(bit) : *v & ~BIT(bit);
    settle(m);
    return !on || *v & BIT(bit);
}

bool vmx_model_option(struct cpu_model *m, const char *key, bool on)
{
    if (!model_has(m, FEAT_VMX))
        return false;
    for (unsigned k = 0; k < ARRAY_SIZE(controls); k++)
        if (!strcmp(controls[k].key, key))
            return set_control(m, &controls[k], on);
    for (unsigned k = 0; k < ARRAY_SIZE(bit_options); k++)
        if (!strcmp(bit_options[k].key, key))
            return set_bit_option(m, bit_options[k].msr, bit_options[k].bit, on);
    for (unsigned k = 0; k < ARRAY_SIZE(release_options); k++)
        if (!strcmp(release_options[k].key, key)) {
            uint64_t *v = &m->vmx_capability[words[release_options[k].word].true_msr];
            uint32_t bit = UINT32_C(1) << release_options[k].bit;
            *v = on ? *v & ~(uint64_t)bit : *v | bit;
            return m->vmx_capability[CAP_BASIC] & BASIC_TRUE_CONTROLS;
        }
    return false;
}
