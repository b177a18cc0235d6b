// SPDX-License-Identifier: Apache-2.0
// APIC virtualization: TPR shadow, the APIC-access page, x2APIC MSRs, virtual-interrupt delivery,
// posted interrupts.
#include "vmx_apic_guest.h"

/* ---- accesses to the page ---- */

BARE_PROGRAM(byte_reader, "mov (%rdi), %al\n vmcall\n");
BARE_PROGRAM(wide_reader, "mov (%rdi), %rax\n vmcall\n");
BARE_PROGRAM(caller, "jmp *%rdi\n vmcall\n");

Test(vmx_apic, reads)
{
    static const struct {
        uint32_t proc2;
        uint16_t offset;
        bool virtual;
    } rows[] = {
        { 0, 0x80, true },
        { 0, 0x20, false },
        { 0, 0xb0, false },
        { PROC2_VIRTUAL_INTERRUPT_DELIVERY, 0xb0, true },
        { PROC2_VIRTUAL_INTERRUPT_DELIVERY, 0x300, true },
        { PROC2_VIRTUAL_INTERRUPT_DELIVERY, 0x310, false },
        { PROC2_APIC_REGISTER_VIRTUALIZATION, 0x20, true },
        { PROC2_APIC_REGISTER_VIRTUALIZATION, 0x170, true },
        { PROC2_APIC_REGISTER_VIRTUALIZATION, 0x370, true },
        { PROC2_APIC_REGISTER_VIRTUALIZATION, 0x90, false },
        { PROC2_APIC_REGISTER_VIRTUALIZATION, 0x390, false },
        { PROC2_APIC_REGISTER_VIRTUALIZATION, 0x22, false }, /* not in the low four bytes */
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = apic_vm(VM(reader), rows[k].proc2 | PROC2_VIRTUALIZE_APIC_ACCESSES);
        set_reg(&v, rows[k].offset & 0xff0, 0x50);
        store(&v, ACCESS_PAGE + rows[k].offset, 4, 0x77);
        v.c->gpr[RDI] = ACCESS_PAGE + rows[k].offset;
        if (rows[k].virtual) {
            expect(&v, 18, 0);
            cr_expect_eq(v.c->gpr[RAX], 0x50);
        } else {
            expect(&v, 44, rows[k].offset);
            cr_expect_eq(get(&v, VM_EXIT_INSTRUCTION_LEN), 2);
        }
        machine_destroy(v.m);
    }
}

Test(vmx_apic, widths_and_fetches)
{
    struct vm v = apic_vm(VM(byte_reader), PROC2_VIRTUALIZE_APIC_ACCESSES);
    set_reg(&v, TPR, 0x40302010);
    v.c->gpr[RDI] = ACCESS_PAGE + 0x83;
    expect(&v, 18, 0);
    cr_expect_eq(v.c->gpr[RAX] & 0xff, 0x40);
    machine_destroy(v.m);
    v = apic_vm(VM(wide_reader), PROC2_VIRTUALIZE_APIC_ACCESSES);
    v.c->gpr[RDI] = ACCESS_PAGE + 0x80;
    expect(&v, 44, 0x80);
    machine_destroy(v.m);
    v = apic_vm(VM(caller), PROC2_VIRTUALIZE_APIC_ACCESSES);
    v.c->gpr[RDI] = ACCESS_PAGE + 0x80;
    expect(&v, 44, 2 << 12 | 0x80);
    machine_destroy(v.m);
}

Test(vmx_apic, without_ept_linear_accesses_count)
{
    struct vm v = VM(writer);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_TPR_SHADOW);
    put(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_VIRTUALIZE_APIC_ACCESSES);
    put(&v, VIRTUAL_APIC_PAGE_ADDR, VAPIC);
    put(&v, APIC_ACCESS_ADDR, ACCESS_PAGE);
    v.c->gpr[RDI] = ACCESS_PAGE + 0xb0;
    expect(&v, 44, 1 << 12 | 0xb0);
    machine_destroy(v.m);
}

Test(vmx_apic, paging_structures_on_the_page)
{
    struct vm v = apic_vm(VM(reader), PROC2_VIRTUALIZE_APIC_ACCESSES);
    put(&v, APIC_ACCESS_ADDR, BARE_TABLES + 0x2000);
    v.c->gpr[RDI] = ACCESS_PAGE;
    expect(&v, 44, 15 << 12);
    machine_destroy(v.m);
}

