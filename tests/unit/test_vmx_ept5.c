// SPDX-License-Identifier: Apache-2.0
// EPT with five levels: guest-physical addresses beyond 48 bits, PML5Es, the EPTP's page-walk length
// in VM entry, INVEPT and EPTP switching, translations that were made with the other length.
#include "vmx_modes.h"

enum {
    TARGET = 0x600010,
    PDE = EPT_TABLES + 0x2000 + 8 * (TARGET >> 21),
    PML5 = 0x218000, HIGH_PML4 = 0x219000, EPTP_LIST = 0x252000, OPERAND = 0x250000,
};
enum { Q_READ = 1, Q_RWX = 7 << 3, Q_LINEAR = 128, Q_FINAL = 256 };
#define EPTP_4 (EPT_TABLES | 3 << 3 | 6)
#define EPTP_5 (PML5 | 4 << 3 | 6)
#define WIDE "max,phys-bits=52,vmx-ept-advanced-exitinfo=off"

BARE_PROGRAM(reader, "mov 0x600010, %rax\n vmcall\n");

/* The page of TARGET in the guest's own tables. */
static void guest_maps(struct vm *v, uint64_t gpa)
{
    store(v, BARE_TABLES + 0x2000 + 8 * (TARGET >> 21), 8, gpa | 0xe7);
}

static struct vm five_levels(const char *cpu)
{
    struct vm v = VM_ON(cpu, reader);
    use_ept(&v);
    store(&v, PML5, 8, EPT_TABLES | 7);
    put(&v, EPT_POINTER, EPTP_5);
    store(&v, TARGET, 8, 0x1234);
    return v;
}

static void again(struct vm *v, int64_t reason)
{
    put(v, GUEST_RIP, GUEST_CODE);
    int64_t got = enter_guest(v);
    cr_expect_eq(got, reason, "%d, not %d", (int)got, (int)reason);
}

static void expect_violation(struct vm *v, uint64_t gpa, uint64_t qualification)
{
    again(v, 48);
    cr_expect_eq(get(v, GUEST_PHYSICAL_ADDRESS), gpa);
    cr_expect_eq(get(v, EXIT_QUALIFICATION), qualification, "%#llx",
                 (unsigned long long)get(v, EXIT_QUALIFICATION));
}

/* ---- the walk ---- */

Test(vmx_ept5, translates_57_bits)
{
    struct vm v = five_levels(WIDE);
    again(&v, 18);
    cr_expect_eq(v.c->gpr[RAX], 0x1234);
    for (unsigned bit = 48; bit < 52; bit++) {
        uint64_t high = BIT(bit) | 3 * BIT(39);
        guest_maps(&v, high | 0x600000);
        expect_violation(&v, high | TARGET, Q_READ | Q_LINEAR | Q_FINAL);
        store(&v, PML5 + 8 * (high >> 48), 8, HIGH_PML4 | 7);
        store(&v, HIGH_PML4, 8, (EPT_TABLES + 0x1000) | 7); /* bits 47:39 select another one */
        expect_violation(&v, high | TARGET, Q_READ | Q_LINEAR | Q_FINAL);
        store(&v, HIGH_PML4 + 8 * 3, 8, (EPT_TABLES + 0x1000) | 7);
        again(&v, 18);
        cr_expect_eq(v.c->gpr[RAX], 0x1234);
        store(&v, HIGH_PML4 + 8 * 3, 8, 0);
    }
    machine_destroy(v.m);
}

Test(vmx_ept5, four_levels_translate_48_bits)
{
    struct vm v = five_levels(WIDE);
    put(&v, EPT_POINTER, EPTP_4);
    guest_maps(&v, BIT(48) | 0x600000);
    expect_violation(&v, BIT(48) | TARGET, Q_READ | Q_LINEAR | Q_FINAL);
    guest_maps(&v, 0x600000);
    again(&v, 18);
    machine_destroy(v.m);
}

Test(vmx_ept5, rights_and_flags_of_a_pml5e)
{
    struct vm v = five_levels(WIDE);
    put(&v, EPT_POINTER, EPTP_5 | 1 << 6);
    store(&v, PML5 + 8, 8, EPT_TABLES | 5);
    guest_maps(&v, BIT(48) | 0x600000);
    again(&v, 18);
    cr_expect_eq(load(&v, PML5, 8), EPT_TABLES | 0x107, "accessed");
    cr_expect_eq(load(&v, PML5 + 8, 8), EPT_TABLES | 0x105);
    store(&v, PML5 + 8, 8, EPT_TABLES | 4); /* execute-only */
    expect_violation(&v, BIT(48) | TARGET, Q_READ | 1 << 5 | Q_LINEAR | Q_FINAL);
    machine_destroy(v.m);
}

Test(vmx_ept5, misconfigured_pml5e)
{
    struct vm v = five_levels("max");
    for (unsigned bit = 3; bit <= 7; bit++) {
        store(&v, PML5, 8, EPT_TABLES | 7 | 1u << bit);
        again(&v, 49);
    }
    static const uint64_t bad[] = { EPT_TABLES | 2, EPT_TABLES | 6, BIT(46) | EPT_TABLES | 7 };
    for (unsigned k = 0; k < ARRAY_SIZE(bad); k++) {
        store(&v, PML5, 8, bad[k]);
        again(&v, 49);
    }
    store(&v, PML5, 8, EPT_TABLES | UINT64_C(0xfff0000000000f07)); /* ignored bits */
    again(&v, 18);
    store(&v, PML5, 8, 0xf8); /* absent comes first */
    again(&v, 48);
    machine_destroy(v.m);
}

/* ---- the EPTP ---- */

