// SPDX-License-Identifier: Apache-2.0
// User interrupts: MSRs, instructions, delivery, notifications, the XSAVE component.  Code runs at
// CPL 3 in the guest of vmx_guest.h, which no control of VMX concerns here, and ends in VMCALL.
#include "uintr_guest.h"

/* ---- enumeration, MSRs ---- */

static uint32_t structured_edx(struct cpu *c)
{
    uint32_t out[4];
    model_cpuid(c, 7, 0, out);
    return out[3];
}

Test(uintr, enumeration)
{
    static const struct { const char *cpu; bool has; } rows[] = {
        { "max", true }, { "icelake", false }, { "skylake", false }, { "max,-uintr", false },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct machine *m = bare_machine(rows[k].cpu);
        struct cpu *c = bare_load(m, NULL, NULL);
        bool has = rows[k].has;
        uint64_t v;
        cr_expect_eq(structured_edx(c) >> 5 & 1, has);
        cr_expect_eq(!(cr4_reserved(c) & CR4_UINTR), has);
        cr_expect_eq(!!(c->model->vmx_capability[CAP_CR4_FIXED1] & CR4_UINTR), has);
        cr_expect_eq(msr_write(c, 0xda0, BIT(14)), has);
        for (uint32_t index = UINTR_RR; index <= UINTR_TT; index++)
            cr_expect_eq(msr_read(c, index, &v), has);
        cr_expect_eq(vmx_can(c->model->vmx_capability, WORD_ENTRY, ENTRY_LOAD_UINV), has);
        cr_expect_eq(vmx_can(c->model->vmx_capability, WORD_EXIT, EXIT_CLEAR_UINV), has);
        machine_destroy(m);
    }
}

Test(uintr, msrs)
{
    static const struct { uint32_t index; bool linear; uint64_t reserved; } rows[] = {
        { UINTR_RR, false, 0 }, { UINTR_HANDLER, true, 0 }, { UINTR_STACKADJUST, true, 6 },
        { UINTR_MISC, false, ~UINT64_C(0xffffffffff) }, { UINTR_PD, true, 0x3f },
        { UINTR_TT, true, 0xe },
    };
    const uint64_t high = UINT64_C(0xffff8) << 44;
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, NULL, NULL);
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        uint64_t v;
        cr_expect(msr_read(c, rows[k].index, &v) && !v);
        for (unsigned b = 0; b < 64; b++) {
            bool legal = !(rows[k].reserved >> b & 1) && !(rows[k].linear && b >= 47);
            cr_expect_eq(msr_write(c, rows[k].index, BIT(b)), legal, "%#x %u", rows[k].index, b);
            cr_expect(!legal || (msr_read(c, rows[k].index, &v) && v == BIT(b)));
        }
        cr_expect_eq(msr_write(c, rows[k].index, high), rows[k].index != UINTR_MISC);
    }
    c->uif = true;
    cpu_reset(c);
    cr_expect_not(c->uif);
    cr_expect_eq(c->msr.uintr_handler | c->msr.uintr_rr, 0);
    machine_destroy(m);
}

/* ---- instructions ---- */

BARE_PROGRAM(clui, "clui\n vmcall\n");
BARE_PROGRAM(stui, "stui\n vmcall\n");
BARE_PROGRAM(testui, "testui\n vmcall\n");
BARE_PROGRAM(uiret, "uiret\n vmcall\n nop\n vmcall\n");
BARE_PROGRAM(senduipi, "senduipi %r11\n vmcall\n");
BARE_PROGRAM(senduipi_rbx, "senduipi %rbx\n vmcall\n");
#define PROGRAM(name) { name##_start, name##_end }
static const struct { const uint8_t *start, *end; } all[] = {
    PROGRAM(clui), PROGRAM(stui), PROGRAM(testui), PROGRAM(uiret), PROGRAM(senduipi_rbx)
};

