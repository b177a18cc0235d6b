// SPDX-License-Identifier: Apache-2.0
// IPI virtualization: writes of the interrupt command register that post an interrupt.
#include "vmx_apic_guest.h"

enum { PID_TABLE = 0x252008, LAST_ID = 3, DESCRIPTOR = 0x253040, IPI = 0x51, ICR_HIGH = 0x310 };

/* What the local APIC was asked to send. */
static unsigned notifications, notified_vector;
static uint32_t notified_ndst;
static void notify(void *machine, struct cpu *c, uint32_t ndst, uint8_t vector)
{
    notifications++;
    notified_ndst = ndst;
    notified_vector = vector;
}
static struct cpu_bus ipi_bus;

/* Virtual processor LAST_ID has the only descriptor. */
static void use_ipis(struct vm *v)
{
    ipi_bus = *v->c->bus;
    ipi_bus.apic_notify = notify;
    v->c->bus = &ipi_bus;
    notifications = notified_vector = notified_ndst = 0;
    put_bits(v, CPU_BASED_VM_EXEC_CONTROL, PROC_TERTIARY_CONTROLS);
    put(v, TERTIARY_VM_EXEC_CONTROL, PROC3_IPI_VIRTUALIZATION);
    put(v, PID_POINTER_TABLE, PID_TABLE);
    put(v, LAST_PID_POINTER_INDEX, LAST_ID);
    store(v, PID_TABLE + 8 * LAST_ID, 8, DESCRIPTOR | 1);
    store(v, PID_TABLE + 8 * (LAST_ID + 1), 8, DESCRIPTOR | 1);
    store(v, DESCRIPTOR + 34, 1, NOTIFICATION);
    store(v, DESCRIPTOR + 36, 4, 0x12345678);
}
static struct vm icr_writer(uint32_t proc2, uint32_t icr, uint32_t apic_id)
{
    struct vm v = apic_vm(VM(writer), proc2 | PROC2_VIRTUALIZE_APIC_ACCESSES);
    use_ipis(&v);
    v.c->gpr[RDI] = ACCESS_PAGE + ICR;
    v.c->gpr[RAX] = icr;
    set_reg(&v, ICR_HIGH, apic_id << 24);
    return v;
}
static void expect_posted(struct vm *v, bool posted)
{
    cr_expect_eq(load(v, DESCRIPTOR + IPI / 32 * 4, 4), posted ? 1 << IPI % 32 : 0);
    cr_expect_eq(load(v, DESCRIPTOR + 32, 1) & 1, posted);
    cr_expect_eq(notifications, posted);
    cr_expect_eq(notified_vector, posted ? NOTIFICATION : 0);
    cr_expect_eq(notified_ndst, posted ? 0x12345678 : 0);
}

Test(vmx_ipi, ipi_is_posted_and_notified)
{
    static const uint32_t proc2[] = { 0, PROC2_APIC_REGISTER_VIRTUALIZATION,
                                      PROC2_VIRTUAL_INTERRUPT_DELIVERY };
    for (unsigned k = 0; k < ARRAY_SIZE(proc2); k++) {
        struct vm v = icr_writer(proc2[k], 1 << 14 | IPI, LAST_ID); /* bit 14: level, ignored */
        expect(&v, 18, 0);
        expect_posted(&v, true);
        cr_expect_eq(load(&v, DESCRIPTOR + 33, 1), 0);
        cr_expect_eq(load(&v, DESCRIPTOR + 34, 1), NOTIFICATION, "NV is not changed");
        machine_destroy(v.m);
    }
}

/* Another request (ON) is on its way, or the processor wants no notification (SN). */
Test(vmx_ipi, ipi_without_notification)
{
    for (unsigned bit = 0; bit < 2; bit++) {
        struct vm v = icr_writer(0, IPI, LAST_ID);
        store(&v, DESCRIPTOR + 32, 1, 1 << bit);
        store(&v, DESCRIPTOR + IPI / 32 * 4, 4, 1);
        expect(&v, 18, 0);
        cr_expect_eq(load(&v, DESCRIPTOR + IPI / 32 * 4, 4), 1 | 1 << IPI % 32);
        cr_expect_eq(load(&v, DESCRIPTOR + 32, 1), 1 << bit);
        cr_expect_eq(notifications, 0);
        machine_destroy(v.m);
    }
}

