// SPDX-License-Identifier: Apache-2.0
// VMX capability MSRs of a processor model: what the part that it stands for reports, less what is
// not modelled.
#include "vmx/capability.h"

#include <string.h>

#include "vmx/capability_tables.h"
#include "vmx/vmcs.h"

/* ---- tables ---- */

const struct capability_word capability_words[WORD_COUNT] = {
    [WORD_PIN] = { CAP_PIN, CAP_TRUE_PIN, 0x00000016, 0, 32 },
    [WORD_PROC] = { CAP_PROC, CAP_TRUE_PROC, 0x0401e172, 1 << 15 | 1 << 16, 32 },
    [WORD_PROC2] = { CAP_PROC2, CAP_PROC2, 0, 0, 32 },
    [WORD_PROC3] = { CAP_PROC3, CAP_PROC3, 0, 0, 0 },
    [WORD_EXIT] = { CAP_EXIT, CAP_TRUE_EXIT, 0x00036dff, 1 << 2, 32 },
    [WORD_EXIT2] = { CAP_EXIT2, CAP_EXIT2, 0, 0, 0 },
    [WORD_ENTRY] = { CAP_ENTRY, CAP_TRUE_ENTRY, 0x000011ff, 1 << 2, 32 },
};

static const struct vmx_control_bit control_rows[] = {
#define CONTROL(word, bit, name, key) { WORD_##word, bit, true, #name, key },
#define UNMODELLED(word, bit, key) { WORD_##word, bit, false, NULL, key },
#include "vmx/controls.def"
};

static const struct vmx_capability_bit bit_rows[] = {
#define CAPABILITY(msr, bit, key, kind) { CAP_##msr, bit, CAPABILITY_##kind, key },
#include "vmx/capabilities.def"
};

bool vmx_control_bit(unsigned n, struct vmx_control_bit *out)
{
    if (n < ARRAY_SIZE(control_rows))
        *out = control_rows[n];
    return n < ARRAY_SIZE(control_rows);
}

bool vmx_capability_bit(unsigned n, struct vmx_capability_bit *out)
{
    if (n < ARRAY_SIZE(bit_rows))
        *out = bit_rows[n];
    return n < ARRAY_SIZE(bit_rows);
}

uint32_t capability_controls(enum control_word w)
{
    uint32_t bits = 0;
    for (unsigned k = 0; k < ARRAY_SIZE(control_rows); k++)
        if (control_rows[k].word == w && control_rows[k].modelled)
            bits |= UINT32_C(1) << control_rows[k].bit;
    return bits;
}

uint64_t capability_bits(unsigned msr)
{
    uint64_t bits = 0;
    for (unsigned k = 0; k < ARRAY_SIZE(bit_rows); k++)
        if (bit_rows[k].msr == msr && bit_rows[k].kind)
            bits |= BIT(bit_rows[k].bit);
    return bits;
}

/* ---- reading ---- */