/* ---- writes ---- */

static void write_case(uint32_t proc2, uint16_t offset, uint32_t value, int64_t reason,
                       uint64_t qualification)
{
    struct vm v = apic_vm(VM(writer), proc2 | PROC2_VIRTUALIZE_APIC_ACCESSES);
    v.c->gpr[RDI] = ACCESS_PAGE + offset;
    v.c->gpr[RAX] = value;
    put(&v, TPR_THRESHOLD, proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY ? 0 : 3);
    set_reg(&v, TPR, 0x30);
    expect(&v, reason, qualification);
    bool trap_like = reason != 44; /* the store is done */
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + (trap_like ? 2 : 0));
    if (trap_like && offset != EOI)
        cr_expect_eq(reg(&v, offset), offset == 0x310 ? value & 0xff000000 : value);
    cr_expect_eq(load(&v, ACCESS_PAGE + offset, 4), 0);
    machine_destroy(v.m);
}

Test(vmx_apic, writes)
{
    const uint32_t vid = PROC2_VIRTUAL_INTERRUPT_DELIVERY,
                   regs = PROC2_APIC_REGISTER_VIRTUALIZATION;
    write_case(0, TPR, 0x50, 18, 0);
    write_case(0, TPR, 0x20, 43, 0); /* below the threshold */
    write_case(0, 0x300, 0x50, 44, 1 << 12 | 0x300);
    write_case(regs, 0x320, 0x50, 56, 0x320);
    write_case(regs, EOI, 0, 56, EOI);
    write_case(regs, 0x310, 0x12345678, 18, 0);
    write_case(regs, 0x30, 0, 44, 1 << 12 | 0x30); /* the version is only read */
    write_case(vid, 0x300, 0x00040050, 18, 0);     /* a self-IPI */
    write_case(vid, 0x300, 0x00040005, 56, 0x300); /* ... with a reserved vector */
    write_case(vid, 0x300, 0x00000050, 56, 0x300); /* to another processor */
}

/* ---- virtual interrupts ---- */

BARE_PROGRAM(sleeper, "sti\n hlt\n vmcall\n");
BARE_PROGRAM(ender, "movl $0, 0x6000b0\n vmcall\n");

Test(vmx_apic, virtual_interrupt)
{
    struct vm v = apic_vm(VM(sleeper), PROC2_VIRTUAL_INTERRUPT_DELIVERY);
    set_reg(&v, IRR + 0x20, 1 << 1); /* 41H */
    set_reg(&v, IRR + 0x10, 1 << 3); /* 23H */
    put(&v, GUEST_INTR_STATUS, 0x41);
    set_reg(&v, TPR, 0x30);
    expect(&v, 18, 0);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(0x41));
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), 0x4123);
    cr_expect_eq(reg(&v, IRR + 0x20), 0);
    cr_expect_eq(reg(&v, ISR + 0x20), 1 << 1);
    cr_expect_eq(reg(&v, PPR), 0x40);
    cr_expect_eq(load(&v, GUEST_STACK - 40, 8), GUEST_CODE + 2, "it woke the HLT");
    machine_destroy(v.m);
}

Test(vmx_apic, what_holds_a_virtual_interrupt_back)
{
    struct vm v = apic_vm(VM(sleeper), PROC2_VIRTUAL_INTERRUPT_DELIVERY);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_HLT_EXITING);
    set_reg(&v, IRR + 0x20, 1 << 1);
    put(&v, GUEST_INTR_STATUS, 0x41);
    set_reg(&v, TPR, 0x40); /* its own class */
    expect(&v, 12, 0);
    set_reg(&v, TPR, 0);
    put(&v, GUEST_INTR_STATUS, 0x4141); /* one of the class is served */
    put(&v, GUEST_RIP, GUEST_CODE);
    expect(&v, 12, 0);
    put(&v, GUEST_INTR_STATUS, 0x41);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_INTERRUPT_WINDOW_EXITING);
    put(&v, GUEST_RIP, GUEST_CODE);
    expect(&v, 7, 0);
    machine_destroy(v.m);
}

