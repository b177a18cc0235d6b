// SPDX-License-Identifier: Apache-2.0
#include "exits.h"

void expect_instruction(unsigned reason, uint64_t qualification, unsigned length)
{
    uint64_t rip = vmread(GUEST_RIP), rsp = vmread(GUEST_RSP), flags = vmread(GUEST_RFLAGS);
    if (!expect_exit(reason))
        return;
    expect_field(EXIT_QUALIFICATION, qualification);
    expect_field(EXIT_INSTRUCTION_LENGTH, length);
    expect_field(GUEST_RIP, rip);
    expect_field(GUEST_RSP, rsp);
    expect_field(GUEST_RFLAGS, flags);
    expect("event valid", 0, vmread(EXIT_INTERRUPTION) >> 31);
    expect("vectoring valid", 0, vmread(IDT_VECTORING) >> 31);
}

void expect_fault_at(unsigned vector)
{
    uint64_t rip = vmread(GUEST_RIP);
    if (expect_exception(vector))
        expect_field(GUEST_RIP, rip);
}

void expect_passes(unsigned length)
{
    uint64_t rip = vmread(GUEST_RIP);
    if (expect_exit(REASON_VMCALL))
        expect_field(GUEST_RIP, rip + length);
}
