// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, appendix "VMX Capability Reporting Facility".
#include "text.h"
#include "vmx.h"

struct capabilities cap;

static void read_pair(enum word w, uint32_t index)
{
    uint64_t m = rdmsr(index);
    cap.allowed0[w] = (uint32_t)m;
    cap.allowed1[w] = m >> 32;
}

static void read_words(void)
{
    bool true_controls = cap.basic & BIT(55);
    unsigned more = true_controls ? IA32_VMX_TRUE_PINBASED - IA32_VMX_PINBASED : 0;
    read_pair(PIN, IA32_VMX_PINBASED + more);
    read_pair(PROC, IA32_VMX_PROCBASED + more);
    read_pair(EXIT, IA32_VMX_EXIT + more);
    read_pair(ENTRY, IA32_VMX_ENTRY + more);
    if (cap.allowed1[PROC] & BIT(31))
        read_pair(PROC2, IA32_VMX_PROCBASED2);
    if (cap.allowed1[PROC] & BIT(17))
        cap.allowed1[PROC3] = rdmsr(IA32_VMX_PROCBASED3);
    if (cap.allowed1[EXIT] & BIT(31))
        cap.allowed1[EXIT2] = rdmsr(IA32_VMX_EXIT2);
}

void capabilities_read(void)
{
    struct cpuid width = { 0 };
    cap.leaf1 = cpuid(1, 0);
    cap.leaf7 = cpuid(0, 0).a >= 7 ? cpuid(7, 0) : (struct cpuid){ 0 };
    cap.extended = cpuid(0x80000001, 0);
    if (cpuid(0x80000000, 0).a >= 0x80000008)
        width = cpuid(0x80000008, 0);
    cap.physical_bits = width.a ? width.a & 0xff : 36;
    cap.linear_bits = width.a ? width.a >> 8 & 0xff : 48;
    cap.basic = rdmsr(IA32_VMX_BASIC);
    cap.misc = rdmsr(IA32_VMX_MISC);
    cap.cr0_fixed0 = rdmsr(IA32_VMX_CR0_FIXED0);
    cap.cr0_fixed1 = rdmsr(IA32_VMX_CR0_FIXED1);
    cap.cr4_fixed0 = rdmsr(IA32_VMX_CR4_FIXED0);
    cap.cr4_fixed1 = rdmsr(IA32_VMX_CR4_FIXED1);
    cap.enumeration = rdmsr(IA32_VMX_VMCS_ENUM);
    read_words();
    if (can(EPT) || can(ENABLE_VPID))
        cap.ept_vpid = rdmsr(IA32_VMX_EPT_VPID_CAP);
    if (can(VM_FUNCTIONS))
        cap.vmfunc = rdmsr(IA32_VMX_VMFUNC);
}

bool can_bit(enum word w, unsigned bit) { return cap.allowed1[w] >> bit & 1; }
bool can(enum control c) { return can_bit(c >> 8, c & 0xff); }
bool can_clear(enum control c) { return !(cap.allowed0[c >> 8] >> (c & 0xff) & 1); }

static const struct { const char *name; enum field field; } words[WORDS] = {
    [PIN] = { "pin", PIN_CONTROLS }, [PROC] = { "primary", PROC_CONTROLS },
    [PROC2] = { "secondary", PROC2_CONTROLS }, [PROC3] = { "tertiary", PROC3_CONTROLS },
    [EXIT] = { "exit", EXIT_CONTROLS }, [EXIT2] = { "exit2", EXIT2_CONTROLS },
    [ENTRY] = { "entry", ENTRY_CONTROLS },
};
const char *word_name(enum word w) { return words[w].name; }
enum field word_field(enum word w) { return words[w].field; }

const char *control_text(enum word w, unsigned bit)
{
    switch (w << 8 | bit) {
#define CONTROL(word, number, name, text) case word << 8 | number: return text;
#include "controls.def"
    default: return 0;
    }
}

const char *control_name(enum control c)
{
    static char name[80];
    const char *text = control_text(c >> 8, c & 0xff);
    text_put(name, sizeof name, "%s.%u:%s", word_name(c >> 8), c & 0xff, text ? text : "reserved");
    return name;
}