static uint64_t word_msr(const uint64_t *cap, enum control_word w)
{
    return cap[cap[CAP_BASIC] & BASIC_TRUE_CONTROLS ? capability_words[w].true_msr
                                                    : capability_words[w].msr];
}
uint32_t vmx_allowed0(const uint64_t *cap, enum control_word w)
{
    return capability_words[w].allowed1 ? (uint32_t)word_msr(cap, w) : 0;
}
uint32_t vmx_allowed1(const uint64_t *cap, enum control_word w)
{
    return (uint32_t)(word_msr(cap, w) >> capability_words[w].allowed1);
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
    if (index == CAP_PROC3)
        return vmx_can(cap, WORD_PROC, PROC_TERTIARY_CONTROLS);
    if (index == CAP_EXIT2)
        return vmx_can(cap, WORD_EXIT, EXIT_SECONDARY_CONTROLS);
    return index <= CAP_TRUE_ENTRY && cap[CAP_BASIC] & BASIC_TRUE_CONTROLS;
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
    { WORD_PROC2, 23, WORD_PROC2, 1 }, /* sub-page write permissions: EPT                       */
    { WORD_PROC2, 4, WORD_PROC, 21 },  /* x2APIC virtualization: TPR shadow                     */
    { WORD_PROC2, 8, WORD_PROC, 21 },  /* APIC-register virtualization: TPR shadow              */
    { WORD_PROC2, 9, WORD_PROC, 21 },  /* virtual-interrupt delivery: TPR shadow                */
    { WORD_PROC3, 1, WORD_PROC2, 1 },  /* HLAT: EPT                                             */
    { WORD_PROC3, 2, WORD_PROC2, 1 },  /* EPT paging-write control: EPT                         */
    { WORD_PROC3, 3, WORD_PROC2, 1 },  /* guest-paging verification: EPT                        */
    { WORD_PROC3, 4, WORD_PROC, 21 },  /* IPI virtualization: TPR shadow                        */
    { WORD_PROC3, 8, WORD_PROC2, 9 },  /* APIC-timer virtualization: virtual-interrupt delivery */
    { WORD_PIN, 7, WORD_PROC2, 9 },    /* posted interrupts: virtual-interrupt delivery         */
    { WORD_EXIT, 22, WORD_PIN, 6 },    /* save preemption timer: preemption timer                */
};
/* Control bits for instructions and registers that the processor must have. */
static const struct { uint8_t word, bit, feature;
} needs_feature[] = {
    { WORD_PROC2, 3, FEAT_RDTSCP },   { WORD_PROC2, 11, FEAT_RDRAND },
    { WORD_PROC2, 12, FEAT_INVPCID }, { WORD_PROC2, 16, FEAT_RDSEED },
    { WORD_PROC2, 20, FEAT_XSAVES },  { WORD_PROC2, 26, FEAT_WAITPKG },
    { WORD_PROC, 10, FEAT_MONITOR },
    { WORD_PROC, 29, FEAT_MONITOR },  { WORD_PROC2, 4, FEAT_X2APIC },
    { WORD_PROC, 19, FEAT_LM },       { WORD_PROC, 20, FEAT_LM },
    { WORD_PROC, 21, FEAT_LM },       { WORD_EXIT, 9, FEAT_LM },
    { WORD_ENTRY, 9, FEAT_LM },       { WORD_EXIT, 18, FEAT_PAT },
    { WORD_EXIT, 19, FEAT_PAT },      { WORD_ENTRY, 14, FEAT_PAT },
    { WORD_EXIT, 20, FEAT_LM },       { WORD_EXIT, 21, FEAT_LM },
    { WORD_ENTRY, 15, FEAT_LM },      { WORD_ENTRY, 13, FEAT_ARCH_PERFMON },
    { WORD_EXIT, 12, FEAT_ARCH_PERFMON }, { WORD_EXIT, 30, FEAT_ARCH_PERFMON },
    { WORD_EXIT, 29, FEAT_PKS },      { WORD_ENTRY, 22, FEAT_PKS },
    { WORD_PROC3, 6, FEAT_MSRLIST },  { WORD_PROC3, 7, FEAT_SPEC_CTRL },
    { WORD_PROC3, 8, FEAT_TSC_DEADLINE }, { WORD_EXIT2, 2, FEAT_SPEC_CTRL },
    { WORD_ENTRY, 24, FEAT_SPEC_CTRL }, { WORD_EXIT, 27, FEAT_UINTR },
    { WORD_ENTRY, 19, FEAT_UINTR },
};

void capability_allow(uint64_t *cap, enum control_word w, uint32_t bits, bool on)
{
    uint64_t high = (uint64_t)bits << capability_words[w].allowed1;
    uint8_t msr[2] = { capability_words[w].msr, capability_words[w].true_msr };
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
        { FEAT_PKU, CR4_PKE }, { FEAT_PKS, CR4_PKS }, { FEAT_SMX, CR4_SMXE },
        { FEAT_SHSTK, CR4_CET }, { FEAT_IBT, CR4_CET },
        { FEAT_UINTR, CR4_UINTR },
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
        if (capability_words[w].true_msr != capability_words[w].msr)
            cap[capability_words[w].true_msr] =
                cap[capability_words[w].msr] & ~(uint64_t)capability_words[w].releasable;
}

