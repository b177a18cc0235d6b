// SPDX-License-Identifier: Apache-2.0
// Performance counters and VMX: IA32_PERF_GLOBAL_CTRL at entries and exits, RDPMC, and counters
// that overflow in VMX non-root operation.
#include "vmx_modes.h"

enum {
    PERFEVTSEL0 = 0x186, PMC0 = 0xc1, FIXED_CTR0 = 0x309, FIXED_CTR_CTRL = 0x38d,
    GLOBAL_STATUS = 0x38e, GLOBAL_CTRL = 0x38f, A_PMC0 = 0x4c1,
};
enum { ALL_RINGS = SELECT_USR | SELECT_OS | SELECT_EN, INSTRUCTIONS = 0xc0 };

static uint64_t rd(struct vm *v, uint32_t index)
{
    uint64_t value = 0;
    cr_expect(msr_read(v->c, index, &value), "%#x", index);
    return value;
}
static void wr(struct vm *v, uint32_t index, uint64_t value)
{
    cr_expect(msr_write(v->c, index, value), "%#x", index);
}

/* Fixed-function counters 0 and 1: instructions and cycles, at every privilege level. */
static void use_counters(struct vm *v, uint64_t guest, uint64_t host)
{
    wr(v, FIXED_CTR_CTRL, 0x33);
    put_bits(v, VM_ENTRY_CONTROLS, ENTRY_LOAD_PERF_GLOBAL_CTRL);
    put_bits(v, VM_EXIT_CONTROLS, EXIT_LOAD_PERF_GLOBAL_CTRL);
    put(v, GUEST_IA32_PERF_GLOBAL_CTRL, guest);
    put(v, HOST_IA32_PERF_GLOBAL_CTRL, host);
}
#define FIXED (3 * BIT(32))

BARE_PROGRAM(works, "nop\n nop\n nop\n cpuid\n nop\n vmcall\n");

/* Instructions that make VM exits do not retire. */
Test(vmx_pmu, counters_that_run_in_the_guest_only)
{
    struct vm v = VM(works);
    use_counters(&v, FIXED, 0);
    wr(&v, GLOBAL_CTRL, 0);
    cr_expect_eq(enter_guest(&v), 10);
    cr_expect_eq(rd(&v, FIXED_CTR0), 3, "%d", (int)rd(&v, FIXED_CTR0));
    cr_expect_eq(rd(&v, FIXED_CTR0 + 1), 3);
    cr_expect_eq(rd(&v, GLOBAL_CTRL), 0);
    skip_instruction(&v);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(rd(&v, FIXED_CTR0), 4);
    machine_destroy(v.m);
}

/* The host: VMLAUNCH, which retires; CPUID's cycle; HLT. */
Test(vmx_pmu, counters_that_run_in_the_host_only)
{
    struct vm v = VM(works);
    use_counters(&v, 0, FIXED);
    wr(&v, GLOBAL_CTRL, FIXED);
    cr_expect_eq(enter_guest(&v), 10);
    cr_expect_eq(rd(&v, FIXED_CTR0), 2, "%d", (int)rd(&v, FIXED_CTR0));
    cr_expect_eq(rd(&v, FIXED_CTR0 + 1), 3, "%d", (int)rd(&v, FIXED_CTR0 + 1));
    machine_destroy(v.m);
}

Test(vmx_pmu, counters_that_run_through)
{
    struct vm v = VM(works);
    wr(&v, FIXED_CTR_CTRL, 0x33);
    wr(&v, GLOBAL_CTRL, FIXED);
    cr_expect_eq(enter_guest(&v), 10);
    cr_expect_eq(rd(&v, FIXED_CTR0), 5, "%d", (int)rd(&v, FIXED_CTR0));
    cr_expect_eq(rd(&v, FIXED_CTR0 + 1), 6);
    machine_destroy(v.m);
}

