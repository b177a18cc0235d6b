// SPDX-License-Identifier: Apache-2.0
// Shows: what the guest and its hypervisor have agreed on.
#ifndef DEMO_GUEST_H
#define DEMO_GUEST_H

enum {
    GUEST_CONSOLE_PORT = 0x500,          /* a byte written here is one character               */
    GUEST_HALTS = 3,
};
#define GUEST_FAR_PAGE 0x40000000ul      /* 1 GiB: no EPT entry maps it until it is touched    */
#define HYPERVISOR_LEAF 0x40000000u      /* CPUID leaf with the hypervisor's signature         */

/* The guest's first instruction, in 64-bit mode at CPL 0.  Ends with VMCALL. */
void guest_main(void);

#endif