void capability_settle(struct cpu_model *m)
{
    uint64_t *cap = m->vmx_capability;
    if (cap[CAP_BASIC] & BASIC_TRUE_CONTROLS && !cap[CAP_TRUE_PIN])
        add_true_controls(cap);
    for (unsigned k = 0; k < ARRAY_SIZE(needs_feature); k++)
        if (!model_has(m, needs_feature[k].feature))
            capability_allow(cap, needs_feature[k].word, UINT32_C(1) << needs_feature[k].bit,
                             false);
    if (!model_has(m, FEAT_SHSTK) && !model_has(m, FEAT_IBT)) {
        capability_allow(cap, WORD_EXIT, EXIT_LOAD_CET_STATE, false);
        capability_allow(cap, WORD_ENTRY, ENTRY_LOAD_CET_STATE, false);
    }
    if (!vmx_can(cap, WORD_PROC, PROC_SECONDARY_CONTROLS))
        cap[CAP_PROC2] = 0;
    if (!vmx_can(cap, WORD_PROC, PROC_TERTIARY_CONTROLS))
        cap[CAP_PROC3] = 0;
    if (!vmx_can(cap, WORD_EXIT, EXIT_SECONDARY_CONTROLS))
        cap[CAP_EXIT2] = 0;
    for (unsigned k = 0; k < ARRAY_SIZE(needs); k++)
        if (!vmx_can(cap, needs[k].needs_word, UINT32_C(1) << needs[k].needs_bit))
            capability_allow(cap, needs[k].word, UINT32_C(1) << needs[k].bit, false);
    if (!vmx_can(cap, WORD_PROC2, PROC2_ENABLE_EPT)) {
        cap[CAP_EPT_VPID] &= VPID_BASE;
        cap[CAP_VMFUNC] &= ~VMFUNC_EPTP_SWITCHING;
    }
    if (!model_has(m, FEAT_SHSTK))
        cap[CAP_EPT_VPID] &= ~EPT_CAP_SHADOW_STACK;
    if (!(cap[CAP_EPT_VPID] & EPT_CAP_AD)) /* PML logs what sets dirty flags */
        capability_allow(cap, WORD_PROC2, PROC2_ENABLE_PML, false);
    if (!vmx_can(cap, WORD_PROC2, PROC2_ENABLE_VPID))
        cap[CAP_EPT_VPID] &= ~(uint64_t)VPID_BASE;
    /* SDM, "VPID and EPT Capabilities": bits 53:48 are expected to be 1 wherever there is HLAT. */
    cap[CAP_EPT_VPID] &= ~EPT_CAP_HLAT_PREFIX_1;
    if (vmx_can(cap, WORD_PROC3, PROC3_ENABLE_HLAT))
        cap[CAP_EPT_VPID] |= EPT_CAP_HLAT_PREFIX_1;
    /* SDM, "Miscellaneous Data": bit 5 is 1 on any processor that supports unrestricted guests. */
    if (vmx_can(cap, WORD_PROC2, PROC2_UNRESTRICTED_GUEST))
        cap[CAP_MISC] |= MISC_STORES_LMA;
    if (!vmx_can(cap, WORD_PIN, PIN_PREEMPTION_TIMER))
        cap[CAP_MISC] &= ~UINT64_C(0x1f);
    cap[CAP_CR4_FIXED1] = cr4_bits(m);
    cap[CAP_VMCS_ENUM] = vmcs_enum_msr(cap);
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        if (!vmx_capability_exists(cap, k))
            cap[k] = 0;
}

/* ---- from a part's MSRs ---- */

/* One of the two MSRs of a control word: 1 is allowed where it is modelled, or fixed; 1 is required
 * of the `ones`, and of what the part requires it of. */
static uint64_t modelled_word(uint64_t msr, uint32_t modelled, uint32_t ones)
{
    uint32_t allowed1 = ((uint32_t)(msr >> 32) & modelled) | ones;
    uint32_t allowed0 = ((uint32_t)msr & allowed1) | ones;
    return (uint64_t)allowed1 << 32 | allowed0;
}

static void adopt_word(uint64_t *cap, const uint64_t *part, enum control_word w)
{
    const struct capability_word *d = &capability_words[w];
    uint32_t modelled = capability_controls(w) | d->default1;
    if (!d->allowed1) {
        cap[d->msr] = part[d->msr] & modelled;
        return;
    }
    cap[d->true_msr] = modelled_word(part[d->true_msr], modelled, d->default1 & ~d->releasable) |
                       (uint64_t)d->default1 << 32;
    cap[d->msr] = modelled_word(part[d->msr], modelled, d->default1);
}