/* A guest at CPL 3 under a host that counts CPL 0. */
Test(vmx_pmu, entries_and_exits_change_the_privilege_level)
{
    struct vm v = VM(works);
    user_guest(&v);
    wr(&v, PERFEVTSEL0, INSTRUCTIONS | SELECT_EN | SELECT_USR);
    wr(&v, PERFEVTSEL0 + 1, INSTRUCTIONS | SELECT_EN | SELECT_OS);
    cr_expect_eq(enter_guest(&v), 10);
    cr_expect_eq(rd(&v, PMC0), 3, "%d", (int)rd(&v, PMC0));
    cr_expect_eq(rd(&v, PMC0 + 1), 2, "%d", (int)rd(&v, PMC0 + 1));
    machine_destroy(v.m);
}

/* SDM vol. 3, "Loading Host Control Registers, Debug Registers, MSRs". */
Test(vmx_pmu, reserved_bits_are_checked_at_entry)
{
    struct vm v = VM(works);
    use_counters(&v, FIXED, BIT(3));
    put(&v, GUEST_IA32_PERF_GLOBAL_CTRL, BIT(8));
    cr_expect_eq(enter_guest(&v), (int64_t)(VALID | 33));
    cr_expect_eq(rd(&v, GLOBAL_CTRL), BIT(3), "the host is loaded");
    put(&v, GUEST_IA32_PERF_GLOBAL_CTRL, 0xff);
    put(&v, HOST_IA32_PERF_GLOBAL_CTRL, BIT(35));
    cr_expect_eq(enter_guest(&v), -1);
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 8);
    machine_destroy(v.m);
}

/* An MSR area loads what WRMSR would. */
Test(vmx_pmu, msr_areas)
{
    struct vm v = VM(works);
    store(&v, LIST, 8, GLOBAL_CTRL);
    store(&v, LIST + 8, 8, FIXED);
    put(&v, VM_ENTRY_MSR_LOAD_ADDR, LIST);
    put(&v, VM_ENTRY_MSR_LOAD_COUNT, 1);
    wr(&v, FIXED_CTR_CTRL, 0x33);
    cr_expect_eq(enter_guest(&v), 10);
    cr_expect_eq(rd(&v, GLOBAL_CTRL), FIXED);
    store(&v, LIST + 8, 8, BIT(40));
    cr_expect_eq(enter_guest(&v), (int64_t)(VALID | 34));
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 1);
    machine_destroy(v.m);
}

/* Fields and controls exist together. */
Test(vmx_pmu, controls_and_fields_of_the_profiles)
{
    static const struct { const char *cpu; bool load, save; } rows[] = {
        { "prescott-vt", false, false }, { "penryn", true, false }, { "icelake", true, false },
        { "max", true, true }, { "max,pmu=off", false, false },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct machine *m = bare_machine(rows[k].cpu);
        struct cpu *c = machine_cpu(m, 0);
        const uint64_t *cap = c->model->vmx_capability;
        cr_expect_eq(!!vmx_can(cap, WORD_ENTRY, ENTRY_LOAD_PERF_GLOBAL_CTRL), rows[k].load);
        cr_expect_eq(!!vmx_can(cap, WORD_EXIT, EXIT_LOAD_PERF_GLOBAL_CTRL), rows[k].load);
        cr_expect_eq(!!vmx_can(cap, WORD_EXIT, EXIT_SAVE_PERF_GLOBAL_CTRL), rows[k].save);
        cr_expect_eq(vmcs_fields[GUEST_IA32_PERF_GLOBAL_CTRL].exists(cap), rows[k].load);
        cr_expect_eq(vmcs_fields[HOST_IA32_PERF_GLOBAL_CTRL].exists(cap), rows[k].load);
        machine_destroy(m);
    }
}

/* ---- RDPMC ---- */

