// SPDX-License-Identifier: Apache-2.0
// UMONITOR, UMWAIT and TPAUSE outside VMX: the checks, the flags, IA32_UMWAIT_CONTROL.
#include "bare.h"
#include "cpu/flags.h"

enum {
    IA32_UMWAIT_CONTROL = 0xe1,
    STATUS = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF
};

BARE_PROGRAM(waits, "umonitor %rax\n umwait %r9d\n tpause %r10d\n 1: jmp 1b");

static struct machine *with_waits(struct cpu **c)
{
    struct machine *m = bare_machine("max");
    *c = bare_load(m, waits_start, waits_end);
    (*c)->gpr[RAX] = BARE_DATA;
    (*c)->gpr[R9] = UINT64_C(0xffffffff00000001); /* a register of 32 bits */
    (*c)->gpr[R10] = 0;
    return m;
}

/* No handler stands behind the vector: the processor shuts down when an instruction faults. */
static void expect_faults(struct machine *m, struct cpu *c, unsigned insns)
{
    bare_run(m, insns);
    cr_expect_eq(c->activity, ACTIVITY_SHUTDOWN);
    machine_destroy(m);
}

Test(wait, immediate)
{
    struct cpu *c;
    struct machine *m = with_waits(&c);
    flags_set_status(c, STATUS);
    c->monitor_armed = true;
    bare_run(m, 2);
    cr_expect_eq(c->rip, BARE_CODE + 4 + 5);
    cr_expect_eq(cpu_rflags(c) & STATUS, 0);
    cr_expect_eq(c->activity, ACTIVITY_ACTIVE);
    cr_expect_not(c->monitor_armed);
    bare_run(m, 3);
    cr_expect_eq(c->rip, BARE_CODE + 4 + 5 + 5);
    machine_destroy(m);
}

Test(wait, checks)
{
    struct cpu *c;
    struct machine *m = with_waits(&c);
    c->gpr[R9] = 2; /* 31:1 are reserved */
    expect_faults(m, c, 2);
    m = with_waits(&c);
    c->gpr[RAX] = BIT(62); /* not canonical */
    expect_faults(m, c, 1);
    m = bare_machine("max,-waitpkg");
    c = bare_load(m, waits_start, waits_end);
    c->gpr[RAX] = BARE_DATA;
    expect_faults(m, c, 1);
}

Test(wait, control_register)
{
    struct cpu *c;
    struct machine *m = with_waits(&c);
    uint64_t v;
    cr_expect(msr_write(c, IA32_UMWAIT_CONTROL, 0xfffffffd));
    cr_expect(msr_read(c, IA32_UMWAIT_CONTROL, &v) && v == 0xfffffffd);
    cr_expect_not(msr_write(c, IA32_UMWAIT_CONTROL, 2));
    cr_expect_not(msr_write(c, IA32_UMWAIT_CONTROL, BIT(32)));
    machine_destroy(m);
    m = bare_machine("icelake");
    cr_expect_not(msr_read(machine_cpu(m, 0), IA32_UMWAIT_CONTROL, &v));
    machine_destroy(m);
}