/* IA32_VMX_MISC: bits 4:0, how fast the preemption timer counts; 24:16, how many CR3-target values
 * there are, of which the VMCS has room for four. */
static uint64_t adopt_misc(uint64_t part)
{
    uint64_t targets = part >> MISC_CR3_TARGETS_SHIFT & 0x1ff;
    return (part & (capability_bits(CAP_MISC) | 0x1f)) | (targets < 4 ? targets : 4)
                                                             << MISC_CR3_TARGETS_SHIFT;
}

static void adopt(struct cpu_model *m, const uint64_t *part)
{
    uint64_t *cap = m->vmx_capability;
    memset(cap, 0, sizeof m->vmx_capability);
    cap[CAP_BASIC] = VMCS_REVISION | (uint64_t)VMCS_REGION_SIZE << 32 | (uint64_t)6 << 50 |
                     (part[CAP_BASIC] & capability_bits(CAP_BASIC));
    for (unsigned w = 0; w < WORD_COUNT; w++)
        adopt_word(cap, part, (enum control_word)w);
    cap[CAP_MISC] = adopt_misc(part[CAP_MISC]);
    cap[CAP_CR0_FIXED0] = CR0_PE | CR0_NE | CR0_PG;
    cap[CAP_CR0_FIXED1] = 0xffffffff;
    cap[CAP_CR4_FIXED0] = CR4_VMXE;
    cap[CAP_EPT_VPID] = part[CAP_EPT_VPID] & capability_bits(CAP_EPT_VPID);
    cap[CAP_VMFUNC] = part[CAP_VMFUNC] & capability_bits(CAP_VMFUNC);
    capability_settle(m);
}

static const uint64_t *profile_msrs(const struct cpu_model *m)
{
    const struct profile *p = model_profile(m->name, strlen(m->name));
    return (p ? p : model_profile("max", 3))->vmx;
}

void vmx_model_capabilities(struct cpu_model *m)
{
    memset(m->vmx_capability, 0, sizeof m->vmx_capability);
    if (model_has(m, FEAT_VMX))
        adopt(m, profile_msrs(m));
}

/* ---- import ---- */

/* Where only one of the two MSRs of a word is known, the other follows from it. */
static void complete_words(struct vmx_listing *l)
{
    for (unsigned w = 0; w < WORD_COUNT; w++) {
        const struct capability_word *d = &capability_words[w];
        if (l->known[d->msr] && !l->known[d->true_msr])
            l->value[d->true_msr] = l->value[d->msr] & ~(uint64_t)d->releasable;
        else if (!l->known[d->msr] && l->known[d->true_msr])
            l->value[d->msr] = l->value[d->true_msr] | d->default1;
    }
}

static void name_absent(const struct vmx_listing *l, void (*absent)(void *user, const char *key),
                        void *user)
{
    bool true_words = l->value[CAP_BASIC] & BASIC_TRUE_CONTROLS;
    for (unsigned k = 0; k < ARRAY_SIZE(bit_rows); k++)
        if (!bit_rows[k].kind && l->known[bit_rows[k].msr] &&
            l->value[bit_rows[k].msr] & BIT(bit_rows[k].bit))
            absent(user, bit_rows[k].key);
    for (unsigned k = 0; k < ARRAY_SIZE(control_rows); k++) {
        const struct capability_word *d = &capability_words[control_rows[k].word];
        uint8_t msr = true_words ? d->true_msr : d->msr;
        if (!control_rows[k].modelled && (l->known[d->msr] || l->known[d->true_msr]) &&
            l->value[msr] >> d->allowed1 & UINT32_C(1) << control_rows[k].bit)
            absent(user, control_rows[k].key);
    }
}

void vmx_model_import(struct cpu_model *m, const struct vmx_listing *listing,
                      void (*absent)(void *user, const char *key), void *user)
{
    struct vmx_listing l = *listing;
    const uint64_t *profile = profile_msrs(m);
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        if (!l.known[k])
            l.value[k] = profile[k];
    complete_words(&l);
    name_absent(&l, absent, user);
    adopt(m, l.value);
}
