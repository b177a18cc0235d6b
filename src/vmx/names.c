// SPDX-License-Identifier: Apache-2.0
// Names of exit reasons, of capability MSRs, of VM-instruction errors, of fields.
#include <strings.h>

#include "vmx/internal.h"

static const struct { const char *name; uint8_t qualification; } reasons[EXIT_REASONS] = {
#define REASON(number, name, qualification) [number] = { #name, qualification },
#include "vmx/exit_reasons.def"
};

static bool known(uint32_t reason)
{
    return (reason & 0xffff) < EXIT_REASONS && reasons[reason & 0xffff].name;
}

const char *vmx_exit_name(uint32_t reason)
{
    return known(reason) ? reasons[reason & 0xffff].name : "UNKNOWN";
}

enum vmx_qualification vmx_exit_qualification_kind(uint32_t reason)
{
    return known(reason) ? (enum vmx_qualification)reasons[reason & 0xffff].qualification
                         : QUAL_NONE;
}

/* SDM vol. 3, appendix "VMX Capability Reporting Facility". */
const char *vmx_capability_name(unsigned index)
{
    static const char *const names[VMX_CAPABILITY_MSRS] = {
        "IA32_VMX_BASIC",
        "IA32_VMX_PINBASED_CTLS",
        "IA32_VMX_PROCBASED_CTLS",
        "IA32_VMX_EXIT_CTLS",
        "IA32_VMX_ENTRY_CTLS",
        "IA32_VMX_MISC",
        "IA32_VMX_CR0_FIXED0",
        "IA32_VMX_CR0_FIXED1",
        "IA32_VMX_CR4_FIXED0",
        "IA32_VMX_CR4_FIXED1",
        "IA32_VMX_VMCS_ENUM",
        "IA32_VMX_PROCBASED_CTLS2",
        "IA32_VMX_EPT_VPID_CAP",
        "IA32_VMX_TRUE_PINBASED_CTLS",
        "IA32_VMX_TRUE_PROCBASED_CTLS",
        "IA32_VMX_TRUE_EXIT_CTLS",
        "IA32_VMX_TRUE_ENTRY_CTLS",
        "IA32_VMX_VMFUNC",
        "IA32_VMX_PROCBASED_CTLS3",
        "IA32_VMX_EXIT_CTLS2",
    };
    return index < VMX_CAPABILITY_MSRS ? names[index] : NULL;
}

/* SDM vol. 3, "VM Instruction Error Numbers". */
const char *vmx_error_text(uint32_t error)
{
    switch (error) {
    case 1: return "VMCALL executed in VMX root operation";
    case 2: return "VMCLEAR with invalid physical address";
    case 3: return "VMCLEAR with VMXON pointer";
    case 4: return "VMLAUNCH with non-clear VMCS";
    case 5: return "VMRESUME with non-launched VMCS";
    case 7: return "VM entry with invalid control field(s)";
    case 8: return "VM entry with invalid host-state field(s)";
    case 9: return "VMPTRLD with invalid physical address";
    case 10: return "VMPTRLD with VMXON pointer";
    case 11: return "VMPTRLD with incorrect VMCS revision identifier";
    case 12: return "VMREAD/VMWRITE from/to unsupported VMCS component";
    case 13: return "VMWRITE to read-only VMCS component";
    case 15: return "VMXON executed in VMX root operation";
    case 26: return "VM entry with events blocked by MOV SS";
    case 28: return "invalid operand to INVEPT/INVVPID";
    default: return "no current VMCS";
    }
}

bool vmcs_field_by_name(const char *name, uint32_t *encoding)
{
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        if (!strcasecmp(vmcs_fields[f].name, name)) {
            *encoding = vmcs_fields[f].encoding;
            return true;
        }
    return false;
}
