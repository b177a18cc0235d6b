// SPDX-License-Identifier: Apache-2.0
// SMIs in a test's hands: the handler at the reset value of SMBASE halts, the test looks around,
// and lets it go on.
#ifndef SP_TESTS_SMM_GUEST_H
#define SP_TESTS_SMM_GUEST_H

#include "bare.h"
#include "mem/phys.h"

enum { SMRAM = SMBASE_RESET, SMM_HANDLER = SMRAM + 0x8000 };
/* Fields of the save-state area (SDM vol. 3, "SMRAM State Save Map and Intel 64 Architecture"). */
enum {
    S_CR4 = 0x7e40, S_IO_RIP = 0x7de8, S_EPTP = 0x7ed8, S_EPT = 0x7ee0, S_SMBASE = 0x7ef8,
    S_REVISION = 0x7efc, S_IO_RESTART = 0x7f00, S_AUTO_HALT = 0x7f02, S_R15 = 0x7f1c,
    S_RAX = 0x7f5c, S_RDI = 0x7f94, S_IO_MEM = 0x7f9c, S_IO_MISC = 0x7fa4,
    S_ES = 0x7fa8, S_CS = 0x7fac, S_SS = 0x7fb0, S_TR = 0x7fc4, S_DR7 = 0x7fc8, S_RIP = 0x7fd8, S_EFER = 0x7fe0,
    S_RFLAGS = 0x7fe8, S_CR3 = 0x7ff0, S_CR0 = 0x7ff8,
};

BARE_PROGRAM(smm_handler, ".code16\n hlt\n rsm\n");

static inline void smm_load(struct machine *m, const uint8_t *start, const uint8_t *end)
{
    mem_write(machine_mem(m), SMM_HANDLER, start, (size_t)(end - start));
}
static inline uint64_t saved(struct machine *m, unsigned offset, unsigned size)
{
    return mem_read_le(machine_mem(m), SMM_HANDLER + offset, size);
}
static inline void save_as(struct machine *m, unsigned offset, unsigned size, uint64_t value)
{
    mem_write_le(machine_mem(m), SMM_HANDLER + offset, size, value);
}
/* Goes on after the HLT of the handler. */
static inline void smm_continue(struct machine *m)
{
    machine_cpu(m, 0)->activity = ACTIVITY_ACTIVE;
    cpu_mode_changed(machine_cpu(m, 0));
}
/* An SMI, and on until the handler halts. */
static inline void smi(struct machine *m)
{
    cpu_set_pending(machine_cpu(m, 0), PEND_SMI);
    cr_assert_eq(bare_run(m, 1000), STOP_HALTED);
    cr_assert(machine_cpu(m, 0)->smm);
}

#endif
