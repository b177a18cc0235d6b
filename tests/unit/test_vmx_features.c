// SPDX-License-Identifier: Apache-2.0
// VM-execution controls of later processors: PAUSE-loop exiting, TSC scaling, VMCS shadowing,
// page-modification logging, VM functions, virtualization exceptions, mode-based execute control.
#include "vmx_modes.h"

enum { TARGET = 0x600000, EPT_PDE = EPT_TABLES + 0x2000 + 8 * (TARGET >> 21) };
enum {
    LOG = 0x250000,
    VE_AREA = 0x251000,
    EPTP_LIST = 0x252000,
    SECOND_EPT = 0x253000,
    READ_MAP = 0x256000,
    WRITE_MAP = 0x257000,
    SHADOW = 0x258000
};
#define EPTP (EPT_TABLES | 3 << 3 | 6)
#define EPTP_WITH_FLAGS (EPTP | 1 << 6)

static void expect(struct vm *v, int64_t reason)
{
    int64_t got = enter_guest(v);
    cr_expect_eq(got, reason, "%d, not %d", (int)got, (int)reason);
}

static struct vm with_controls(struct vm v, uint32_t proc2)
{
    use_ept(&v);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, proc2);
    return v;
}

/* ---- PAUSE-loop exiting ---- */

BARE_PROGRAM(pause_twice,
             "pause\n .fill 50, 1, 0x90\n pause\n .fill 50, 1, 0x90\n pause\n vmcall\n");

static void pause_guest(uint64_t gap, uint64_t window, bool user, int64_t reason, unsigned pauses)
{
    struct vm v = with_controls(VM(pause_twice), PROC2_PAUSE_LOOP_EXITING);
    put(&v, PLE_GAP, gap);
    put(&v, PLE_WINDOW, window);
    if (user)
        user_guest(&v);
    expect(&v, reason);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 52 * pauses + (reason == 18 ? 2 - 52 : 0));
    machine_destroy(v.m);
}

Test(vmx_features, pause_loop)
{
    pause_guest(60, 90, false, 40, 2);  /* the third PAUSE: 102 ticks in the loop  */
    pause_guest(60, 40, false, 40, 1);  /* the second one is late already          */
    pause_guest(60, 200, false, 18, 3); /* too few                                 */
    pause_guest(20, 10, false, 18, 3);  /* each begins a loop of its own           */
    pause_guest(60, 40, true, 18, 3);   /* CPL 3                                   */
}

/* ---- TSC scaling ---- */

BARE_PROGRAM(read_tsc, "rdtsc\n shl $32, %rdx\n or %rdx, %rax\n vmcall\n");

Test(vmx_features, tsc_scaling)
{
    struct vm v = with_controls(VM(read_tsc), PROC2_USE_TSC_SCALING);
    put(&v, TSC_MULTIPLIER, 3 * BIT(47)); /* 1.5 */
    put(&v, TSC_OFFSET, 1000000);
    expect(&v, 18);
    uint64_t host = machine_now(v.m), plain = v.c->gpr[RAX];
    cr_expect(plain > 0 && plain < 2 * host, "\"use TSC offsetting\" is 0: no scaling either");
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_TSC_OFFSETTING);
    put(&v, GUEST_RIP, GUEST_CODE);
    expect(&v, 18);
    uint64_t scaled = v.c->gpr[RAX] - 1000000;
    cr_expect(scaled > host * 3 / 2 && scaled < machine_now(v.m) * 3 / 2);
    machine_destroy(v.m);
}

/* ---- VMCS shadowing ---- */

BARE_PROGRAM(shadow_guest, "vmread %rdi, %rax\n setc %bl\n setz %cl\n vmwrite %rdx, %rdi\n"
                           "vmread %rdi, %rsi\n vmcall\n");

