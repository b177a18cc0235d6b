// SPDX-License-Identifier: Apache-2.0
// Two processors: a VMCS moves between them; INIT and NMI reach VMX operation (SDM vol. 3, "Software Use
// of Virtual-Machine Control Structures", "Other Causes of VM Exits").
#include "apic.h"
#include "areas.h"
#include "exits.h"
#include "fault.h"
#include "smp.h"

static struct region other_vmxon __attribute__((aligned(4096)));

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
static void send_startup(void *argument)
{
    for (unsigned k = 0; k < 1000; k++)
        __asm__ volatile("pause");
    apic_send(*(uint32_t *)argument, IPI_STARTUP | IPI_ASSERT | 0x9a);
}

void area_smp(void)
{
    uint32_t self = apic_id();
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
    CASE("smp.sipi", "exit")
    {
        if (lacks_processor() || lacks_that(cap.misc & BIT(8), "misc.8:wait-for-sipi"))
            continue;
        vm_reset(MODE_64);
        vmwrite(GUEST_ACTIVITY_STATE, 3);
        smp_start(send_startup, &self);
        if (expect_exit(REASON_SIPI)) {
            expect_field(EXIT_QUALIFICATION, 0x9a);
            expect_field(GUEST_ACTIVITY_STATE, 3);
        }
        smp_wait();
    }
}
