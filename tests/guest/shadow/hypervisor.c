// SPDX-License-Identifier: Apache-2.0
// Shows: a hypervisor for the VT-x of 2005.  A 32-bit guest turns paging on, edits its page tables,
// faults, switches address spaces and asks for CPUID and an MSR; the hypervisor gives it memory by
// shadow paging.  It uses nothing that later processors added, and so runs on all of them.
#include "console.h"
#include "exits.h"
#include "shadow.h"
#include "vt.h"

enum { DEBUG_EXIT_PORT = 0xf4, GUEST_START = 0x8000 };

extern const uint8_t guest_image[], guest_image_end[];     /* guest.S */

static void load_guest(void)
{
    for (const uint8_t *p = guest_image; p < guest_image_end; p++)
        guest_ram[GUEST_START + (p - guest_image)] = *p;
}

static void say_where(void)
{
    console_text("hypervisor: exit reason ");
    console_hex(vmread(EXIT_REASON));
    console_text(", qualification ");
    console_hex(vmread(EXIT_QUALIFICATION));
    console_text(" at guest EIP ");
    console_hex(vmread(GUEST_RIP));
    console_text("\n");
}

static bool run_guest(void)
{
    struct guest g = { 0 };
    shadow_use(0, false);
    if (!vt_prepare(GUEST_START, shadow_root()))
        return false;
    for (bool launched = false;; launched = true) {
        if (!guest_enter(&g, launched)) {
            console_text("hypervisor: VM entry failed, VM-instruction error ");
            console_decimal(vmread(VM_INSTRUCTION_ERROR), 0);
            console_text("\n");
            return false;
        }
        switch (handle_exit(&g)) {
        case RESUME_NEXT:
            vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(EXIT_INSTRUCTION_LENGTH));
            break;
        case RESUME_SAME:
            break;
        case STOP:
            return true;
        default:
            say_where();
            return false;
        }
    }
}

/* Called by demo/boot.S in 64-bit mode; the debug-exit port gets 0 if all went well. */
void hypervisor_main(void);
void hypervisor_main(void)
{
    console_init();
    console_text("A hypervisor of 2005: shadow paging\n");
    const char *why_not = vt_enable();
    if (why_not) {
        console_text("hypervisor: no VMX: ");
        console_text(why_not);
        console_text("\n");
        out32(DEBUG_EXIT_PORT, 1);
        return;
    }
    load_guest();
    bool ok = run_guest();
    ok &= print_exits();
    console_text(ok ? "all as it must be\n" : "FAILED\n");
    out32(DEBUG_EXIT_PORT, ok ? 0 : 1);
}
