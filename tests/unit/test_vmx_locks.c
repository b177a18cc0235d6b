// SPDX-License-Identifier: Apache-2.0
// Bus locks: split locks that fault, trap, or exit.
#include "cpu/debug.h"
#include "vmx_modes.h"

enum {
    TEST_CTRL = 0x33, CORE_CAPABILITIES = 0xcf, DEBUGCTL = 0x1d9, SPLIT_LOCK_AC = 1 << 29,
    REASON_BUS_LOCK = 74, AFTER_BUS_LOCK = 1 << 26,
    CROSSING = BARE_DATA + 0x3e, WITHIN = BARE_DATA + 0x38,
};

static void expect(struct vm *v, int64_t reason)
{
    int64_t got = enter_guest(v);
    cr_expect_eq(got, reason, "%d, not %d", (int)got, (int)reason);
}

/* ---- VM exits ---- */

BARE_PROGRAM(lock_add, "lock addl $1, (%rdi)\n vmcall\n");

static struct vm with_exits(struct vm v, uint64_t address)
{
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_BUS_LOCK_DETECTION);
    v.c->gpr[RDI] = address;
    return v;
}

Test(vmx_locks, bus_lock_exits_after_the_instruction)
{
    struct vm v = with_exits(VM(lock_add), CROSSING);
    expect(&v, REASON_BUS_LOCK | AFTER_BUS_LOCK);
    cr_expect_eq(load(&v, CROSSING, 4), 1);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 4);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), 0);
    cr_expect_eq(get(&v, GUEST_PENDING_DBG_EXCEPTIONS), 0);
    expect(&v, 18);
    cr_expect_eq(load(&v, CROSSING, 4), 1);
    machine_destroy(v.m);
}

Test(vmx_locks, no_exit_within_a_line_or_without_the_control)
{
    struct vm v = with_exits(VM(lock_add), WITHIN);
    expect(&v, 18);
    put(&v, GUEST_RIP, GUEST_CODE);
    v.c->gpr[RDI] = WITHIN + 4;     /* up to the end of the line */
    expect(&v, 18);
    put(&v, GUEST_RIP, GUEST_CODE);
    clear_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_BUS_LOCK_DETECTION);
    v.c->gpr[RDI] = CROSSING;
    expect(&v, 18);
    machine_destroy(v.m);
}

/* EAX is the offset of a bit, RBX the value of an exchange. */
BARE_PROGRAM(lock_xchg, "xchg %rbx, (%rdi)\n vmcall\n");
BARE_PROGRAM(lock_bts, "lock btsl %eax, -0x3e(%rdi)\n vmcall\n");
BARE_PROGRAM(lock_cmpxchg8b, "lock cmpxchg8b (%rdi)\n vmcall\n");
BARE_PROGRAM(lock_segment, "lock incl %fs:(%rdi)\n vmcall\n");
BARE_PROGRAM(plain_add, "addl $1, (%rdi)\n vmcall\n");

#define REASON_OF(program, address) reason_of(program##_start, program##_end, address)
static uint32_t reason_of(const uint8_t *start, const uint8_t *end, uint64_t address)
{
    struct vm v = with_exits(vm_create("max", start, end), address);
    v.c->gpr[RAX] = 0x3e * 8;
    put(&v, GUEST_FS_BASE, 0x3c);
    int64_t reason = enter_guest(&v);
    machine_destroy(v.m);
    return (uint32_t)reason & ~(uint32_t)AFTER_BUS_LOCK;
}

Test(vmx_locks, instructions_that_lock)
{
    enum { VMCALL = 18 };
    cr_expect_eq(REASON_OF(lock_xchg, BARE_DATA + 0x39), REASON_BUS_LOCK, "without a prefix");
    cr_expect_eq(REASON_OF(lock_xchg, BARE_DATA + 0x38), VMCALL);
    cr_expect_eq(REASON_OF(lock_bts, CROSSING), VMCALL, "the word of bit 1F0H does not cross");
    cr_expect_eq(REASON_OF(lock_bts, CROSSING + 3), REASON_BUS_LOCK, "this one does");
    cr_expect_eq(REASON_OF(lock_cmpxchg8b, BARE_DATA + 0x3c), REASON_BUS_LOCK);
    cr_expect_eq(REASON_OF(lock_cmpxchg8b, BARE_DATA + 0x38), VMCALL);
    cr_expect_eq(REASON_OF(lock_segment, BARE_DATA + 2), REASON_BUS_LOCK, "base included");
    cr_expect_eq(REASON_OF(plain_add, CROSSING), VMCALL);
}

/* ---- "OS Bus-Lock Detection" ---- */

BARE_PROGRAM(lock_then_ud2, "lock addl $1, (%rdi)\n ud2\n");