Test(vmx_apic, eoi)
{
    struct vm v =
        apic_vm(VM(ender), PROC2_VIRTUAL_INTERRUPT_DELIVERY | PROC2_VIRTUALIZE_APIC_ACCESSES);
    set_reg(&v, ISR + 0x20, 1 << 1);
    set_reg(&v, ISR + 0x10, 1 << 3);
    put(&v, GUEST_INTR_STATUS, 0x4100);
    expect(&v, 18, 0);
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), 0x2300);
    cr_expect_eq(reg(&v, ISR + 0x20), 0);
    cr_expect_eq(reg(&v, PPR), 0x20);
    put(&v, EOI_EXIT_BITMAP0, BIT(0x23));
    put(&v, GUEST_RIP, GUEST_CODE);
    expect(&v, 45, 0x23);
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), 0);
    machine_destroy(v.m);
}

Test(vmx_apic, eoi_exit_bitmaps)
{
    for (unsigned k = 0; k < 4; k++) {
        struct vm v =
            apic_vm(VM(ender), PROC2_VIRTUAL_INTERRUPT_DELIVERY | PROC2_VIRTUALIZE_APIC_ACCESSES);
        unsigned vector = 0x23 + 0x40 * k;
        set_reg(&v, ISR + vector / 32 * 16, 1 << 3);
        put(&v, GUEST_INTR_STATUS, vector << 8);
        put(&v, EOI_EXIT_BITMAP0 + k, BIT(0x23));
        expect(&v, 45, vector);
        machine_destroy(v.m);
    }
}

/* ---- x2APIC MSRs ---- */

Test(vmx_apic, x2apic_msrs)
{
    const uint32_t vid = PROC2_VIRTUAL_INTERRUPT_DELIVERY;
    struct vm v = msr_vm(0, 0x808, 0x60);
    expect(&v, 18, 0);
    cr_expect_eq(reg(&v, TPR), 0x60);
    cr_expect_eq(v.c->gpr[RAX], 0x60);
    machine_destroy(v.m);
    v = msr_vm(0, 0x808, 0x160);
    expect(&v, 0, 0); /* #GP: reserved bits */
    machine_destroy(v.m);
    v = msr_vm(0, 0x80b, 0);
    expect(&v, 0, 0); /* not virtualized: no x2APIC mode */
    machine_destroy(v.m);
    v = msr_vm(vid, 0x83f, 0x05);
    expect(&v, 56, 0x3f0);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 2);
    machine_destroy(v.m);
    v = msr_vm(vid | PROC2_APIC_REGISTER_VIRTUALIZATION, 0x83f, 0x51);
    expect(&v, 18, 0);
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), 0x51);
    cr_expect_eq(reg(&v, IRR + 0x20), 1 << 0x11);
    machine_destroy(v.m);
}

/* ---- posted interrupts ---- */

static int notification(void *machine, struct cpu *c)
{
    cpu_clear_pending(c, PEND_INTR);
    return NOTIFICATION;
}

Test(vmx_apic, posted_interrupt)
{
    struct vm v = apic_vm(VM(sleeper), PROC2_VIRTUAL_INTERRUPT_DELIVERY);
    struct cpu_bus bus = *v.c->bus;
    bus.interrupt_acknowledge = notification;
    v.c->bus = &bus;
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PROCESS_POSTED_INTERRUPTS);
    put_bits(&v, VM_EXIT_CONTROLS, EXIT_ACKNOWLEDGE_INTERRUPT);
    put(&v, POSTED_INTR_NV, NOTIFICATION);
    put(&v, POSTED_INTR_DESC_ADDR, PID);
    store(&v, PID + 8, 4, 1 << 2); /* 42H */
    store(&v, PID + 32, 1, 1);     /* ON */
    cpu_set_pending(v.c, PEND_INTR);
    expect(&v, 18, 0);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(0x42));
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), 0x4200);
    cr_expect_eq(load(&v, PID + 8, 4), 0);
    cr_expect_eq(load(&v, PID + 32, 1), 0);
    put(&v, POSTED_INTR_NV, NOTIFICATION + 1);
    put(&v, GUEST_RIP, GUEST_CODE);
    cpu_set_pending(v.c, PEND_INTR);
    expect(&v, 1, 0); /* another vector: an exit */
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), VALID | NOTIFICATION);
    machine_destroy(v.m);
}