Test(uintr, undefined_unless_enabled)
{
    for (unsigned k = 0; k < ARRAY_SIZE(all); k++) {
        struct vm v = uintr_vm(vm_create("max", all[k].start, all[k].end));
        clear_bits(&v, GUEST_CR4, CR4_UINTR);
        expect_fault(&v, EXC_UD);
        machine_destroy(v.m);
        v = vm_create("max", all[k].start, all[k].end);
        guest_32(&v);
        put_bits(&v, GUEST_CR4, CR4_UINTR);
        v.c->msr.uintr_tt = 1;
        expect_fault(&v, EXC_UD);
        machine_destroy(v.m);
    }
    struct vm v = uintr_vm(VM(senduipi));
    v.c->msr.uintr_tt &= ~UINT64_C(1);
    expect_fault(&v, EXC_UD);
    machine_destroy(v.m);
}

/* IA32_UINTR_TT says at once what SENDUIPI is. */
BARE_PROGRAM(enables, "mov $0x98a, %ecx\n xor %edx, %edx\n mov %ebx, %eax\n wrmsr\n senduipi %r11\n"
                      "vmcall\n");
Test(uintr, table_enables_senduipi)
{
    struct vm v = uintr_vm(VM(enables));
    use_segments(&v, 0xa09b, 0xc093, 0);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    for (unsigned on = 0; on < 2; on++) {
        v.c->gpr[RBX] = UITT | !on;
        v.c->msr.uintr_tt = UITT | on;
        use_target(&v, 0, UPID_SN);
        put(&v, GUEST_RIP, GUEST_CODE);
        if (on)
            expect_fault(&v, EXC_UD);
        else
            expect_end(&v);
    }
    machine_destroy(v.m);
}

Test(uintr, flag)
{
    struct vm v = uintr_vm(VM(clui));
    v.c->uif = true;
    expect_end(&v);
    cr_expect_not(v.c->uif);
    machine_destroy(v.m);
    v = uintr_vm(VM(stui));
    expect_end(&v);
    cr_expect(v.c->uif);
    machine_destroy(v.m);
    for (unsigned on = 0; on < 2; on++) {
        v = uintr_vm(VM(testui));
        v.c->uif = on;
        put(&v, GUEST_RFLAGS, 2 | FLAGS_STATUS | FLAG_DF);
        expect_end(&v);
        cr_expect_eq(get(&v, GUEST_RFLAGS), 2 | FLAG_DF | on);
        machine_destroy(v.m);
    }
}

Test(uintr, uiret)
{
    const uint64_t loaded = 0x254dd5;
    for (unsigned ones = 0; ones < 2; ones++) {
        struct vm v = uintr_vm(VM(uiret));
        put(&v, GUEST_RFLAGS, 2 | (ones ? 0 : FLAGS_STATUS | FLAG_DF));
        push_return(&v, GUEST_CODE + 8, ones ? ~(uint64_t)FLAG_TF : 0, 0x71238);
        expect_exit(&v, 18, GUEST_CODE + 8);
        cr_expect_eq(get(&v, GUEST_RSP), 0x71238);
        cr_expect_eq(get(&v, GUEST_RFLAGS),
                     2 | (ones ? loaded & ~(uint64_t)(FLAG_TF | FLAG_RF) : 0), "%#llx",
                     (unsigned long long)get(&v, GUEST_RFLAGS));
        cr_expect(v.c->uif);
        machine_destroy(v.m);
    }
}

Test(uintr, uiret_faults)
{
    struct vm v = uintr_vm(VM(uiret));
    push_return(&v, BIT(47), 0, 0x71238);
    expect_fault_code(&v, EXC_GP, 0);
    cr_expect_not(v.c->uif);
    machine_destroy(v.m);
    v = uintr_vm(VM(uiret));
    put(&v, GUEST_RSP, BIT(47));
    expect_fault_code(&v, EXC_SS, 0);
    cr_expect_eq(interrupted_rsp(&v), BIT(47));
    cr_expect_not(v.c->uif);
    machine_destroy(v.m);
}

