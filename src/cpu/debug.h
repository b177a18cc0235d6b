// SPDX-License-Identifier: Apache-2.0
// Debug registers (SDM vol. 3, "Debug Registers").
#ifndef SP_CPU_DEBUG_H
#define SP_CPU_DEBUG_H

#include "cpu/state.h"

/* R/W fields of DR7. */
enum debug_kind { DEBUG_EXECUTE, DEBUG_WRITE, DEBUG_IO, DEBUG_READ_WRITE };

/* Fixed bits of DR6 and DR7. */
enum { DR6_FIXED_1 = 0xffff0ff0, DR7_FIXED_1 = 1 << 10, DR7_GD = 1 << 13 };

/* What DR7 holds after v was loaded: bits 15:14, 12 and (without RTM) 11 stay 0, bit 10 stays 1. */
static inline uint64_t dr7_loaded(uint64_t v) { return (v & 0xffff23ff) | DR7_FIXED_1; }

/* I/O breakpoints (CR4.DE): makes an access to [port, port + size) trap after the instruction. */
void debug_io(struct cpu *c, uint16_t port, unsigned size);

#endif
