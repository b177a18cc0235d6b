// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "MP Initialization Protocol": INIT, SIPI, SIPI.
#include "smp.h"

#include "apic.h"
#include "fault.h"
#include "suite.h"
#include "vm.h"

enum { START_PAGE = 0x8000, PATIENCE = 1 << 24, INIT_PATIENCE = 1 << 16, WAKE_VECTOR = 0x40 };

extern char ap_start[], ap_end[], ap_gdt_pointer[];
void ap_main(void);

static struct {
    volatile bool there;
    volatile uint32_t id;
    void (*volatile function)(void *);
    void *volatile argument;
} other;

static void relax(unsigned n)
{
    while (n--)
        __asm__ volatile("pause" : : : "memory");
}

void ap_main(void)
{
    __asm__ volatile("lidt %0" : : "m"(host_idt));
    apic_init();
    WRITE_CR(0, (READ_CR(0) | CR0_WP | cap.cr0_fixed0) & cap.cr0_fixed1);
    WRITE_CR(4, (READ_CR(4) | cap.cr4_fixed0) & cap.cr4_fixed1);
    other.id = apic_id();
    other.there = true;
    for (;;) {
        if (other.function) {
            other.function(other.argument);
            other.function = 0;
        } else {
            __asm__ volatile("sti; hlt; cli" : : : "memory");
        }
    }
}

void smp_init(void)
{
    if (!suite_word("smp"))
        return;
    copy((void *)(uint64_t)START_PAGE, ap_start, (uint64_t)(ap_end - ap_start));
    apic_write(APIC_ICR_HIGH, 0);
    apic_write(APIC_ICR, IPI_OTHERS | IPI_INIT | IPI_ASSERT);
    relax(INIT_PATIENCE);
    for (unsigned k = 0; k < 2 && !other.there; k++) {
        apic_write(APIC_ICR, IPI_OTHERS | IPI_STARTUP | IPI_ASSERT | START_PAGE >> 12);
        for (unsigned wait = 0; wait < 64 && !other.there; wait++)
            relax(INIT_PATIENCE / 16);
    }
}

bool lacks_processor(void) { return lacks_that(other.there, "word smp and a second processor"); }
uint32_t smp_other_id(void) { return other.id; }

void smp_start(void (*function)(void *), void *argument)
{
    other.argument = argument;
    other.function = function;
    apic_send(other.id, IPI_FIXED | IPI_ASSERT | WAKE_VECTOR);
}

bool smp_wait(void)
{
    for (unsigned k = 0; k < PATIENCE && other.function; k++)
        __asm__ volatile("pause" : : : "memory");
    return expect("the other processor is done", 1, !other.function);
}
