// SPDX-License-Identifier: Apache-2.0
// VMCS fields in words: controls, reasons, access rights, events.
#ifndef SP_DEBUG_VMCS_DECODE_H
#define SP_DEBUG_VMCS_DECODE_H

#include <stddef.h>

#include "vmx/vmcs.h"

/* Writes what a field's value means: names of the bits that are 1, of a reason, of a type; nothing
 * for fields that are plain numbers.  Returns `out`.  Some fields have their sense from others. */
const char *vmcs_decode(const struct vmcs *v, enum vmcs_field f, char *out, size_t size);

#endif