Test(vmx_ipi, ipis_that_exit)
{
    static const struct {
        uint32_t icr, apic_id;
        uint64_t pointer;
    } rows[] = {
        { 0x0f, LAST_ID, DESCRIPTOR | 1 },          /* a reserved vector */
        { 1 << 8 | IPI, LAST_ID, DESCRIPTOR | 1 },  /* lowest priority */
        { 4 << 8 | IPI, LAST_ID, DESCRIPTOR | 1 },  /* NMI */
        { 1 << 11 | IPI, LAST_ID, DESCRIPTOR | 1 }, /* logical destination */
        { 1 << 12 | IPI, LAST_ID, DESCRIPTOR | 1 }, /* delivery status */
        { 1 << 13 | IPI, LAST_ID, DESCRIPTOR | 1 },
        { 1 << 15 | IPI, LAST_ID, DESCRIPTOR | 1 }, /* level-triggered */
        { 1 << 16 | IPI, LAST_ID, DESCRIPTOR | 1 },
        { 1 << 18 | IPI, LAST_ID, DESCRIPTOR | 1 }, /* self, without virtual-interrupt delivery */
        { 3 << 18 | IPI, LAST_ID, DESCRIPTOR | 1 }, /* all but self */
        { 1 << 20 | IPI, LAST_ID, DESCRIPTOR | 1 },
        { IPI, LAST_ID + 1, DESCRIPTOR | 1 }, /* beyond the table */
        { IPI, 0, DESCRIPTOR | 1 },           /* no descriptor */
        { IPI, LAST_ID, DESCRIPTOR },         /* not valid */
        { IPI, LAST_ID, DESCRIPTOR | 3 },     /* reserved bits */
        { IPI, LAST_ID, DESCRIPTOR | 0x21 },
        { IPI, LAST_ID, DESCRIPTOR | 1 | BIT(46) }, /* beyond the physical-address width of max */
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = icr_writer(0, rows[k].icr, rows[k].apic_id);
        store(&v, PID_TABLE + 8 * LAST_ID, 8, rows[k].pointer);
        expect(&v, 56, ICR);
        cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 2, "trap-like");
        cr_expect_eq(reg(&v, ICR), rows[k].icr);
        expect_posted(&v, false);
        machine_destroy(v.m);
    }
}

Test(vmx_ipi, ipi_to_itself_needs_no_descriptor)
{
    struct vm v = icr_writer(PROC2_VIRTUAL_INTERRUPT_DELIVERY, 1 << 18 | IPI, 0);
    expect(&v, 18, 0);
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), IPI);
    expect_posted(&v, false);
    machine_destroy(v.m);
}

Test(vmx_ipi, only_writes_of_the_icr_are_virtualized_for_ipis)
{
    struct vm v = apic_vm(VM(reader), PROC2_VIRTUALIZE_APIC_ACCESSES);
    use_ipis(&v);
    v.c->gpr[RDI] = ACCESS_PAGE + ICR;
    expect(&v, 44, ICR);
    machine_destroy(v.m);
    v = icr_writer(0, IPI, LAST_ID);
    clear_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_TERTIARY_CONTROLS);
    expect(&v, 44, 1 << 12 | ICR);
    expect_posted(&v, false);
    machine_destroy(v.m);
}

static struct vm icr_msr_writer(uint64_t icr)
{
    struct vm v = msr_vm(PROC2_APIC_REGISTER_VIRTUALIZATION, 0x830, (uint32_t)icr);
    use_ipis(&v);
    v.c->gpr[RDX] = icr >> 32;
    return v;
}