/* The RF that UIRET loads lets a watched instruction execute, even if it itself had one. */
Test(uintr, uiret_loads_rf)
{
    struct vm v = uintr_vm(VM(uiret));
    use_debug_controls(&v);
    put(&v, GUEST_DR7, 0x402);
    v.c->dr[0] = GUEST_CODE + 7;
    put_bits(&v, GUEST_RFLAGS, FLAG_RF);
    push_return(&v, GUEST_CODE + 7, 2 | FLAG_RF, GUEST_STACK);
    expect_exit(&v, 18, GUEST_CODE + 8);
    machine_destroy(v.m);
}

/* ---- SENDUIPI ---- */

Test(uintr, senduipi)
{
    static const struct { uint64_t upid; bool notifies; } rows[] = {
        { 0, true }, { UPID_ON, false }, { UPID_SN, false }, { UPID_ON | UPID_SN, false },
    };
    const uint64_t rest = UINT64_C(0x12345678) << 32 | NV << 16;
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = uintr_vm(VM(senduipi));
        v.c->gpr[R11] = TARGETS;
        use_target(&v, TARGETS, rows[k].upid | rest);
        store(&v, UPID + 8, 8, 1);
        expect_end(&v);
        cr_expect_eq(load(&v, UPID, 8), rows[k].upid | rest | rows[k].notifies);
        cr_expect_eq(load(&v, UPID + 8, 8), 1 | BIT(VECTOR));
        cr_expect_eq(ipi.count, rows[k].notifies);
        cr_expect_eq(ipi.vector, rows[k].notifies ? NV : 0);
        cr_expect_eq(ipi.ndst, rows[k].notifies ? 0x12345678 : 0);
        machine_destroy(v.m);
    }
}

Test(uintr, senduipi_general_protection)
{
    static const struct { uint64_t index, low, upid_address, upid; } rows[] = {
        { TARGETS + 1, 1, UPID, 0 },
        { BIT(32), 1, UPID, 0 },
        { 0, 0, UPID, 0 },
        { 0, 1 | 1 << 1, UPID, 0 },
        { 0, 1 | 1 << 7, UPID, 0 },
        { 0, 1 | 1 << 14, UPID, 0 },
        { 0, 1 | 1 << 15, UPID, 0 },
        { 0, 1 | 1 << 16, UPID, 0 },
        { 0, 1 | BIT(63), UPID, 0 },
        { 0, 1, UPID + 0x20, 0 },
        { 0, 1, UPID + 1, 0 },
        { 0, 1, BIT(47), 0 },
        { 0, 1, UPID, 1 << 2 },
        { 0, 1, UPID, 1 << 15 },
        { 0, 1, UPID, 1 << 24 },
        { 0, 1, UPID, BIT(31) },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = uintr_vm(VM(senduipi));
        v.c->gpr[R11] = rows[k].index;
        store(&v, UITT + 16 * (rows[k].index & 0xff), 8, rows[k].low);
        store(&v, UITT + 16 * (rows[k].index & 0xff) + 8, 8, rows[k].upid_address);
        store(&v, UPID, 8, rows[k].upid);
        expect_fault_code(&v, EXC_GP, 0);
        cr_expect_eq(load(&v, UPID, 8), rows[k].upid, "row %u", k);
        cr_expect_eq(load(&v, UPID + 8, 8), 0, "row %u", k);
        cr_expect_eq(ipi.count, 0);
        machine_destroy(v.m);
    }
    struct vm v = uintr_vm(VM(senduipi)); /* an entry beyond the canonical addresses */
    v.c->msr.uintr_tt = (BIT(47) - 16) | 1;
    v.c->gpr[R11] = 1;
    expect_fault_code(&v, EXC_GP, 0);
    machine_destroy(v.m);
}

/* Accesses with supervisor privilege; the UPID's is a write. */
Test(uintr, senduipi_page_faults)
{
    static const struct { uint64_t page, entry, address; unsigned code; } rows[] = {
        { UITT, 0, UITT, 0 },
        { UPID, 0, UPID, 2 },
        { UPID, UPID | 0x85, UPID, 3 },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = uintr_vm(VM(senduipi));
        put_bits(&v, GUEST_CR0, CR0_WP);
        use_target(&v, 0, NV << 16);
        store(&v, PAGE_OF(rows[k].page), 8, rows[k].entry & ~UINT64_C(0x1fff00));
        expect_fault_code(&v, EXC_PF, rows[k].code);
        cr_expect_eq(v.c->cr2, rows[k].address);
        machine_destroy(v.m);
    }
    struct vm v = uintr_vm(VM(senduipi)); /* supervisor pages will do */
    use_target(&v, 0, NV << 16);
    store(&v, PAGE_OF(UITT), 8, PAGE_START(UITT) | 0x83);
    store(&v, PAGE_OF(UPID), 8, PAGE_START(UPID) | 0x83);
    expect_end(&v);
    cr_expect_eq(ipi.count, 1);
    machine_destroy(v.m);
}

