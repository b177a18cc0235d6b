// SPDX-License-Identifier: Apache-2.0
// Shows: turning VMX on, and a VMCS that is ready for VMLAUNCH.
#ifndef DEMO_VMCS_H
#define DEMO_VMCS_H

#include <stdbool.h>
#include <stdint.h>

/* Enters VMX root operation.  NULL, or the sentence that says why it cannot. */
const char *vmx_enable(void);
/* Makes the VMCS clear and current and fills every field: a 64-bit guest at `rip` under `eptp`. */
bool vmcs_prepare(uint64_t rip, uint64_t rsp, uint64_t eptp);

#endif
