// SPDX-License-Identifier: Apache-2.0
#ifndef SP_VMX_SAVED_H
#define SP_VMX_SAVED_H

#include "base/saved.h"

const struct saved_table *saved_vmcs(void);
const struct saved_table *saved_vmx_stats(void);
/* Of struct vmx, which stands at cpu.vmx. */
const struct saved_table *saved_vmx(void);

#endif