static struct vm shadowing_vm(void)
{
    struct vm v = with_controls(VM(shadow_guest), PROC2_VMCS_SHADOWING);
    put(&v, VMREAD_BITMAP, READ_MAP);
    put(&v, VMWRITE_BITMAP, WRITE_MAP);
    store(&v, SHADOW, 4, VMCS_REVISION | VALID);
    put(&v, VMCS_LINK_POINTER, SHADOW);
    v.c->gpr[RDI] = 0x681e; /* guest RIP */
    v.c->gpr[RDX] = 0x123456789;
    return v;
}

Test(vmx_features, shadow_vmcs_is_read_and_written)
{
    struct vm v = shadowing_vm();
    expect(&v, 18);
    cr_expect_eq(v.c->gpr[RAX], 0, "it was never written");
    cr_expect_eq(v.c->gpr[RSI], 0x123456789);
    cr_expect_eq(get(&v, GUEST_RIP),
                 GUEST_CODE + (size_t)(shadow_guest_end - shadow_guest_start) - 3);
    cr_expect_eq(load(&v, SHADOW, 4), VMCS_REVISION | VALID);
    v.c->gpr[RDI] = 0x0810 << 1; /* no such field */
    put(&v, GUEST_RIP, GUEST_CODE);
    expect(&v, 18);
    cr_expect_eq(v.c->gpr[RCX] & 0xff, 1);
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 12);
    machine_destroy(v.m);
}

Test(vmx_features, shadowing_bitmaps)
{
    struct vm v = shadowing_vm();
    store(&v, WRITE_MAP + 0x681e / 8, 1, 1 << (0x681e & 7));
    expect(&v, 25);
    skip_instruction(&v);
    store(&v, READ_MAP + 0x681e / 8, 1, 1 << (0x681e & 7));
    expect(&v, 23);
    v.c->gpr[RDI] = 0x8000; /* beyond the bitmaps */
    put(&v, GUEST_RIP, GUEST_CODE);
    expect(&v, 23);
    put(&v, VMCS_LINK_POINTER, ~UINT64_C(0));
    v.c->gpr[RDI] = 0x6820;
    expect(&v, 18);
    cr_expect_eq(v.c->gpr[RBX] & 0xff, 1, "VMfailInvalid: nothing is linked");
    machine_destroy(v.m);
}

BARE_PROGRAM(load_pointer, "vmptrld 0x255ff8\n hlt\n");

Test(vmx_features, a_shadow_vmcs_cannot_be_launched)
{
    struct vm v = shadowing_vm();
    store(&v, 0x255ff8, 8, SHADOW);
    mem_write(v.mem, HOST_SNIPPET, load_pointer_start, 16);
    wake_at(&v, HOST_SNIPPET);
    cr_expect_eq(vmx_current_vmcs(v.c), SHADOW);
    cr_expect_eq(enter_guest(&v), -1);
    cr_expect(cpu_rflags(v.c) & FLAG_CF, "VMfailInvalid");
    machine_destroy(v.m);
}

/* ---- page-modification logging ---- */

BARE_PROGRAM(write_pages, "mov %eax, 0x601008\n mov 0x800000, %eax\n mov %eax, 0x602010\n"
                          "mov %eax, 0x800020\n vmcall\n");

Test(vmx_features, pml)
{
    struct vm v = with_controls(VM(write_pages), PROC2_ENABLE_PML);
    put(&v, EPT_POINTER, EPTP_WITH_FLAGS);
    put(&v, PML_ADDRESS, LOG);
    put(&v, GUEST_PML_INDEX, 511);
    expect(&v, 18);
    unsigned entries = 511 - (unsigned)get(&v, GUEST_PML_INDEX);
    cr_expect_eq(entries, 3, "guest tables and code in the first 2 MBytes, then two pages");
    cr_expect_eq(load(&v, LOG + 8 * 510, 8), 0x601000);
    cr_expect_eq(load(&v, LOG + 8 * 509, 8), 0x800000);
    machine_destroy(v.m);
}

