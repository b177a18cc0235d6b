// SPDX-License-Identifier: Apache-2.0
// Processor profiles: CPUID, capability MSRs and widths as data.
#ifndef SP_CPU_MODEL_H
#define SP_CPU_MODEL_H

#include "base/error.h"
#include "cpu/insn.h"

/* VMX capability MSRs 480H..493H as the profile states them; [0] is IA32_VMX_BASIC. */
enum { VMX_CAPABILITY_MSRS = 20 };

struct cpu_model {
    char name[32];
    char brand[49];
    uint32_t family, model, stepping;
    uint32_t physical_bits, linear_bits;
    uint8_t features[FEATURE_COUNT];              /* 1: present */
    uint64_t vmx_capability[VMX_CAPABILITY_MSRS]; /* filled by the vmx layer; all 0: no VMX */
    uint64_t tsc_hz;
    uint32_t cores, threads; /* of a package and of a core; 0: 1        */
    char unmodelled[256]; /* what the user asked for and cannot have */
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

/* Loads the profile whose name are the first n characters of `name`; false if there is none. */
bool model_load(struct cpu_model *m, const char *name, size_t n);
/* Switches a feature of features.def by its name in any case ("_" and "-" are the same), or by what
 * Linux and QEMU call it; false if there is none. */
bool model_set_feature(struct cpu_model *m, const char *name, bool on);
/* Names of all profiles, NULL-terminated. */
const char *const *model_names(void);
/* CPUID for the current state of c. out = EAX, EBX, ECX, EDX. */
void model_cpuid(const struct cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

#endif