/* ---- delivery ---- */

BARE_PROGRAM(nops, "nop\n nop\n vmcall\n");
static struct vm with_request(struct vm v, uint64_t requests)
{
    v = uintr_vm(v);
    v.c->uif = true;
    uintr_load_requests(v.c, requests);
    return v;
}
/* The handler was entered with this frame; it ends in VMCALL. */
static void expect_handler(struct vm *v, uint64_t rip, uint64_t stack, unsigned vector)
{
    expect_exit(v, 18, HANDLER_CODE);
    uint64_t rsp = get(v, GUEST_RSP);
    cr_expect_eq(rsp, stack, "RSP %#llx", (unsigned long long)rsp);
    cr_expect_eq(load(v, rsp, 8), vector);
    cr_expect_eq(load(v, rsp + 8, 8), rip, "RIP %#llx", (unsigned long long)load(v, rsp + 8, 8));
    cr_expect_eq(load(v, rsp + 24, 8), GUEST_STACK);
    cr_expect_not(v->c->uif);
    cr_expect_eq(get(v, GUEST_CS_SELECTOR), 0x23);
}

Test(uintr, delivery)
{
    struct vm v = with_request(VM(nops), BIT(63) | BIT(5));
    put(&v, GUEST_RFLAGS, 2 | FLAG_CF | FLAG_RF | FLAG_IF | FLAG_DF);
    expect_handler(&v, GUEST_CODE, GUEST_STACK - 32, 63);
    cr_expect_eq(load(&v, GUEST_STACK - 16, 8), 2 | FLAG_CF | FLAG_RF | FLAG_IF | FLAG_DF);
    cr_expect_eq(get(&v, GUEST_RFLAGS), 2 | FLAG_CF | FLAG_IF | FLAG_DF);
    cr_expect_eq(v.c->msr.uintr_rr, BIT(5));
    cr_expect(v.c->pending & PEND_USER);
    put(&v, GUEST_RIP, GUEST_CODE);
    put(&v, GUEST_RSP, GUEST_STACK);
    v.c->uif = true;
    expect_handler(&v, GUEST_CODE, GUEST_STACK - 32, 5);
    cr_expect_eq(v.c->msr.uintr_rr, 0);
    cr_expect_not(v.c->pending & PEND_USER);
    machine_destroy(v.m);
}

Test(uintr, stack_adjustment)
{
    static const struct { uint64_t adjust, stack; } rows[] = {
        { 128, GUEST_STACK - 128 - 32 },
        { 8, GUEST_STACK - 16 - 32 },
        { 0x75008 | 1, 0x75000 - 32 },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = with_request(VM(nops), 1);
        v.c->msr.uintr_stackadjust = rows[k].adjust;
        expect_handler(&v, GUEST_CODE, rows[k].stack, 0);
        machine_destroy(v.m);
    }
}

Test(uintr, trap_flag_is_saved_and_cleared)
{
    struct vm v = with_request(VM(nops), 1);
    put_bits(&v, GUEST_RFLAGS, FLAG_TF);
    expect_handler(&v, GUEST_CODE, GUEST_STACK - 32, 0);
    cr_expect_eq(load(&v, GUEST_STACK - 16, 8), 2 | FLAG_TF);
    cr_expect_eq(get(&v, GUEST_RFLAGS), 2);
    machine_destroy(v.m);
}