Test(vmx_ipi, ipis_by_the_x2apic_msr)
{
    struct vm v = icr_msr_writer((uint64_t)LAST_ID << 32 | IPI);
    expect(&v, 18, 0);
    expect_posted(&v, true);
    cr_expect_eq(v.c->gpr[RAX], IPI);
    cr_expect_eq(v.c->gpr[RDX], LAST_ID, "the page holds all 64 bits");
    machine_destroy(v.m);
    static const uint64_t exits[] = {
        (uint64_t)LAST_ID << 32 | 4 << 8 | IPI,
        BIT(56) | (uint64_t)LAST_ID << 32 | IPI,
        (uint64_t)LAST_ID << 32 | 15,
        1 << 18 | IPI,
    };
    for (unsigned k = 0; k < ARRAY_SIZE(exits); k++) {
        v = icr_msr_writer(exits[k]);
        expect(&v, 56, ICR);
        cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 2);
        cr_expect_eq(load(&v, VAPIC + ICR, 8), exits[k]);
        expect_posted(&v, false);
        machine_destroy(v.m);
    }
    static const uint8_t reserved[] = { 12, 13, 16, 17, 20, 31 };
    for (unsigned k = 0; k < ARRAY_SIZE(reserved); k++) {
        v = icr_msr_writer((uint64_t)LAST_ID << 32 | BIT(reserved[k]) | IPI);
        expect(&v, 0, 0); /* #GP */
        cr_expect_eq(load(&v, VAPIC + ICR, 8), 0);
        expect_posted(&v, false);
        machine_destroy(v.m);
    }
}

BARE_PROGRAM(self_poster, "sti\n mov %eax, (%rdi)\n vmcall\n");

/* A machine with local APICs, the first of which is enabled in x2APIC mode. */
static struct vm posted_vm(const uint8_t *start, const uint8_t *end)
{
    struct sp_error e = { 0 };
    struct machine_config config = { .ram_size = 16 << 20, .processors = 1, .cpu = "max" };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m, "%s", e.message);
    struct vm v = apic_vm(vm_create_on(m, start, end),
                          PROC2_VIRTUAL_INTERRUPT_DELIVERY | PROC2_VIRTUALIZE_APIC_ACCESSES);
    cr_assert(v.c->bus->apic_msr_write(m, v.c, 0x1b, 0xfee00d00));
    cr_assert(v.c->bus->apic_msr_write(m, v.c, 0x80f, 0x1ff));
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PROCESS_POSTED_INTERRUPTS);
    put_bits(&v, VM_EXIT_CONTROLS, EXIT_ACKNOWLEDGE_INTERRUPT);
    put(&v, POSTED_INTR_NV, NOTIFICATION);
    put(&v, POSTED_INTR_DESC_ADDR, DESCRIPTOR);
    return v;
}

/* The whole way: the sender itself runs the virtual processor to which it sends. */
Test(vmx_ipi, ipi_through_the_local_apic)
{
    struct vm v = posted_vm(self_poster_start, self_poster_end);
    const struct cpu_bus *bus = v.c->bus;
    uint64_t in_service;
    use_ipis(&v);
    v.c->bus = bus;
    store(&v, DESCRIPTOR + 36, 4, 0); /* NDST */
    set_reg(&v, ICR_HIGH, LAST_ID << 24);
    v.c->gpr[RDI] = ACCESS_PAGE + ICR;
    v.c->gpr[RAX] = IPI;
    expect(&v, 18, 0);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(IPI));
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), IPI << 8);
    cr_expect_eq(load(&v, DESCRIPTOR + IPI / 32 * 4, 4), 0);
    cr_expect_eq(load(&v, DESCRIPTOR + 32, 1), 0);
    cr_expect(bus->apic_msr_read(v.m, v.c, 0x810 + NOTIFICATION / 32, &in_service));
    cr_expect_eq(in_service, 0, "the notification was ended");
    machine_destroy(v.m);
}
