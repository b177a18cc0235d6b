// SPDX-License-Identifier: Apache-2.0
// MSRs that VMX virtualizes, loads and saves beyond those of test_vmx_state.c.
#include "vmx_modes.h"

static void expect(struct vm *v, int64_t reason)
{
    int64_t got = enter_guest(v);
    cr_expect_eq(got, reason, "%d, not %d", (int)got, (int)reason);
}

/* A guest that reaches MSRs without exits, and whose #GP exits. */
static struct vm with_msrs(struct vm v)
{
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    put(&v, EXCEPTION_BITMAP, 1u << EXC_GP);
    return v;
}
static void use_tertiary(struct vm *v, uint64_t proc3)
{
    put_bits(v, CPU_BASED_VM_EXEC_CONTROL, PROC_TERTIARY_CONTROLS);
    put(v, TERTIARY_VM_EXEC_CONTROL, proc3);
}

/* ---- IA32_SPEC_CTRL ---- */

enum { SPEC_CTRL = 0x48 };

/* RDI:RBX: what it finds; then it writes ESI (high half 0), and reads again: EAX. */
BARE_PROGRAM(spec_guest, "mov $0x48, %ecx\n rdmsr\n mov %rax, %rbx\n mov %rdx, %rdi\n"
                         "mov %esi, %eax\n xor %edx, %edx\n wrmsr\n rdmsr\n vmcall\n");

static struct vm spec_vm(uint64_t host, uint64_t written)
{
    struct vm v = with_msrs(VM(spec_guest));
    cr_assert(msr_write(v.c, SPEC_CTRL, host));
    v.c->gpr[RSI] = written;
    return v;
}
static uint64_t spec_ctrl(struct vm *v)
{
    uint64_t value = UINT64_MAX;
    cr_expect(msr_read(v->c, SPEC_CTRL, &value));
    return value;
}

Test(vmx_msr, spec_ctrl_without_controls_is_the_register)
{
    struct vm v = spec_vm(1, 6);
    expect(&v, 18);
    cr_expect_eq(v.c->gpr[RBX], 1);
    cr_expect_eq(v.c->gpr[RAX], 6);
    cr_expect_eq(spec_ctrl(&v), 6, "an exit does not change it");
    cr_expect_eq(get(&v, GUEST_IA32_SPEC_CTRL), 6, "it is always saved");
    machine_destroy(v.m);
}

Test(vmx_msr, spec_ctrl_is_virtualized)
{
    struct vm v = spec_vm(3, 4);
    use_tertiary(&v, PROC3_VIRTUALIZE_SPEC_CTRL);
    put(&v, IA32_SPEC_CTRL_MASK, 1);
    put(&v, IA32_SPEC_CTRL_SHADOW, UINT64_C(0x123456789abcdef0));
    expect(&v, 18);
    cr_expect_eq(v.c->gpr[RBX], 0x9abcdef0, "the shadow, whatever it holds");
    cr_expect_eq(v.c->gpr[RDI], 0x12345678);
    cr_expect_eq(v.c->gpr[RAX], 4, "what was written is read");
    cr_expect_eq(get(&v, IA32_SPEC_CTRL_SHADOW), 4);
    cr_expect_eq(spec_ctrl(&v), 5, "bit 0 is masked");
    machine_destroy(v.m);
}

Test(vmx_msr, spec_ctrl_write_that_faults)
{
    struct vm v = spec_vm(2, 8);
    use_tertiary(&v, PROC3_VIRTUALIZE_SPEC_CTRL);
    put(&v, IA32_SPEC_CTRL_SHADOW, 1);
    expect(&v, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT_CODE(EVENT_HARDWARE, EXC_GP));
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), 0);
    cr_expect_eq(get(&v, IA32_SPEC_CTRL_SHADOW), 1);
    cr_expect_eq(spec_ctrl(&v), 2);
    put(&v, IA32_SPEC_CTRL_MASK, 8); /* what is masked does not reach the register */
    expect(&v, 18);
    cr_expect_eq(get(&v, IA32_SPEC_CTRL_SHADOW), 8);
    cr_expect_eq(spec_ctrl(&v), 0);
    machine_destroy(v.m);
}

Test(vmx_msr, spec_ctrl_is_loaded_by_entry_and_exit)
{
    struct vm v = spec_vm(1, 4);
    put_bits(&v, VM_ENTRY_CONTROLS, ENTRY_LOAD_SPEC_CTRL);
    put(&v, GUEST_IA32_SPEC_CTRL, 2);
    put_bits(&v, VM_EXIT_CONTROLS, EXIT_SECONDARY_CONTROLS);
    put(&v, SECONDARY_VM_EXIT_CONTROLS, EXIT2_LOAD_SPEC_CTRL);
    put(&v, HOST_IA32_SPEC_CTRL, 7);
    expect(&v, 18);
    cr_expect_eq(v.c->gpr[RBX], 2);
    cr_expect_eq(get(&v, GUEST_IA32_SPEC_CTRL), 4);
    cr_expect_eq(spec_ctrl(&v), 7);
    clear_bits(&v, VM_EXIT_CONTROLS, EXIT_SECONDARY_CONTROLS);
    put(&v, GUEST_RIP, GUEST_CODE);
    expect(&v, 18);
    cr_expect_eq(spec_ctrl(&v), 4, "secondary controls that are not active are 0");
    machine_destroy(v.m);
}

