// SPDX-License-Identifier: Apache-2.0
// Model-specific registers whose bits follow from CPUID.
#include "bare.h"

enum { FEATURE_CONTROL = 0x3a, BARRIER = 0x2f, SPEC_CTRL = 0x48, PRED_CMD = 0x49, ARCH_CAPABILITIES = 0x10a };

/* Which of the three bits IA32_SPEC_CTRL takes; -1: there is no such register. */
static int spec_ctrl_bits(const char *cpu)
{
    struct machine *m = bare_machine(cpu);
    struct cpu *c = machine_cpu(m, 0);
    uint64_t v;
    int bits = msr_read(c, SPEC_CTRL, &v) ? 0 : -1;
    for (unsigned k = 0; k < 64; k++) {
        bool taken = msr_write(c, SPEC_CTRL, BIT(k));
        cr_expect(!taken || (msr_read(c, SPEC_CTRL, &v) && v == BIT(k)));
        cr_expect(!taken || k < 3, "%s: bit %u", cpu, k);
        bits |= taken << (k & 7);
    }
    machine_destroy(m);
    return bits;
}

Test(msr, spec_ctrl_has_the_bits_that_cpuid_enumerates)
{
    cr_expect_eq(spec_ctrl_bits("icelake"), 7);
    cr_expect_eq(spec_ctrl_bits("max"), 7);
    cr_expect_eq(spec_ctrl_bits("skylake"), -1, "before the microcode of 2018");
    cr_expect_eq(spec_ctrl_bits("max,-ssbd"), 3);
    cr_expect_eq(spec_ctrl_bits("max,-ssbd,-stibp"), 3, "IBRS alone makes STIBP writable");
    cr_expect_eq(spec_ctrl_bits("max,-spec-ctrl,-stibp"), 4);
    cr_expect_eq(spec_ctrl_bits("max,-spec-ctrl,-stibp,-ssbd"), -1);
}

Test(msr, pred_cmd_can_only_be_written)
{
    struct machine *m = bare_machine("icelake");
    struct cpu *c = machine_cpu(m, 0);
    uint64_t v;
    cr_expect_not(msr_read(c, PRED_CMD, &v));
    cr_expect(msr_write(c, PRED_CMD, 0));
    cr_expect(msr_write(c, PRED_CMD, 1));
    cr_expect_not(msr_write(c, PRED_CMD, 2));
    cr_expect_not(msr_write(c, PRED_CMD, BIT(63)));
    machine_destroy(m);
    m = bare_machine("skylake");
    cr_expect_not(msr_write(machine_cpu(m, 0), PRED_CMD, 1));
    machine_destroy(m);
}

Test(msr, arch_capabilities)
{
    struct machine *m = bare_machine("icelake");
    struct cpu *c = machine_cpu(m, 0);
    uint64_t v;
    cr_expect(msr_read(c, ARCH_CAPABILITIES, &v) && v == 0x16b);
    cr_expect_not(msr_write(c, ARCH_CAPABILITIES, v));
    machine_destroy(m);
    m = bare_machine("max,-arch-capabilities");
    cr_expect_not(msr_read(machine_cpu(m, 0), ARCH_CAPABILITIES, &v));
    machine_destroy(m);
}

Test(msr, barrier_comes_with_the_lists)
{
    struct machine *m = bare_machine("max");
    uint64_t v = 1;
    uint32_t out[4];
    cr_expect(msr_read(machine_cpu(m, 0), BARRIER, &v) && v == 0);
    cr_expect_not(msr_write(machine_cpu(m, 0), BARRIER, 0));
    model_cpuid(machine_cpu(m, 0), 7, 0, out);
    cr_expect_eq(out[0], 1, "leaf 7 has a subleaf 1");
    model_cpuid(machine_cpu(m, 0), 7, 1, out);
    cr_expect_eq(out[0] & (1 << 19 | 1 << 27), 1 << 19 | 1 << 27);
    machine_destroy(m);
    m = bare_machine("icelake");
    cr_expect_not(msr_read(machine_cpu(m, 0), BARRIER, &v));
    model_cpuid(machine_cpu(m, 0), 7, 0, out);
    cr_expect_eq(out[0], 0);
    machine_destroy(m);
}

/* The bits that can be set one by one before the lock. */
static uint64_t feature_control_bits(const char *cpu)
{
    struct machine *m = bare_machine(cpu);
    struct cpu *c = machine_cpu(m, 0);
    uint64_t bits = 0;
    for (unsigned k = 64; k-- > 0;)
        bits |= (uint64_t)msr_write(c, FEATURE_CONTROL, BIT(k)) << k;
    cr_expect_not(msr_write(c, FEATURE_CONTROL, 1), "%s", cpu);
    machine_destroy(m);
    return bits;
}

Test(msr, feature_control_has_the_bits_of_vmx_and_smx)
{
    cr_expect_eq(feature_control_bits("skylake"), 0xff07);
    cr_expect_eq(feature_control_bits("nehalem"), 0x0005);
    cr_expect_eq(feature_control_bits("skylake,-vmx"), 0xff01);
    cr_expect_eq(feature_control_bits("nehalem,-vmx"), 0);
}
