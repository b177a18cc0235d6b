// SPDX-License-Identifier: Apache-2.0
// Two processors: a VMCS moves between them; INIT and NMI reach VMX operation (SDM vol. 3, "Software Use
// of Virtual-Machine Control Structures", "Other Causes of VM Exits").
#include "apic.h"
#include "areas.h"
#include "exits.h"
#include "fault.h"
#include "smp.h"

static struct region other_vmxon __attribute__((aligned(4096)));

enum { VECTOR = 0x52, HLT_STATE = 1 };
struct errand { uint64_t vmcs, wrote, read; bool on, loaded; };

/* The other processor makes the VMCS its own, reads GUEST_RIP, writes it, and gives the VMCS back. */
static void carry(void *argument)
{
    struct errand *e = argument;
    bool ok;
    uint64_t region = (uint64_t)&other_vmxon;
    other_vmxon.revision = cap.basic & 0x7fffffff;
    __asm__ volatile("vmxon %1" : "=@cca"(ok) : "m"(region) : "memory");
    e->on = ok;
    __asm__ volatile("vmptrld %1" : "=@cca"(ok) : "m"(e->vmcs) : "memory");
    e->loaded = ok;
    e->read = vmread(GUEST_RIP);
    vmwrite(GUEST_RIP, e->wrote);
    __asm__ volatile("vmclear %0" : : "m"(e->vmcs) : "memory", "cc");
    __asm__ volatile("vmxoff" : : : "memory", "cc");
}

static void send_nmi(void *argument)
{
    for (unsigned k = 0; k < 1000; k++)
        __asm__ volatile("pause");
    apic_send(*(uint32_t *)argument, IPI_NMI | IPI_ASSERT);
}
static void send_init(void *argument)
{
    for (unsigned k = 0; k < 1000; k++)
        __asm__ volatile("pause");
    apic_send(*(uint32_t *)argument, IPI_INIT | IPI_ASSERT);
}
static void send_interrupt(void *argument)
{
    for (unsigned k = 0; k < 1000; k++)
        __asm__ volatile("pause");
    apic_send(*(uint32_t *)argument, IPI_FIXED | IPI_ASSERT | VECTOR);
}
/* A device or another hypervisor thread posts vector 61H and notifies. */
static void post_interrupt(void *argument)
{
    for (unsigned k = 0; k < 1000; k++)
        __asm__ volatile("pause");
    __atomic_or_fetch(dword_at(GUEST_POSTED + 12), 2, __ATOMIC_SEQ_CST);
    __atomic_or_fetch(dword_at(GUEST_POSTED + 32), 1, __ATOMIC_SEQ_CST);
    apic_send(*(uint32_t *)argument, IPI_FIXED | IPI_ASSERT | VECTOR);
}
static void send_startup(void *argument)
{
    for (unsigned k = 0; k < 1000; k++)
        __asm__ volatile("pause");
    apic_send(*(uint32_t *)argument, IPI_STARTUP | IPI_ASSERT | 0x9a);
}

static void interrupts(uint32_t self)
{
    for (unsigned halted = 0; halted < 2; halted++)
        CASE("smp.interrupt", halted ? "in-hlt" : "active")
        {
            if (lacks_processor())
                continue;
            vm_reset(MODE_64);
            vm_set(EXTERNAL_INTERRUPT_EXITING);
            vm_set(ACKNOWLEDGE_INTERRUPT);
            vmwrite(GUEST_ACTIVITY_STATE, halted ? HLT_STATE : 0);
            CODE(0xeb, 0xfe);
            smp_start(send_interrupt, &self);
            if (expect_exit(REASON_EXTERNAL_INTERRUPT))
                expect_field(EXIT_INTERRUPTION, EVENT(EVENT_EXTERNAL, VECTOR));
            smp_wait();
            apic_drain();
        }
    for (unsigned halted = 0; halted < 2; halted++)
        CASE("smp.posted-interrupt", halted ? "in-hlt" : "active")
        {
            if (lacks_processor() || lacks(POSTED_INTERRUPTS))
                continue;
            vm_reset(MODE_64);
            zero((void *)qword_at(GUEST_POSTED), 64);
            zero((void *)qword_at(GUEST_VIRTUAL_APIC), 4096);
            vm_set_valid(POSTED_INTERRUPTS);
            vmwrite(NOTIFICATION_VECTOR, VECTOR);
            vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
            vmwrite(GUEST_ACTIVITY_STATE, halted ? HLT_STATE : 0);
            CODE(0xeb, 0xfe);
            smp_start(post_interrupt, &self);
            if (expect_exit(REASON_VMCALL))
                expect_field(GUEST_RIP, guest_handler(0x61));
            expect("outstanding notification", 0, *dword_at(GUEST_POSTED + 32) & 1);
            smp_wait();
            apic_drain();
        }
}