Test(vmx_features, pml_full)
{
    struct vm v = with_controls(VM(write_pages), PROC2_ENABLE_PML);
    put(&v, EPT_POINTER, EPTP_WITH_FLAGS);
    put(&v, PML_ADDRESS, LOG);
    put(&v, GUEST_PML_INDEX, 0);
    expect(&v, 62); /* entry 0 took the guest's tables */
    cr_expect_eq(get(&v, GUEST_PML_INDEX), 0xffff);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE, "the first store has not been done");
    cr_expect_not(load(&v, EPT_PDE, 8) & 0x300, "no flag is set");
    put(&v, GUEST_PML_INDEX, 5);
    expect(&v, 18);
    cr_expect_eq(load(&v, LOG + 8 * 5, 8), 0x601000);
    machine_destroy(v.m);
}

/* ---- VM functions ---- */

BARE_PROGRAM(switcher, "vmfunc\n mov 0x600000, %rdx\n vmcall\n");

static struct vm switching_vm(void)
{
    struct vm v = with_controls(VM(switcher), PROC2_ENABLE_VM_FUNCTIONS | PROC2_EPT_VIOLATION_VE);
    put(&v, VM_FUNCTION_CONTROL, VMFUNC_EPTP_SWITCHING);
    put(&v, EPTP_LIST_ADDRESS, EPTP_LIST);
    put(&v, VIRT_EXCEPTION_INFO, VE_AREA);
    store(&v, SECOND_EPT, 8, (SECOND_EPT + 0x1000) | 7);
    store(&v, SECOND_EPT + 0x1000, 8, (SECOND_EPT + 0x2000) | 7);
    for (uint64_t k = 0; k < 512; k++)
        store(&v, SECOND_EPT + 0x2000 + 8 * k, 8, k << 21 | 0xb7);
    store(&v, SECOND_EPT + 0x2000 + 8 * (TARGET >> 21), 8, (TARGET + 0x200000) | 0xb7);
    store(&v, EPTP_LIST + 8 * 3, 8, SECOND_EPT | 3 << 3 | 6);
    store(&v, EPTP_LIST + 8 * 4, 8, SECOND_EPT | 2 << 3 | 6);
    store(&v, TARGET, 8, 1);
    store(&v, TARGET + 0x200000, 8, 2);
    v.c->gpr[RAX] = 0;
    return v;
}

Test(vmx_features, eptp_switching)
{
    struct vm v = switching_vm();
    v.c->gpr[RCX] = 3;
    expect(&v, 18);
    cr_expect_eq(v.c->gpr[RDX], 2);
    cr_expect_eq(get(&v, EPT_POINTER), SECOND_EPT | 3 << 3 | 6);
    cr_expect_eq(get(&v, EPTP_INDEX), 3);
    machine_destroy(v.m);
}

Test(vmx_features, vmfunc_that_exits)
{
    static const struct {
        uint64_t rax, rcx;
    } refused[] = { { 0, 512 }, { 0, 4 }, { 0, 5 }, { 1, 3 }, { 63, 0 } };
    for (unsigned k = 0; k < ARRAY_SIZE(refused); k++) {
        struct vm v = switching_vm();
        v.c->gpr[RAX] = refused[k].rax;
        v.c->gpr[RCX] = refused[k].rcx;
        expect(&v, 59);
        cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
        cr_expect_eq(get(&v, VM_EXIT_INSTRUCTION_LEN), 3);
        cr_expect_eq(get(&v, EPT_POINTER), EPTP);
        machine_destroy(v.m);
    }
}

Test(vmx_features, vmfunc_undefined)
{
    struct vm v = switching_vm();
    put(&v, EXCEPTION_BITMAP, 1u << EXC_UD);
    v.c->gpr[RAX] = 64;
    expect(&v, 0);
    v.c->gpr[RAX] = 0;
    clear_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VM_FUNCTIONS);
    expect(&v, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO) & 0xff, EXC_UD);
    machine_destroy(v.m);
}

/* ---- virtualization exceptions ---- */

BARE_PROGRAM(toucher, "mov %eax, 0x600018\n vmcall\n");

