// SPDX-License-Identifier: Apache-2.0
#include "apic.h"

enum { ENABLED = 0x1ff, PENDING = 1 << 12, PATIENCE = 1 << 16 };
#define BASE UINT64_C(0xfee00000)

uint32_t apic_read(unsigned offset) { return *(volatile uint32_t *)(BASE + offset); }
void apic_write(unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(BASE + offset) = value;
}
void apic_eoi(void) { apic_write(APIC_EOI, 0); }
uint32_t apic_id(void) { return apic_read(APIC_ID) >> 24; }

void apic_init(void)
{
    wrmsr(IA32_APIC_BASE, (rdmsr(IA32_APIC_BASE) & ~BIT(10)) | BIT(11));
    apic_write(APIC_SPURIOUS, ENABLED);
    apic_write(APIC_TPR, 0);
    for (unsigned lvt = APIC_LVT_TIMER; lvt <= 0x370; lvt += 0x10)
        apic_write(lvt, 1 << 16);
}

static void settle(void)
{
    for (unsigned k = 0; k < PATIENCE && apic_read(APIC_ICR) & PENDING; k++)
        ;
}

void apic_send(uint32_t id, uint32_t command)
{
    apic_write(APIC_ICR_HIGH, id << 24);
    apic_write(APIC_ICR, command);
    settle();
}

void apic_self(unsigned vector)
{
    apic_write(APIC_ICR, IPI_SELF | IPI_ASSERT | vector);
    settle();
}

static bool any(unsigned offset)
{
    uint32_t bits = 0;
    for (unsigned k = 0; k < 8; k++)
        bits |= apic_read(offset + k * 0x10);
    return bits;
}

void apic_drain(void)
{
    apic_write(APIC_TPR, 0);
    for (unsigned k = 0; k < 256 && any(APIC_ISR); k++)
        apic_eoi();
    for (unsigned k = 0; k < 256 && any(APIC_IRR); k++)
        __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}