static int64_t host_result(struct vm *v, const uint8_t *start, const uint8_t *end)
{
    cr_assert_eq(host_runs(v, start, end), -1);
    return vmx_result(v);
}
BARE_PROGRAM(invept_single, "mov $1, %eax\n invept 0x250000, %rax\n hlt\n");

static int64_t invept(struct vm *v, uint64_t eptp)
{
    store(v, OPERAND, 8, eptp);
    store(v, OPERAND + 8, 8, 0);
    return host_result(v, invept_single_start, invept_single_end);
}

Test(vmx_ept5, length_in_the_eptp)
{
    static const struct {
        const char *cpu;
        unsigned field; /* bits 5:3 */
        bool valid;
    } rows[] = {
        { "max", 3, true },         { "max", 4, true },
        { "max", 2, false },        { "max", 5, false },
        { "max", 7, false },        { "icelake", 4, true },
        { "skylake", 4, false },    { "max,vmx-page-walk-5=off", 4, false },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = five_levels(rows[k].cpu);
        uint64_t eptp = (rows[k].field == 3 ? EPT_TABLES : PML5) | rows[k].field << 3 | 6;
        put(&v, EPT_POINTER, eptp);
        cr_expect_eq(invept(&v, eptp), rows[k].valid ? 0 : 28, "%u", k);
        again(&v, rows[k].valid ? 18 : -1);
        if (!rows[k].valid)
            cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 7);
        machine_destroy(v.m);
    }
}

BARE_PROGRAM(switcher, "xor %eax, %eax\n mov $1, %ecx\n vmfunc\n mov 0x600010, %rax\n vmcall\n");

static struct vm switching_vm(uint64_t from, uint64_t to)
{
    struct vm v = VM_ON("max", switcher);
    use_ept(&v);
    store(&v, PML5, 8, EPT_TABLES | 7);
    store(&v, EPTP_LIST + 8, 8, to);
    put(&v, EPT_POINTER, from);
    put(&v, EPTP_LIST_ADDRESS, EPTP_LIST);
    put(&v, VM_FUNCTION_CONTROL, VMFUNC_EPTP_SWITCHING);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VM_FUNCTIONS);
    return v;
}

BARE_PROGRAM(there_and_back,
             "mov 0x600010, %rbx\n xor %eax, %eax\n mov $1, %ecx\n vmfunc\n"
             "movb $0xa0, 0x21201a\n"  /* the PDE of the first hierarchy */
             "mov $2, %ecx\n vmfunc\n mov 0x600010, %rax\n vmcall\n");

/* Without VPIDs, EPTP switching drops the mappings of all hierarchies. */
Test(vmx_ept5, eptp_switching_without_vpids)
{
    struct vm v = switching_vm(EPTP_4, 0x21c000 | 3 << 3 | 6);
    mem_write(v.mem, GUEST_CODE, there_and_back_start,
              (size_t)(there_and_back_end - there_and_back_start));
    store(&v, 0x21c000, 8, (EPT_TABLES + 0x1000) | 7);
    store(&v, EPTP_LIST + 16, 8, EPTP_4);
    store(&v, TARGET, 8, 1);
    store(&v, TARGET + 0x400000, 8, 3);
    again(&v, 18);
    cr_expect_eq(v.c->gpr[RBX], 1);
    cr_expect_eq(v.c->gpr[RAX], 3);
    cr_expect_eq(get(&v, EPTP_INDEX), 2, "although EPT-violation #VE is off");
    machine_destroy(v.m);
}

Test(vmx_ept5, eptp_switching_keeps_the_length)
{
    struct vm v = switching_vm(EPTP_4, EPTP_5);
    again(&v, 59);
    cr_expect_eq(get(&v, EPT_POINTER), EPTP_4);
    machine_destroy(v.m);
    v = switching_vm(EPTP_5, EPTP_4);
    again(&v, 59);
    machine_destroy(v.m);
    v = switching_vm(EPTP_5, EPTP_5 | 1 << 6);
    again(&v, 18);
    cr_expect_eq(get(&v, EPT_POINTER), EPTP_5 | 1 << 6);
    machine_destroy(v.m);
}

/* ---- cached translations ---- */

/* With five levels the page directory is a page-directory-pointer table, whose first entry maps a
 * page of 1 GByte. */
Test(vmx_ept5, lengths_of_one_root_do_not_mix)
{
    struct vm v = VM(reader);
    use_ept(&v);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VPID);
    put(&v, VIRTUAL_PROCESSOR_ID, 1);
    store(&v, PDE, 8, 0x8000b7);
    store(&v, TARGET, 8, 1);
    store(&v, TARGET + 0x200000, 8, 2);
    store(&v, TARGET + 0x400000, 8, 3);
    again(&v, 18);
    cr_expect_eq(v.c->gpr[RAX], 2);
    put(&v, EPT_POINTER, EPT_TABLES | 4 << 3 | 6);
    again(&v, 18);
    cr_expect_eq(v.c->gpr[RAX], 1);
    put(&v, EPT_POINTER, EPTP_4);
    again(&v, 18);
    cr_expect_eq(v.c->gpr[RAX], 2);
    store(&v, PDE, 8, 0xa000b7);
    again(&v, 18);
#ifndef SP_HOSTILE /* whose TLB keeps next to nothing */
    cr_expect_eq(v.c->gpr[RAX], 2, "a forgotten INVEPT");
#endif
    cr_expect_eq(invept(&v, EPT_TABLES | 4 << 3 | 6), 0);
    again(&v, 18);
    cr_expect_eq(v.c->gpr[RAX], 3, "INVEPT goes by the root alone");
    machine_destroy(v.m);
}
