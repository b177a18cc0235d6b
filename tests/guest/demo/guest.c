// SPDX-License-Identifier: Apache-2.0
// Shows: the guest.  64-bit code at CPL 0 that does what makes VM exits: I/O, CPUID, RDMSR and
// WRMSR, an access to a page that EPT does not map, HLT; it ends with VMCALL.
#include "console.h"
#include "guest.h"
#include "vmx.h"

static void print(const char *text)
{
    while (*text)
        out8(GUEST_CONSOLE_PORT, (uint8_t)*text++);
}

static void print_hex(uint64_t value)
{
    print("0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        out8(GUEST_CONSOLE_PORT, (uint8_t)"0123456789abcdef"[value >> shift & 15]);
}

static void show_cpuid(void)
{
    uint32_t r[4], signature[4] = { 0 };
    cpuid(1, r);
    print("guest: CPUID says that a hypervisor is ");
    print(r[2] >> 31 & 1 ? "present" : "absent");
    cpuid(HYPERVISOR_LEAF, r);
    for (int k = 0; k < 3; k++)
        signature[k] = r[k + 1];
    print(", named ");
    print((const char *)signature);
    print("\n");
}

static void show_msr(void)
{
    wrmsr(IA32_LSTAR, 0xffff800000001000);
    print("guest: IA32_LSTAR reads back as ");
    print_hex(rdmsr(IA32_LSTAR));
    print("\n");
}

static void show_memory(void)
{
    volatile uint64_t *far = (volatile uint64_t *)GUEST_FAR_PAGE;
    *far = 0x53696c766572;
    print("guest: the page at 1 GiB holds ");
    print_hex(*far);
    print("\n");
}

void guest_main(void)
{
    print("guest: hello from 64-bit mode under EPT\n");
    show_cpuid();
    show_msr();
    show_memory();
    for (int k = 0; k < GUEST_HALTS; k++)
        __asm__ volatile("hlt");
    print("guest: done\n");
    for (;;)
        __asm__ volatile("vmcall");
}