/* ---- RDMSRLIST, WRMSRLIST, WRMSRNS ---- */

enum { SYSENTER_CS = 0x174, SYSENTER_ESP = 0x175, STAR = 0xc0000081, BARRIER = 0x2f };
enum { ADDRESSES = 0x226000, DATA = 0x227000, RESULTS = 0x228000 };

BARE_PROGRAM(write_then_read, "wrmsrlist\n mov %rcx, %r8\n mov %rdx, %rcx\n mov %rbx, %rdi\n"
                              "rdmsrlist\n vmcall\n");
BARE_PROGRAM(list_writer, "wrmsrlist\n vmcall\n");
BARE_PROGRAM(list_reader, "rdmsrlist\n vmcall\n");

static void entry(struct vm *v, unsigned n, uint64_t address, uint64_t data)
{
    store(v, ADDRESSES + 8 * n, 8, address);
    store(v, DATA + 8 * n, 8, data);
}
/* Entries 0, 1 and 5 of the tables. */
static struct vm list_vm(struct vm v)
{
    v = with_msrs(v);
    use_tertiary(&v, PROC3_ENABLE_MSR_LIST);
    entry(&v, 0, SYSENTER_CS, 0x11);
    entry(&v, 1, STAR, UINT64_C(0x0022000000000000));
    entry(&v, 5, SYSENTER_ESP, 0x55);
    v.c->gpr[RSI] = ADDRESSES;
    v.c->gpr[RDI] = DATA;
    v.c->gpr[RCX] = 0x23;
    return v;
}

Test(vmx_msr, lists_write_and_read)
{
    struct vm v = list_vm(VM(write_then_read));
    v.c->gpr[RDX] = UINT64_C(0x8000000000000003);
    v.c->gpr[RBX] = RESULTS;
    store(&v, ADDRESSES + 8 * 63, 8, BARRIER);
    store(&v, RESULTS + 8 * 63, 8, 1);
    expect(&v, 18);
    cr_expect_eq(v.c->gpr[R8], 0);
    cr_expect_eq(v.c->gpr[RCX], 0);
    cr_expect_eq(v.c->gpr[RSI], ADDRESSES);
    cr_expect_eq(get(&v, GUEST_SYSENTER_CS), 0x11);
    cr_expect_eq(get(&v, GUEST_SYSENTER_ESP), 0x55);
    cr_expect_eq(load(&v, RESULTS, 8), 0x11);
    cr_expect_eq(load(&v, RESULTS + 8, 8), UINT64_C(0x0022000000000000));
    cr_expect_eq(load(&v, RESULTS + 8 * 5, 8), 0, "its bit is clear");
    cr_expect_eq(load(&v, RESULTS + 8 * 63, 8), 0, "IA32_BARRIER reads as 0");
    machine_destroy(v.m);
}

/* The instruction stands where it was; the entries before `n` are done, and only they. */
static void expect_stop(struct vm *v, uint32_t event, uint64_t rcx)
{
    expect(v, 0);
    cr_expect_eq(get(v, VM_EXIT_INTR_INFO), event, "%#x", (unsigned)get(v, VM_EXIT_INTR_INFO));
    cr_expect_eq(get(v, GUEST_RIP), GUEST_CODE);
    cr_expect_eq(v->c->gpr[RCX], rcx, "%#llx", (unsigned long long)v->c->gpr[RCX]);
}
#define GP_FAULT EVENT_CODE(EVENT_HARDWARE, EXC_GP)

Test(vmx_msr, list_entries_that_fault)
{
    struct vm v = list_vm(VM(list_writer));
    store(&v, ADDRESSES + 8, 8, STAR | BIT(32));
    expect_stop(&v, GP_FAULT, 0x22); /* a reserved bit of an address */
    cr_expect_eq(get(&v, GUEST_SYSENTER_CS), 0x11);
    cr_expect_eq(get(&v, GUEST_SYSENTER_ESP), 0);
    store(&v, ADDRESSES + 8, 8, SPEC_CTRL);
    expect_stop(&v, GP_FAULT, 0x22); /* a value that WRMSR refuses */
    store(&v, ADDRESSES + 8, 8, 0x1abc);
    expect_stop(&v, GP_FAULT, 0x22); /* no such MSR */
    store(&v, ADDRESSES + 8, 8, STAR);
    v.c->gpr[RSI] = ADDRESSES + 4;
    expect_stop(&v, GP_FAULT, 0x22);
    v.c->gpr[RSI] = ADDRESSES;
    v.c->gpr[RDI] = DATA + 1;
    expect_stop(&v, GP_FAULT, 0x22);
    v.c->gpr[RDI] = DATA;
    expect(&v, 18);
    cr_expect_eq(get(&v, GUEST_SYSENTER_ESP), 0x55);
    machine_destroy(v.m);
}

