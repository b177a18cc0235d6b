// SPDX-License-Identifier: Apache-2.0
// Processor profiles: CPUID, capability MSRs and widths as data.
#ifndef SP_CPU_MODEL_H
#define SP_CPU_MODEL_H

#include "base/error.h"
#include "cpu/insn.h"

/* Indices of the VMX capability MSRs: MSR 480H + index. */
enum {
    CAP_BASIC,
    CAP_PIN,
    CAP_PROC,
    CAP_EXIT,
    CAP_ENTRY,
    CAP_MISC,
    CAP_CR0_FIXED0,
    CAP_CR0_FIXED1,
    CAP_CR4_FIXED0,
    CAP_CR4_FIXED1,
    CAP_VMCS_ENUM,
    CAP_PROC2,
    CAP_EPT_VPID,
    CAP_TRUE_PIN,
    CAP_TRUE_PROC,
    CAP_TRUE_EXIT,
    CAP_TRUE_ENTRY,
    CAP_VMFUNC,
    CAP_PROC3,
    CAP_EXIT2,
    VMX_CAPABILITY_MSRS,
};

/* A processor as its file in cpu/profiles/ states it. */
struct profile {
    const char *name, *brand;
    uint32_t family, model, stepping, physical_bits;
    const char *extends;  /* the profile whose CPUID features it has, too; NULL: none             */
    const char *lacks;    /* ... but for these; NULL: none                                        */
    const char *features; /* what it adds to them, names of features.def                          */
    /* CPUID leaf 0AH, EAX to EDX, as the real part reports it; pmu_settle() takes out what is not
     * modelled.  Of IA32_PERF_CAPABILITIES only full-width writes (bit 13) are. */
    uint32_t perfmon[4];
    uint64_t perf_capabilities;
    /* What the real part reports, what is not modelled included; the vmx layer takes that out.  The
     * CR0, CR4 and VMCS-enumeration MSRs follow from the rest and are not stated. */
    uint64_t vmx[VMX_CAPABILITY_MSRS];
};

struct cpu_model {
    char name[32];
    char brand[49];
    uint32_t family, model, stepping;
    uint32_t physical_bits, linear_bits;
    uint8_t features[FEATURE_COUNT];              /* 1: present */
    uint32_t perfmon[4];                          /* CPUID leaf 0AH */
    uint64_t perf_capabilities;
    uint64_t vmx_capability[VMX_CAPABILITY_MSRS]; /* filled by the vmx layer; all 0: no VMX */
    uint64_t tsc_hz;
    uint32_t cores, threads; /* of a package and of a core; 0: 1        */
    char unmodelled[1024];   /* what the user asked for and cannot have */
    bool enforce;         /* ... which is an error                   */
};

static inline bool model_has(const struct cpu_model *m, enum feature f)
{
    return f == FEAT_NONE || m->features[f];
}
static inline bool cpu_has(const struct cpu *c, enum feature f)
{
    return model_has(c->model, f);
}

/* The profile whose name are the first n characters of `name`; NULL if there is none. */
const struct profile *model_profile(const char *name, size_t n);
/* Loads the profile whose name are the first n characters of `name`; false if there is none. */
bool model_load(struct cpu_model *m, const char *name, size_t n);
/* Switches a feature of features.def by its name in any case ("_" and "-" are the same), or by what
 * Linux and QEMU call it; false if there is none. */
bool model_set_feature(struct cpu_model *m, const char *name, bool on);
/* To be called after the last switch: takes out features without one that they are a part of. */
void model_settle_features(struct cpu_model *m);
/* The k-th profile, oldest first; NULL beyond the last. */
const struct profile *model_at(unsigned k);
/* CPUID for the current state of c. out = EAX, EBX, ECX, EDX. */
void model_cpuid(const struct cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

#endif