static struct vm ve_vm(uint64_t pde)
{
    struct vm v = with_controls(VM(toucher), PROC2_EPT_VIOLATION_VE);
    put(&v, VIRT_EXCEPTION_INFO, VE_AREA);
    put(&v, EPTP_INDEX, 9);
    store(&v, EPT_PDE, 8, pde);
    return v;
}

Test(vmx_features, virtualization_exception)
{
    struct vm v = ve_vm(TARGET | 0xb5); /* read and execute */
    expect(&v, 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(20));
    cr_expect_eq(load(&v, VE_AREA, 4), 48);
    cr_expect_eq(load(&v, VE_AREA + 4, 4), 0xffffffff);
    cr_expect_eq(load(&v, VE_AREA + 8, 8), 2 | 5 << 3 | 1 << 7 | 1 << 8 | 3 << 9);
    cr_expect_eq(load(&v, VE_AREA + 16, 8), TARGET + 0x18);
    cr_expect_eq(load(&v, VE_AREA + 24, 8), TARGET + 0x18);
    cr_expect_eq(load(&v, VE_AREA + 32, 2), 9);
    put(&v, GUEST_RIP, GUEST_CODE);
    expect(&v, 48); /* the area is still busy */
    store(&v, VE_AREA + 4, 4, 0);
    put(&v, EXCEPTION_BITMAP, 1u << 20);
    expect(&v, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), VALID | 3 << 8 | 20);
    machine_destroy(v.m);
}

Test(vmx_features, violations_that_stay_exits)
{
    struct vm v = ve_vm(TARGET | 0xb5 | BIT(63));
    expect(&v, 48); /* suppressed by the leaf */
    store(&v, EPT_PDE, 8, BIT(63));
    expect(&v, 48); /* ... by the entry that is not present */
    store(&v, EPT_PDE, 8, TARGET | 0xb6);
    expect(&v, 49); /* a misconfiguration never converts */
    store(&v, EPT_PDE, 8, 0);
    expect(&v, 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(20));
    machine_destroy(v.m);
}

/* ---- mode-based execute control ---- */

BARE_PROGRAM(jumper, "mov $0x600000, %eax\n jmp *%rax\n");

Test(vmx_features, mode_based_execute)
{
    const uint64_t host_pde = BARE_TABLES + 0x2000 + 8 * (TARGET >> 21);
    enum { XS = 1 << 2, XU = 1 << 10 };
    static const struct {
        bool user_page;
        uint64_t rights;
        int64_t reason;
    } rows[] = {
        { true, XS | XU, 18 },  { true, XU, 18 },  { true, XS, 48 },
        { false, XS | XU, 18 }, { false, XU, 48 }, { false, XS, 18 },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = with_controls(VM(jumper), PROC2_MODE_BASED_EXECUTE);
        for (uint64_t n = 0; n < 512; n++) /* all rights for all but the target */
            store(&v, EPT_TABLES + 0x2000 + 8 * n, 8, n << 21 | 0x4b7);
        store(&v, EPT_TABLES, 8, (EPT_TABLES + 0x1000) | 0x407);
        store(&v, EPT_TABLES + 0x1000, 8, (EPT_TABLES + 0x2000) | 0x407);
        store(&v, EPT_PDE, 8, TARGET | 0xb1 | rows[k].rights);
        store(&v, host_pde, 8, TARGET | (rows[k].user_page ? 0x87 : 0x83));
        store(&v, TARGET, 4, 0x90c1010f); /* VMCALL */
        expect(&v, rows[k].reason);
        if (rows[k].reason == 48)
            cr_expect_eq(get(&v, EXIT_QUALIFICATION),
                         4 | 1 << 3 | (rows[k].rights & XS ? 1 << 5 : 0) |
                             (rows[k].rights & XU ? 1 << 6 : 0) | 1 << 7 | 1 << 8 |
                             (rows[k].user_page ? 1 << 9 : 0) | 1 << 10);
        machine_destroy(v.m);
    }
}