static struct vm user_that_traps(uint64_t address)
{
    struct vm v = VM(lock_then_ud2);
    user_guest(&v);
    use_debug_controls(&v);
    put(&v, GUEST_IA32_DEBUGCTL, DEBUGCTL_BUS_LOCK_DETECT);
    put(&v, EXCEPTION_BITMAP, 1u << EXC_DB | 1u << EXC_UD);
    v.c->gpr[RDI] = address;
    return v;
}

Test(vmx_locks, user_bus_lock_traps)
{
    struct vm v = user_that_traps(CROSSING);
    expect(&v, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT(EVENT_HARDWARE, EXC_DB));
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), DR6_BLD);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 4);
    cr_expect_eq(get(&v, GUEST_IA32_DEBUGCTL), DEBUGCTL_BUS_LOCK_DETECT);
    machine_destroy(v.m);
}

Test(vmx_locks, user_bus_lock_clears_bld)
{
    struct vm v = user_that_traps(CROSSING);
    put(&v, EXCEPTION_BITMAP, 0);
    v.c->dr[6] = DR6_FIXED_1;
    expect(&v, 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_DB));
    cr_expect_eq(v.c->dr[6], DR6_FIXED_1 & ~(uint64_t)DR6_BLD);
    machine_destroy(v.m);
}

/* Both at once: the exit comes first and leaves the trap pending. */
Test(vmx_locks, exit_with_pending_trap)
{
    struct vm v = with_exits(user_that_traps(CROSSING), CROSSING);
    expect(&v, REASON_BUS_LOCK | AFTER_BUS_LOCK);
    cr_expect_eq(get(&v, GUEST_PENDING_DBG_EXCEPTIONS), DR6_BLD | BIT(12));
    expect(&v, 0);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), DR6_BLD);
    machine_destroy(v.m);
}

Test(vmx_locks, no_trap_in_the_kernel_or_within_a_line)
{
    struct vm v = user_that_traps(WITHIN);
    expect(&v, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT(EVENT_HARDWARE, EXC_UD));
    machine_destroy(v.m);
    v = user_that_traps(CROSSING);
    use_segments(&v, 0xa09b, 0xc093, 0);
    expect(&v, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT(EVENT_HARDWARE, EXC_UD));
    machine_destroy(v.m);
}

BARE_PROGRAM(write_dr6, "mov %rax, %dr6\n mov %dr6, %rbx\n hlt\n");

Test(vmx_locks, bld_of_dr6_can_be_written_where_it_exists)
{
    struct { const char *cpu; uint64_t expected; } cases[] = { { "max", 0xffff07f0 },
                                                               { "skylake", 0xffff0ff0 } };
    for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
        struct machine *m = bare_machine(cases[k].cpu);
        struct cpu *c = bare_load(m, write_dr6_start, write_dr6_end);
        c->gpr[RAX] = 0;
        bare_run(m, 10);
        cr_expect_eq(c->gpr[RBX], cases[k].expected, "%s", cases[k].cpu);
        machine_destroy(m);
    }
}

/* ---- #AC for split locks ---- */

Test(vmx_locks, split_lock_faults)
{
    struct vm v = with_exits(VM(lock_add), CROSSING);
    cr_assert(msr_write(v.c, TEST_CTRL, SPLIT_LOCK_AC));
    put(&v, EXCEPTION_BITMAP, 1u << EXC_AC);
    expect(&v, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT_CODE(EVENT_HARDWARE, EXC_AC), "at CPL 0, too");
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), 0);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    cr_expect_eq(load(&v, CROSSING, 4), 0);
    v.c->gpr[RDI] = WITHIN;
    expect(&v, 18);
    machine_destroy(v.m);
}

Test(vmx_locks, msrs)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = machine_cpu(m, 0);
    uint64_t value;
    cr_assert(msr_read(c, CORE_CAPABILITIES, &value));
    cr_expect_eq(value, 1 << 5);
    cr_expect_not(msr_write(c, CORE_CAPABILITIES, value));
    cr_expect_not(msr_write(c, TEST_CTRL, 1));
    cr_expect(msr_write(c, TEST_CTRL, SPLIT_LOCK_AC));
    cr_expect(msr_read(c, TEST_CTRL, &value) && value == SPLIT_LOCK_AC);
    cr_expect(msr_write(c, DEBUGCTL, DEBUGCTL_BUS_LOCK_DETECT));
    machine_destroy(m);
    m = bare_machine("skylake");
    c = machine_cpu(m, 0);
    cr_expect_not(msr_read(c, CORE_CAPABILITIES, &value));
    cr_expect_not(msr_read(c, TEST_CTRL, &value));
    cr_expect_not(msr_write(c, DEBUGCTL, DEBUGCTL_BUS_LOCK_DETECT));
    machine_destroy(m);
}
