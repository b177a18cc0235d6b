// SPDX-License-Identifier: Apache-2.0
// What every VM exit that an instruction causes leaves behind.
#ifndef CONFORMANCE_EXITS_H
#define CONFORMANCE_EXITS_H

#include "suite.h"
#include "vm.h"

/* Enters and expects the exit with this qualification from the instruction of `length` bytes at the
 * guest's RIP: RIP and RFLAGS stay, no event is reported. */
void expect_instruction(unsigned reason, uint64_t qualification, unsigned length);
/* Enters and expects exception `vector` at the instruction at the guest's RIP. */
void expect_fault_at(unsigned vector);
/* Enters and expects the VMCALL behind `length` bytes. */
void expect_passes(unsigned length);

#endif