BARE_PROGRAM(stui_late, "nop\n stui\n nop\n vmcall\n");
Test(uintr, blocking)
{
    struct vm v = with_request(VM(nops), 1);
    v.c->uif = false;
    expect_end(&v);
    machine_destroy(v.m);
    v = with_request(VM(nops), 1);
    clear_bits(&v, GUEST_CR4, CR4_UINTR);
    expect_end(&v);
    machine_destroy(v.m);
    v = with_request(VM(nops), 1);
    use_segments(&v, 0xa09b, 0xc093, 0);
    expect_end(&v);
    machine_destroy(v.m);
    v = with_request(VM(nops), 1);
    use_segments(&v, 0xc09b, 0xc093, 3); /* compatibility mode */
    expect_end(&v);
    machine_destroy(v.m);
    v = with_request(VM(stui_late), 1);
    v.c->uif = false;
    expect_handler(&v, GUEST_CODE + 5, GUEST_STACK - 32, 0);
    machine_destroy(v.m);
    v = with_request(VM(nops), 1);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, SHADOW_STI);
    put(&v, GUEST_RFLAGS, 2 | FLAG_IF);
    expect_handler(&v, GUEST_CODE, GUEST_STACK - 32, 0);
    cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), 0);
    machine_destroy(v.m);
    v = with_request(VM(nops), 1);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, SHADOW_MOV_SS);
    expect_handler(&v, GUEST_CODE + 1, GUEST_STACK - 32, 0);
    machine_destroy(v.m);
}

/* After delivery an ordinary interrupt is not blocked by the STI before it. */
Test(uintr, ordinary_interrupt_after_delivery)
{
    struct vm v = with_request(VM(nops), 1);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, SHADOW_STI);
    put(&v, GUEST_RFLAGS, 2 | FLAG_IF);
    raise_interrupt(&v, 0x55);
    expect_exit(&v, 18, HANDLER(0x55));
    cr_expect_eq(load(&v, get(&v, GUEST_RSP), 8), HANDLER_CODE);
    machine_destroy(v.m);
}

/* IRET to CPL 3, WRMSR and MOV to CR4 let it in. */
BARE_PROGRAM(kernel, "mov $0x985, %ecx\n xor %edx, %edx\n mov $4, %eax\n wrmsr\n nop\n"
                     "mov %rbx, %cr4\n nop\n iretq\n");
Test(uintr, recognized_later)
{
    struct vm v = uintr_vm(VM(kernel));
    use_segments(&v, 0xa09b, 0xc093, 0);
    store(&v, GUEST_GDT + 0x20, 8, UINT64_C(0x00affb000000ffff));
    store(&v, GUEST_GDT + 0x28, 8, UINT64_C(0x00cff3000000ffff));
    put(&v, GUEST_GDTR_LIMIT, 0x2f);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    clear_bits(&v, GUEST_CR4, CR4_UINTR);
    v.c->gpr[RBX] = get(&v, GUEST_CR4) | CR4_UINTR;
    v.c->uif = true;
    static const uint64_t frame[] = { GUEST_CODE + 0x100, 0x23, 2, GUEST_STACK, 0x2b };
    for (unsigned k = 0; k < ARRAY_SIZE(frame); k++)
        store(&v, KERNEL_STACK - 40 + 8 * k, 8, frame[k]);
    put(&v, GUEST_RSP, KERNEL_STACK - 40);
    expect_handler(&v, GUEST_CODE + 0x100, GUEST_STACK - 32, 2);
    machine_destroy(v.m);
}

/* The interrupt stays recognized, RSP as it was. */
static void expect_undelivered(struct vm *v, unsigned vector, uint64_t code)
{
    expect_fault_code(v, vector, code);
    cr_expect_eq(load(v, get(v, GUEST_RSP) + 8, 8), GUEST_CODE);
    cr_expect_eq(v->c->msr.uintr_rr, 1);
    cr_expect(v->c->uif);
}

