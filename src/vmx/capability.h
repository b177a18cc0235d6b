// SPDX-License-Identifier: Apache-2.0
// What a processor profile can do in VMX: the capability MSRs (SDM vol. 3, appendix "VMX Capability
// Reporting Facility"), asked by name.
#ifndef SP_VMX_CAPABILITY_H
#define SP_VMX_CAPABILITY_H

#include "cpu/model.h"

enum control_word {
    WORD_PIN,
    WORD_PROC,
    WORD_PROC2,
    WORD_PROC3,
    WORD_EXIT,
    WORD_EXIT2,
    WORD_ENTRY,
    WORD_COUNT
};

/* Control bits: PIN_NMI_EXITING, PROC_HLT_EXITING, PROC2_ENABLE_EPT, EXIT_LOAD_PAT ... */
#define CONTROL(word, bit, name, key) static const uint32_t word##_##name = UINT32_C(1) << (bit);
#include "vmx/controls.def"

#define BASIC_INS_OUTS_INFO BIT(54)
#define BASIC_TRUE_CONTROLS BIT(55)
#define BASIC_ANY_ERROR_CODE BIT(56)
#define VMCS_SHADOW BIT(31)          /* in the first dword of a VMCS region: a shadow VMCS */
#define VMFUNC_EPTP_SWITCHING BIT(0) /* IA32_VMX_VMFUNC and the VM-function controls */
enum { VMCS_REVISION = 0x53500001, VMCS_REGION_SIZE = 4096 };

enum {                                   /* IA32_VMX_MISC */
    MISC_STORES_LMA = 1 << 5, MISC_HLT = 1 << 6, MISC_SHUTDOWN = 1 << 7, MISC_WAIT_SIPI = 1 << 8,
    MISC_CR3_TARGETS_SHIFT = 16, MISC_WRITE_ANY = 1 << 29, MISC_ZERO_LENGTH = 1 << 30,
};

#define EPT_CAP_EXECUTE_ONLY BIT(0)      /* IA32_VMX_EPT_VPID_CAP */
#define EPT_CAP_WALK_4 BIT(6)
#define EPT_CAP_WALK_5 BIT(7)
#define EPT_CAP_UC BIT(8)
#define EPT_CAP_WB BIT(14)
#define EPT_CAP_2M BIT(16)
#define EPT_CAP_1G BIT(17)
#define EPT_CAP_INVEPT BIT(20)
#define EPT_CAP_AD BIT(21)
#define EPT_CAP_ADVANCED BIT(22)
#define EPT_CAP_SHADOW_STACK BIT(23)
#define EPT_CAP_INVEPT_SINGLE BIT(25)
#define EPT_CAP_INVEPT_ALL BIT(26)
#define VPID_CAP_INVVPID BIT(32)
#define VPID_CAP_INVVPID_TYPE(n) BIT(40 + (n))
#define EPT_CAP_HLAT_PREFIX_1 BIT(48)    /* bits 53:48, the maximum HLAT prefix size, are 1 */

/* Bits of a control word that must be 1, and that may be 1; from the TRUE MSRs if there are any. */
uint32_t vmx_allowed0(const uint64_t *cap, enum control_word w);
uint32_t vmx_allowed1(const uint64_t *cap, enum control_word w);
static inline bool vmx_can(const uint64_t *cap, enum control_word w, uint32_t bit)
{
    return vmx_allowed1(cap, w) & bit;
}

/* The preemption timer counts down by one for each 2^rate ticks of the TSC. */
static inline unsigned vmx_timer_rate(const uint64_t *cap) { return cap[CAP_MISC] & 0x1f; }

/* Does MSR 480H + index exist?  (SDM: 48BH to 493H depend on what the others report.) */
bool vmx_capability_exists(const uint64_t *cap, unsigned index);

/* Fills m->vmx_capability from the profile that m->name names (none: max) and from m->features: all
 * zero without the VMX feature. */
void vmx_model_capabilities(struct cpu_model *m);
/* Values of capability MSRs that somebody listed. */
struct vmx_listing {
    uint64_t value[VMX_CAPABILITY_MSRS];
    bool known[VMX_CAPABILITY_MSRS];
};
/* Fills m->vmx_capability with what the MSRs of a processor allow and is modelled.  Those that are
 * not `known` allow what m->name's profile allows.  Calls absent(user, key) for each capability
 * that is not modelled. */
void vmx_model_import(struct cpu_model *m, const struct vmx_listing *listing,
                      void (*absent)(void *user, const char *key), void *user);
/* Switches one capability by its key (controls.def, capabilities.def, and the table of
 * capability_option.c).  False if the key is unknown or what it asks for is not modelled.  What
 * depends on it goes with it. */
bool vmx_model_option(struct cpu_model *m, const char *key, bool on);

/* Rows of capabilities.def and controls.def, for those who print them: false beyond the last. */
enum capability_kind { CAPABILITY_ABSENT, CAPABILITY_FIXED, CAPABILITY_SWITCH };
struct vmx_capability_bit {
    uint8_t msr, bit, kind;
    const char *key;
};
bool vmx_capability_bit(unsigned n, struct vmx_capability_bit *out);
struct vmx_control_bit {
    enum control_word word;
    uint8_t bit;
    bool modelled;
    const char *name, *key; /* name: NULL if it is not modelled */
};
bool vmx_control_bit(unsigned n, struct vmx_control_bit *out);
/* A capability that processors have and this one cannot, by its key. */
bool vmx_is_absent(const char *key);

#endif