BARE_PROGRAM(counter_reader, "rdpmc\n vmcall\n");
Test(vmx_pmu, rdpmc_exits_before_its_operand_is_looked_at)
{
    struct vm v = VM(counter_reader);
    put(&v, EXCEPTION_BITMAP, 1u << EXC_GP);
    wr(&v, PMC0 + 2, 0x1234);
    v.c->gpr[RCX] = 2;
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->gpr[RAX], 0x1234);
    put(&v, GUEST_RIP, GUEST_CODE);
    v.c->gpr[RCX] = 99;
    cr_expect_eq(enter_guest(&v), 0, "#GP");
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_RDPMC_EXITING);
    cr_expect_eq(enter_guest(&v), 15);
    machine_destroy(v.m);
}

/* ---- overflow in the guest ---- */

enum { LVT_PERFORMANCE = 0x834, NMI = 0x400, VECTOR = 0x41 };

BARE_PROGRAM(counts_up, "1: inc %rax\n jmp 1b\n");

/* A guest that runs 101 instructions until its counter overflows, on a machine with a local APIC.
 */
static struct vm overflowing(uint32_t lvt)
{
    struct sp_error e = { 0 };
    struct machine_config config = { .ram_size = 16 << 20, .processors = 1, .cpu = "max" };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m, "%s", e.message);
    struct vm v = vm_create_on(m, counts_up_start, counts_up_end);
    wr(&v, 0x1b, 0xfee00d00);
    wr(&v, 0x80f, 0x1ff);
    wr(&v, LVT_PERFORMANCE, lvt);
    use_counters(&v, BIT(32), 0);
    wr(&v, FIXED_CTR_CTRL, 3 | FIXED_PMI);
    wr(&v, FIXED_CTR0, BIT(48) - 101);
    wr(&v, GLOBAL_CTRL, 0);
    v.c->gpr[RAX] = 0;
    return v;
}

static void expect_overflow(struct vm *v, uint64_t rip)
{
    cr_expect_eq(get(v, GUEST_RIP), rip, "%#llx", (unsigned long long)get(v, GUEST_RIP));
    cr_expect_eq(v->c->gpr[RAX], 51, "%d", (int)v->c->gpr[RAX]);
    cr_expect_eq(rd(v, GLOBAL_STATUS), BIT(32));
    machine_destroy(v->m);
}

Test(vmx_pmu, an_nmi_of_a_counter_exits)
{
    struct vm v = overflowing(NMI);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING);
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT(EVENT_NMI, EXC_NMI));
    expect_overflow(&v, GUEST_CODE + 3);
}

Test(vmx_pmu, an_nmi_of_a_counter_goes_to_the_guest)
{
    struct vm v = overflowing(NMI);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(load(&v, GUEST_STACK - 40, 8), GUEST_CODE + 3);
    expect_overflow(&v, HANDLER(EXC_NMI));
}

Test(vmx_pmu, an_interrupt_of_a_counter_exits)
{
    struct vm v = overflowing(VECTOR);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_EXTERNAL_INTERRUPT_EXITING);
    put_bits(&v, VM_EXIT_CONTROLS, EXIT_ACKNOWLEDGE_INTERRUPT);
    cr_expect_eq(enter_guest(&v), 1);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT(EVENT_EXTERNAL, VECTOR));
    expect_overflow(&v, GUEST_CODE + 3);
}

BARE_PROGRAM(debugctl, "mov $0x1d9, %ecx\n rdmsr\n mov %eax, %ebx\n vmcall\n");
Test(vmx_pmu, freezing_is_loaded_and_saved)
{
    struct vm v = VM(debugctl);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    use_debug_controls(&v);
    put(&v, GUEST_IA32_DEBUGCTL, BIT(12) | BIT(11));
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->gpr[RBX], BIT(12), "LBRs are absent, and so is their freezing");
    cr_expect_eq(get(&v, GUEST_IA32_DEBUGCTL), BIT(12));
    cr_expect_eq(v.c->msr.debugctl, 0);
    machine_destroy(v.m);
}
