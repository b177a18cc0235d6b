// SPDX-License-Identifier: Apache-2.0
// Shows: a complete small hypervisor.  It turns VMX on, runs a 64-bit guest under EPT until the
// guest calls VMCALL, prints how often each exit occurred, and then tries two VM entries that must
// fail: one with a broken guest state (a VM exit with reason 33), one with a broken control
// (VMfailValid, error 7).
#include "console.h"
#include "ept.h"
#include "exits.h"
#include "guest.h"
#include "vmcs.h"
#include "vmx.h"

enum { DEBUG_EXIT_PORT = 0xf4, VM_ERROR_CONTROLS = 7 };

static uint8_t guest_stack[8192] __attribute__((aligned(16)));
#define GUEST_STACK_TOP ((uint64_t)(guest_stack + sizeof guest_stack - 8))   /* as after a CALL */

static bool run_guest(uint64_t eptp)
{
    struct guest_registers guest = { 0 };
    if (!vmcs_prepare((uint64_t)guest_main, GUEST_STACK_TOP, eptp))
        return false;
    for (bool launched = false;; launched = true) {
        if (vm_enter(&guest, launched) != VM_EXITED) {
            console_text("hypervisor: VM entry failed, VM-instruction error ");
            console_decimal(vmread(VM_INSTRUCTION_ERROR), 0);
            console_text("\n");
            return false;
        }
        switch (handle_exit(&guest)) {
        case RESUME_NEXT:
            vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(EXIT_INSTRUCTION_LENGTH));
            break;
        case RESUME_SAME:
            break;
        case STOP:
            return true;
        }
    }
}

/* SDM vol. 3, "Checks on Guest RIP, RFLAGS, and SSP": bit 1 of RFLAGS must be 1. */
static bool break_guest_rflags(uint64_t eptp)
{
    console_text("hypervisor: VM entry with bit 1 of the guest's RFLAGS clear\n");
    vmcs_prepare((uint64_t)guest_main, GUEST_STACK_TOP, eptp);
    vmwrite(GUEST_RFLAGS, 0);
    enum vm_result result = vmlaunch_broken();
    uint32_t reason = (uint32_t)vmread(EXIT_REASON);
    console_text(result == VM_EXITED ? "hypervisor: VM exit" : "hypervisor: VMfail");
    console_text(", entry-failure bit ");
    console_decimal(reason >> 31, 0);
    console_text(", basic reason ");
    console_decimal((uint16_t)reason, 0);
    console_text("\n");
    return result == VM_EXITED && reason == (EXIT_ENTRY_FAILURE | EXIT_BAD_GUEST_STATE);
}

/* SDM vol. 3, "VM-Execution Control Fields": "virtual NMIs" needs "NMI exiting". */
static bool break_pin_controls(uint64_t eptp)
{
    console_text("hypervisor: VM entry with \"virtual NMIs\" but not \"NMI exiting\"\n");
    vmcs_prepare((uint64_t)guest_main, GUEST_STACK_TOP, eptp);
    vmwrite(PIN_CONTROLS, (vmread(PIN_CONTROLS) | PIN_VIRTUAL_NMIS) & ~(uint64_t)PIN_NMI_EXITING);
    enum vm_result result = vmlaunch_broken();
    uint64_t error = vmread(VM_INSTRUCTION_ERROR);
    console_text(result == VM_FAIL_VALID ? "hypervisor: VMfailValid" : "hypervisor: unexpected");
    console_text(", VM-instruction error ");
    console_decimal(error, 0);
    console_text("\n");
    return result == VM_FAIL_VALID && error == VM_ERROR_CONTROLS;
}

/* Called by boot.S in 64-bit mode; the debug-exit port gets 0 if all went as this file says. */
void hypervisor_main(void);
void hypervisor_main(void)
{
    console_init();
    console_text("Silverpool demonstration hypervisor\n");
    const char *why_not = vmx_enable();
    if (why_not) {
        console_text("hypervisor: no VMX: ");
        console_text(why_not);
        console_text("\n");
        out32(DEBUG_EXIT_PORT, 1);
        return;
    }
    console_text("hypervisor: in VMX root operation, starting the guest\n");
    uint64_t eptp = ept_create();
    bool ok = run_guest(eptp);
    print_exit_counts();
    ok &= break_guest_rflags(eptp);
    ok &= break_pin_controls(eptp);
    console_text(ok ? "demonstration complete\n" : "demonstration FAILED\n");
    out32(DEBUG_EXIT_PORT, ok ? 0 : 1);
}