Test(uintr, delivery_faults)
{
    struct vm v = with_request(VM(nops), 1);
    v.c->msr.uintr_handler = BIT(47); /* no MSR write gets it there */
    expect_undelivered(&v, EXC_GP, 0);
    machine_destroy(v.m);
    v = with_request(VM(nops), 1);
    v.c->msr.uintr_stackadjust = 1 | (BIT(47) + 16);
    expect_undelivered(&v, EXC_SS, 0);
    cr_expect_eq(interrupted_rsp(&v), GUEST_STACK);
    machine_destroy(v.m);
    v = with_request(VM(nops), 1);
    v.c->msr.uintr_stackadjust = ALTERNATE_STACK | 1;
    store(&v, PAGE_OF(ALTERNATE_STACK - 32), 8, PAGE_START(ALTERNATE_STACK - 32) | 0x83);
    expect_undelivered(&v, EXC_PF, 7);
    cr_expect_eq(v.c->cr2, ALTERNATE_STACK - 32);
    cr_expect_eq(interrupted_rsp(&v), GUEST_STACK);
    machine_destroy(v.m);
}

/* ---- notifications ---- */

static struct vm with_notification(struct vm v)
{
    v = uintr_vm(v);
    v.c->msr.uintr_misc = (uint64_t)NV << 32;
    v.c->uif = true;
    put(&v, GUEST_RFLAGS, 2 | FLAG_IF);
    store(&v, UPID, 8, UPID_ON | UPID_SN | NV << 16);
    store(&v, UPID + 8, 8, BIT(9) | BIT(2));
    raise_interrupt(&v, NV);
    return v;
}

Test(uintr, notification)
{
    struct vm v = with_notification(VM(nops));
    v.c->msr.uintr_rr = BIT(1);
    expect_handler(&v, GUEST_CODE, GUEST_STACK - 32, 9);
    cr_expect_eq(load(&v, UPID, 8), UPID_SN | NV << 16);
    cr_expect_eq(load(&v, UPID + 8, 8), 0);
    cr_expect_eq(v.c->msr.uintr_rr, BIT(2) | BIT(1));
    cr_expect_eq(ipi.eois, 1);
    machine_destroy(v.m);
    v = with_notification(VM(nops)); /* at CPL 0, with supervisor privilege; nothing was posted */
    use_segments(&v, 0xa09b, 0xc093, 0);
    store(&v, PAGE_OF(UPID), 8, PAGE_START(UPID) | 0x83);
    store(&v, UPID + 8, 8, 0);
    expect_end(&v);
    cr_expect_eq(load(&v, UPID, 8), UPID_SN | NV << 16);
    cr_expect_eq(v.c->msr.uintr_rr, 0);
    cr_expect_eq(ipi.eois, 1);
    machine_destroy(v.m);
}

Test(uintr, ordinary_interrupts)
{
    struct vm v = with_notification(VM(nops)); /* another vector */
    uintr_load_requests(v.c, 1);
    raise_interrupt(&v, NV + 1);
    expect_exit(&v, 18, HANDLER(NV + 1)); /* it comes before the user interrupt */
    cr_expect_eq(load(&v, UPID + 8, 8), BIT(9) | BIT(2));
    cr_expect_eq(v.c->msr.uintr_rr, 1);
    cr_expect_eq(ipi.eois, 0);
    machine_destroy(v.m);
    v = with_notification(VM(nops)); /* CR4.UINTR = 0 */
    clear_bits(&v, GUEST_CR4, CR4_UINTR);
    expect_exit(&v, 18, HANDLER(NV));
    machine_destroy(v.m);
    v = with_notification(VM(nops)); /* not IA-32e mode */
    guest_32(&v);
    put_bits(&v, GUEST_CR4, CR4_UINTR);
    expect_exit(&v, 18, HANDLER(NV));
    machine_destroy(v.m);
    v = with_notification(VM(nops)); /* masked */
    put(&v, GUEST_RFLAGS, 2);
    expect_end(&v);
    cr_expect_eq(load(&v, UPID + 8, 8), BIT(9) | BIT(2));
    machine_destroy(v.m);
}