Test(vmx_msr, list_whose_results_cannot_be_stored)
{
    struct vm v = list_vm(VM(list_reader));
    put(&v, EXCEPTION_BITMAP, 1u << EXC_PF);
    put(&v, GUEST_SYSENTER_CS, 0x77);
    store(&v, BARE_TABLES + 0x2000 + 8 * 4, 8, 0); /* nothing at 8 MBytes */
    v.c->gpr[RDI] = 0x800000 - 8;
    expect_stop(&v, EVENT_CODE(EVENT_HARDWARE, EXC_PF), 0x22);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x800000);
    cr_expect_eq(load(&v, 0x800000 - 8, 8), 0x77);
    machine_destroy(v.m);
}

/* Single-stepping stops after each entry, as it does in string instructions. */
Test(vmx_msr, traps_between_list_entries)
{
    struct vm v = list_vm(VM(list_writer));
    put(&v, EXCEPTION_BITMAP, 1u << EXC_DB);
    put(&v, GUEST_RFLAGS, 2 | FLAG_TF);
    expect_stop(&v, EVENT(EVENT_HARDWARE, EXC_DB), 0x22);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 1 << 14);
    expect_stop(&v, EVENT(EVENT_HARDWARE, EXC_DB), 0x20);
    expect(&v, 0);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 4);
    cr_expect_eq(v.c->gpr[RCX], 0);
    machine_destroy(v.m);
}

static void list_exit(struct vm *v, int64_t reason, uint64_t qualification, uint64_t rcx)
{
    expect(v, reason);
    cr_expect_eq(get(v, EXIT_QUALIFICATION), qualification, "%#llx",
                 (unsigned long long)get(v, EXIT_QUALIFICATION));
    cr_expect_eq(get(v, VM_EXIT_INSTRUCTION_LEN), 4);
    cr_expect_eq(get(v, GUEST_RIP), GUEST_CODE);
    cr_expect_eq(v->c->gpr[RCX], rcx);
}

Test(vmx_msr, list_exits)
{
    static const struct {
        int64_t reason;
        const uint8_t *start, *end;
        unsigned bitmap; /* that of high MSRs */
    } insns[] = {
        { 78, list_reader_start, list_reader_end, 1024 },
        { 79, list_writer_start, list_writer_end, 3072 },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(insns); k++) {
        struct vm v = list_vm(vm_create("max", insns[k].start, insns[k].end));
        clear_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
        v.c->gpr[RSI] = ADDRESSES + 1;
        list_exit(&v, insns[k].reason, 0, 0x23); /* at once: no operand is looked at */
        put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
        v.c->gpr[RSI] = ADDRESSES;
        store(&v, BITMAP + insns[k].bitmap + (STAR & 0x1fff) / 8, 1, 1 << (STAR & 7));
        list_exit(&v, insns[k].reason, STAR, 0x22);
        cr_expect_eq(get(&v, MSR_DATA), k ? UINT64_C(0x0022000000000000) : 0);
        store(&v, ADDRESSES + 8, 8, 0x2000);
        list_exit(&v, insns[k].reason, 0x2000, 0x22); /* beyond the bitmaps */
        machine_destroy(v.m);
    }
}

Test(vmx_msr, lists_that_are_undefined_or_privileged)
{
    struct vm v = list_vm(VM(list_writer));
    put(&v, EXCEPTION_BITMAP, 1u << EXC_UD | 1u << EXC_GP);
    use_tertiary(&v, 0);
    user_guest(&v);
    expect_stop(&v, EVENT(EVENT_HARDWARE, EXC_UD), 0x23);
    use_tertiary(&v, PROC3_ENABLE_MSR_LIST);
    clear_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    expect_stop(&v, GP_FAULT, 0x23); /* CPL 3, before the exit */
    guest_32(&v);
    expect_stop(&v, EVENT(EVENT_HARDWARE, EXC_UD), 0x23);
    machine_destroy(v.m);
}

BARE_PROGRAM(write_ns, "wrmsrns\n vmcall\n");

Test(vmx_msr, wrmsrns)
{
    struct vm v = with_msrs(VM(write_ns));
    v.c->gpr[RCX] = SYSENTER_ESP;
    v.c->gpr[RAX] = 0x1234;
    v.c->gpr[RDX] = 0x56;
    store(&v, BITMAP + 2048 + SYSENTER_ESP / 8, 1, 1 << (SYSENTER_ESP & 7));
    expect(&v, 32);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 1, "not WRMSR");
    cr_expect_eq(get(&v, VM_EXIT_INSTRUCTION_LEN), 3);
    store(&v, BITMAP + 2048 + SYSENTER_ESP / 8, 1, 0);
    expect(&v, 18);
    cr_expect_eq(get(&v, GUEST_SYSENTER_ESP), UINT64_C(0x5600001234));
    machine_destroy(v.m);
}