static bool quit;
static void use_locks(void *argument)
{
    for (unsigned k = 0; k < 30000 && !__atomic_load_n(&quit, __ATOMIC_SEQ_CST); k++)
        __atomic_add_fetch((uint32_t *)argument, 1, __ATOMIC_SEQ_CST);
}

static void memory(void)
{
    CASE("smp.locked-access", "guest-and-host")
    {
        if (lacks_processor())
            continue;
        vm_reset(MODE_64);
        /* 1000 times LOCK ADD DWORD [RAX], 10000H */
        CODE(0xf0, 0x81, 0x00, 0x00, 0x00, 0x01, 0x00, 0xff, 0xc9, 0x75, 0xf5);
        gpr[RAX] = GUEST_DATA;
        gpr[RCX] = 1000;
        quit = false;
        smp_start(use_locks, (void *)dword_at(GUEST_DATA));
        expect_exit(REASON_VMCALL);
        quit = true;
        smp_wait();
        expect("sum of the guest", 1000, *dword_at(GUEST_DATA) >> 16);
    }
}

static void migration(void)
{
    CASE("smp.vmcs-migration", "fields-follow")
    {
        struct errand e = { .vmcs = (uint64_t)&vmcs_region, .wrote = GUEST_CODE + 1 };
        if (lacks_processor())
            continue;
        vm_reset(MODE_64);
        CODE(0x90);
        vmwrite(GUEST_RIP, 0x4321);
        try_vmclear((uint64_t)&vmcs_region);
        smp_start(carry, &e);
        if (!smp_wait())
            continue;
        expect("VMXON", 1, e.on);
        expect("VMPTRLD", 1, e.loaded);
        expect("GUEST_RIP there", 0x4321, e.read);
        try_vmptrld((uint64_t)&vmcs_region);
        expect_field(GUEST_RIP, GUEST_CODE + 1);
        expect_passes(0);
    }
}

static void signals(uint32_t self)
{
    CASE("smp.nmi", "exit")
    {
        if (lacks_processor())
            continue;
        vm_reset(MODE_64);
        vm_set(NMI_EXITING);
        CODE(0xeb, 0xfe);
        smp_start(send_nmi, &self);
        if (expect_exit(REASON_EXCEPTION))
            expect_field(EXIT_INTERRUPTION, EVENT(EVENT_NMI, 2));
        smp_wait();
        end_nmi();
    }
    CASE("smp.init", "exit")
    {
        if (lacks_processor())
            continue;
        vm_reset(MODE_64);
        CODE(0xeb, 0xfe);
        smp_start(send_init, &self);
        if (expect_exit(REASON_INIT)) {
            expect_field(EXIT_QUALIFICATION, 0);
            expect_field(GUEST_RIP, GUEST_CODE);
        }
        smp_wait();
    }
    for (unsigned timer = 0; timer < 2; timer++)
        CASE("smp.sipi", timer ? "not-the-timer" : "exit")
        {
            if (lacks_processor() || lacks_that(cap.misc & BIT(8), "misc.8:wait-for-sipi") ||
                (timer && lacks(ACTIVATE_TIMER)))
                continue;
            vm_reset(MODE_64);
            if (timer)
                vm_set(ACTIVATE_TIMER);
            vmwrite(GUEST_ACTIVITY_STATE, 3);
            smp_start(send_startup, &self);
            if (expect_exit(REASON_SIPI)) {
                expect_field(EXIT_QUALIFICATION, 0x9a);
                expect_field(GUEST_ACTIVITY_STATE, 3);
            }
            smp_wait();
        }
}

void area_smp(void)
{
    uint32_t self = apic_id();
    interrupts(self);
    memory();
    migration();
    signals(self);
}