Test(uintr, notification_faults)
{
    struct vm v = with_notification(VM(nops));
    store(&v, PAGE_OF(UPID), 8, 0);
    expect_fault_code(&v, EXC_PF, 2);
    cr_expect_eq(v.c->cr2, UPID);
    cr_expect_eq(v.c->msr.uintr_rr, 0);
    cr_expect_eq(ipi.eois, 1);
    machine_destroy(v.m);
    v = with_notification(VM(nops));
    v.c->msr.uintr_pd = BIT(47);
    expect_fault_code(&v, EXC_GP, 1); /* EXT */
    machine_destroy(v.m);
}

/* Between two iterations of a string instruction RF is 1 on the stack. */
BARE_PROGRAM(copies, "rep movsb\n vmcall\n");
Test(uintr, string_instruction_is_interrupted)
{
    enum { LENGTH = 0x100000 };
    struct vm v = with_notification(VM(copies));
    v.c->gpr[RCX] = LENGTH;
    v.c->gpr[RSI] = 0x800000;
    v.c->gpr[RDI] = 0xa00000;
    cpu_clear_pending(v.c, PEND_INTR);
    v.c->activity = ACTIVITY_ACTIVE;
    v.c->rip = HOST_LAUNCH;
    bare_run(v.m, 2);
    cr_assert(v.c->vmx_nonroot && v.c->gpr[RCX] && v.c->gpr[RCX] < LENGTH, "%#x",
              (unsigned)v.c->gpr[RCX]);
    cpu_set_pending(v.c, PEND_INTR);
    cr_assert_eq(bare_run(v.m, 1000), STOP_HALTED);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER_CODE);
    cr_expect_eq(load(&v, GUEST_STACK - 24, 8), GUEST_CODE);
    cr_expect_eq(load(&v, GUEST_STACK - 16, 8), 2 | FLAG_IF | FLAG_RF);
    cr_expect_eq(get(&v, GUEST_RFLAGS), 2 | FLAG_IF);
    machine_destroy(v.m);
}

/* A processor that sends to itself takes it on the boundary after SENDUIPI. */
static void to_itself(void *machine, struct cpu *c, uint32_t ndst, uint8_t vector)
{
    ipi.interrupt = vector;
    cpu_set_pending(c, PEND_INTR);
}
BARE_PROGRAM(round_trip, "senduipi %r11\n nop\n vmcall\n");
BARE_PROGRAM(handler_returns, "pop %rbx\n uiret\n");
Test(uintr, round_trip)
{
    struct vm v = uintr_vm(VM(round_trip));
    use_target(&v, 0, NV << 16);
    uintr_bus.apic_notify = to_itself;
    mem_write(v.mem, HANDLER_CODE, handler_returns_start,
              (size_t)(handler_returns_end - handler_returns_start));
    v.c->msr.uintr_misc = (uint64_t)NV << 32;
    v.c->uif = true;
    put(&v, GUEST_RFLAGS, 2 | FLAG_IF);
    expect_end(&v);
    cr_expect_eq(v.c->gpr[RBX], VECTOR);
    cr_expect_eq(get(&v, GUEST_RSP), GUEST_STACK);
    cr_expect(v.c->uif);
    cr_expect_eq(load(&v, UPID, 8), NV << 16);
    machine_destroy(v.m);
}

/* ---- the XSAVE component ---- */

BARE_PROGRAM(saves, "xsaves64 (%rbx)\n hlt\n");
BARE_PROGRAM(restores, "xrstors64 (%rbx)\n hlt\n");
enum { AREA = BARE_DATA, IMAGE = AREA + 576, UINTR_BIT = 1 << 14 };
static struct vm with_state(void)
{
    struct vm v = VM(nops);
    struct msr_state *s = &v.c->msr;
    cpu_load_cr4(v.c, v.c->cr4 | CR4_OSXSAVE);
    v.c->xcr0 = 3;
    s->xss = UINTR_BIT;
    v.c->gpr[RBX] = AREA;
    v.c->gpr[RAX] = UINTR_BIT;
    v.c->gpr[RDX] = 0;
    s->uintr_handler = 0x1000;
    s->uintr_stackadjust = 0x2001;
    s->uintr_misc = UINT64_C(0xf3) << 32 | 0x12345678;
    s->uintr_pd = 0x3040;
    s->uintr_tt = 0x4011;
    uintr_load_requests(v.c, 0x5005);
    v.c->uif = true;
    return v;
}

