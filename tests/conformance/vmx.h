// SPDX-License-Identifier: Apache-2.0
// The vocabulary of VMX: fields, controls, capabilities, instructions.
#ifndef CONFORMANCE_VMX_H
#define CONFORMANCE_VMX_H

#include "x86.h"

enum word { PIN, PROC, PROC2, PROC3, EXIT, EXIT2, ENTRY, WORDS };

/* Fields by their names in fields.def. */
enum field {
#define FIELD(encoding, name, text, exists) name = encoding,
#include "fields.def"
};

/* A control: its word and its bit. */
enum control {
#define CONTROL(word, bit, name, text) name = word << 8 | bit,
#include "controls.def"
};

enum {
    REASON_EXCEPTION = 0, REASON_EXTERNAL_INTERRUPT = 1, REASON_TRIPLE_FAULT = 2, REASON_INIT = 3,
    REASON_SIPI = 4, REASON_INTERRUPT_WINDOW = 7, REASON_NMI_WINDOW = 8, REASON_TASK_SWITCH = 9,
    REASON_CPUID = 10, REASON_GETSEC = 11, REASON_HLT = 12, REASON_INVD = 13, REASON_INVLPG = 14,
    REASON_RDPMC = 15, REASON_RDTSC = 16, REASON_VMCALL = 18, REASON_VMCLEAR = 19,
    REASON_VMLAUNCH = 20, REASON_VMPTRLD = 21, REASON_VMPTRST = 22, REASON_VMREAD = 23,
    REASON_VMRESUME = 24, REASON_VMWRITE = 25, REASON_VMXOFF = 26, REASON_VMXON = 27,
    REASON_CR = 28, REASON_DR = 29, REASON_IO = 30, REASON_RDMSR = 31, REASON_WRMSR = 32,
    REASON_GUEST_STATE = 33, REASON_MSR_LOADING = 34, REASON_MWAIT = 36, REASON_MTF = 37,
    REASON_MONITOR = 39, REASON_PAUSE = 40, REASON_TPR = 43, REASON_APIC_ACCESS = 44,
    REASON_EOI = 45, REASON_GDTR_IDTR = 46, REASON_LDTR_TR = 47, REASON_EPT_VIOLATION = 48,
    REASON_EPT_MISCONFIGURATION = 49, REASON_INVEPT = 50, REASON_RDTSCP = 51, REASON_TIMER = 52,
    REASON_INVVPID = 53, REASON_WBINVD = 54, REASON_XSETBV = 55, REASON_APIC_WRITE = 56,
    REASON_RDRAND = 57, REASON_INVPCID = 58, REASON_VMFUNC = 59, REASON_RDSEED = 61,
    REASON_PML_FULL = 62, REASON_XSAVES = 63, REASON_XRSTORS = 64, REASON_SPP = 66,
    REASON_UMWAIT = 67, REASON_TPAUSE = 68, REASON_BUS_LOCK = 74, REASON_TIMEOUT = 75,
    REASON_RDMSRLIST = 78, REASON_WRMSRLIST = 79,
};
#define ENTRY_FAILURE BIT(31)

enum {
    ERROR_VMCALL_ROOT = 1, ERROR_VMCLEAR_ADDRESS = 2, ERROR_VMCLEAR_VMXON = 3,
    ERROR_LAUNCH_NOT_CLEAR = 4, ERROR_RESUME_NOT_LAUNCHED = 5, ERROR_CONTROLS = 7, ERROR_HOST = 8,
    ERROR_VMPTRLD_ADDRESS = 9, ERROR_VMPTRLD_VMXON = 10, ERROR_VMPTRLD_REVISION = 11,
    ERROR_FIELD = 12, ERROR_READ_ONLY = 13, ERROR_VMXON_ROOT = 15, ERROR_MOV_SS = 26,
    ERROR_OPERAND = 28,
};

/* Types of events (SDM, "VM-Entry Controls for Event Injection"). */
enum {
    EVENT_EXTERNAL = 0, EVENT_NMI = 2, EVENT_HARDWARE = 3, EVENT_SOFTWARE_INT = 4,
    EVENT_PRIVILEGED = 5, EVENT_SOFTWARE_EXCEPTION = 6, EVENT_OTHER = 7,
};
#define EVENT(type, vector) (BIT(31) | (uint64_t)(type) << 8 | (uint64_t)(vector))
#define EVENT_CODE BIT(11)

/* What the capability MSRs say; allowed0 has the bits that must be 1, allowed1 those that may. */
struct capabilities {
    uint64_t basic, misc, ept_vpid, vmfunc, enumeration;
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
    uint64_t allowed0[WORDS], allowed1[WORDS];
    unsigned physical_bits, linear_bits;
    struct cpuid leaf1, leaf7, extended;
};
extern struct capabilities cap;
/* Reads them all; the processor has VMX. */
void capabilities_read(void);

/* True if the control may be 1, and its word exists. */
bool can(enum control c);
bool can_bit(enum word w, unsigned bit);
/* True if the control may be 0. */
bool can_clear(enum control c);
/* "primary.7:hlt-exiting", in a buffer of its own. */
const char *control_name(enum control c);
/* The name of the bit without its word, or null. */
const char *control_text(enum word w, unsigned bit);
const char *word_name(enum word w);
enum field word_field(enum word w);

/* How an instruction ended: the vector of its fault, or NO_FAULT and RFLAGS. */
struct result { unsigned fault, error; uint64_t flags; };
enum outcome { SUCCEEDED, FAIL_INVALID, FAIL_VALID, FAULTED, OTHER_FLAGS };
/* SDM vol. 3, "Conventions" of the VMX instruction reference: success clears the six status flags,
 * VMfailInvalid leaves only CF set, VMfailValid only ZF. */
enum outcome outcome(struct result r);

struct result try_vmxon(uint64_t address);
struct result try_vmxoff(void);
struct result try_vmclear(uint64_t address);
struct result try_vmptrld(uint64_t address);
struct result try_vmptrst(uint64_t *address);
struct result try_vmread(uint64_t encoding, uint64_t *value);
struct result try_vmwrite(uint64_t encoding, uint64_t value);
struct result try_vmlaunch(void);
struct result try_vmresume(void);
struct result try_vmlaunch_shadowed(void);
struct result try_vmresume_shadowed(void);
struct result try_vmcall(void);
struct result try_vmfunc(void);
struct result try_invept(uint64_t type, const uint64_t descriptor[2]);
struct result try_invvpid(uint64_t type, const uint64_t descriptor[2]);
struct result try_rdmsr(uint32_t index, uint64_t *value);
struct result try_wrmsr(uint32_t index, uint64_t value);
struct result try_mov_cr0(uint64_t value);
struct result try_mov_cr4(uint64_t value);

static inline uint64_t vmread(uint64_t field)
{
    uint64_t value = 0;
    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc", "memory");
    return value;
}
static inline void vmwrite(uint64_t field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"(field), "r"(value) : "cc", "memory");
}

#endif
