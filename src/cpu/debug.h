// SPDX-License-Identifier: Apache-2.0
// Debug registers (SDM vol. 3, "Debug Registers").
#ifndef SP_CPU_DEBUG_H
#define SP_CPU_DEBUG_H

#include "cpu/state.h"

/* R/W fields of DR7. */
enum debug_kind { DEBUG_EXECUTE, DEBUG_WRITE, DEBUG_IO, DEBUG_READ_WRITE };

/* Fixed bits of DR6 and DR7.  BLD of DR6 becomes 0 for a bus lock, where these are detected. */
enum { DR6_FIXED_1 = 0xffff0ff0, DR6_BLD = 1 << 11, DR7_FIXED_1 = 1 << 10, DR7_GD = 1 << 13 };

/* Bits of the VMCS's pending debug exceptions: B3:B0, BLD, enabled breakpoint, BS. */
enum { PENDING_DEBUG_BITS = 0x580f };

/* What DR7 holds after v was loaded: bits 15:14, 12 and (without RTM) 11 stay 0, bit 10 stays 1. */
static inline uint64_t dr7_loaded(uint64_t v) { return (v & 0xffff23ff) | DR7_FIXED_1; }

/* I/O breakpoints (CR4.DE): makes an access to [port, port + size) trap after the instruction. */
void debug_io(struct cpu *c, uint16_t port, unsigned size);

#endif