Test(uintr, xsaves_clears_uinv)
{
    static const uint64_t image[] = { 0x1000, 0x2001, BIT(63) | UINT64_C(0xf3) << 32 | 0x12345678,
                                      0x3040, 0x5005, 0x4011 };
    struct vm v = with_state();
    cr_expect_eq(HOST_RUNS(&v, saves), -1);
    cr_expect_eq(load(&v, AREA + 512, 8), UINTR_BIT);
    cr_expect_eq(load(&v, AREA + 520, 8), BIT(63) | UINTR_BIT);
    for (unsigned k = 0; k < ARRAY_SIZE(image); k++)
        cr_expect_eq(load(&v, IMAGE + 8 * k, 8), image[k], "quadword %u", k);
    cr_expect_eq(v.c->msr.uintr_misc, 0x12345678);
    cr_expect_eq(v.c->msr.uintr_rr, 0x5005);
    v.c->gpr[RAX] = 3; /* not asked for: UINV stays */
    uintr_load_uinv(v.c, 0xf3);
    cr_expect_eq(HOST_RUNS(&v, saves), -1);
    cr_expect_eq(uintr_uinv(v.c), 0xf3);
    machine_destroy(v.m);
}

Test(uintr, xrstors)
{
    struct vm v = with_state();
    struct msr_state *s = &v.c->msr, old = *s;
    cr_expect_eq(HOST_RUNS(&v, saves), -1);
    s->uintr_handler = s->uintr_stackadjust = s->uintr_misc = s->uintr_pd = s->uintr_tt = 0;
    uintr_load_requests(v.c, 0);
    v.c->uif = false;
    cr_expect_eq(HOST_RUNS(&v, restores), -1);
    cr_expect_eq(s->uintr_handler, old.uintr_handler);
    cr_expect_eq(s->uintr_stackadjust, old.uintr_stackadjust);
    cr_expect_eq(s->uintr_misc, old.uintr_misc);
    cr_expect_eq(s->uintr_pd, old.uintr_pd);
    cr_expect_eq(s->uintr_rr, old.uintr_rr);
    cr_expect_eq(s->uintr_tt, old.uintr_tt);
    cr_expect(v.c->uif && v.c->pending & PEND_USER);
    cr_expect_eq(HOST_RUNS(&v, restores), EXC_GP, "UINV is not 0");
    store(&v, AREA + 512, 8, 0);
    cr_expect_eq(HOST_RUNS(&v, restores), -1, "the initial configuration");
    cr_expect_eq(s->uintr_misc | s->uintr_rr | s->uintr_tt, 0);
    cr_expect_not(v.c->uif || v.c->pending & PEND_USER);
    machine_destroy(v.m);
}

Test(uintr, images_that_xrstors_refuses)
{
    static const struct { unsigned quadword; uint64_t value; bool legal; } rows[] = {
        { 0, BIT(47), false }, { 1, BIT(47), false }, { 1, 2, false }, { 1, 4, false },
        { 2, BIT(40), false }, { 2, BIT(62), false }, { 2, BIT(63), true }, { 3, 1, false },
        { 3, 0x20, false },    { 3, BIT(47), false }, { 4, BIT(47), true }, { 5, 2, false },
        { 5, 8, false },       { 5, 1, true },        { 5, BIT(47), false },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = with_state();
        cr_expect_eq(HOST_RUNS(&v, saves), -1);
        store(&v, IMAGE + 8 * rows[k].quadword, 8, rows[k].value);
        cr_expect_eq(HOST_RUNS(&v, restores), rows[k].legal ? -1 : EXC_GP, "row %u", k);
        machine_destroy(v.m);
    }
}

Test(uintr, component)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, NULL, NULL);
    uint32_t out[4];
    model_cpuid(c, 0xd, 14, out);
    cr_expect_eq(out[0], 48);
    cr_expect_eq(out[1], 0);
    cr_expect_eq(out[2], 1);
    model_cpuid(c, 0xd, 1, out);
    cr_expect(out[2] & UINTR_BIT);
    machine_destroy(m);
}
