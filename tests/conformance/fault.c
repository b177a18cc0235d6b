// SPDX-License-Identifier: Apache-2.0
#include "fault.h"

#include "apic.h"
#include "suite.h"

enum { PIC1_DATA = 0x21, PIC2_DATA = 0xa1, CODE = 8, INTERRUPT_GATE = 0x8e00, STUB = 16 };

struct gate { uint16_t low, selector, flags, middle; uint32_t high, zero; };
static struct gate idt[256] __attribute__((aligned(4096)));
struct table host_idt = { sizeof idt - 1, 0 };

struct fault fault;
uint64_t recover_rip;
unsigned taken[256];

extern char isr_stubs[], crash[];        /* isr.S: 256 stubs of STUB bytes */

void fault_init(void)
{
    for (unsigned v = 0; v < 256; v++) {
        uint64_t at = (uint64_t)isr_stubs + v * STUB;
        idt[v] = (struct gate){ (uint16_t)at, CODE, INTERRUPT_GATE, (uint16_t)(at >> 16),
                                (uint32_t)(at >> 32), 0 };
    }
    host_idt.base = (uint64_t)idt;
    __asm__ volatile("lidt %0" : : "m"(host_idt));
    out8(PIC1_DATA, 0xff);
    out8(PIC2_DATA, 0xff);
}

void fault_isr(struct frame *f)
{
    if (f->vector == EXC_NMI || f->vector >= 32) {
        taken[f->vector & 0xff]++;
        if (f->vector >= 32)
            apic_eoi();
        return;
    }
    fault = (struct fault){ (unsigned)f->vector, (unsigned)f->error, f->rip, READ_CR(2) };
    if (recover_rip) {
        f->rip = recover_rip;
        recover_rip = 0;
    } else {
        f->rip = (uint64_t)crash;
        f->rsp &= ~UINT64_C(15);
    }
}

void end_nmi(void)
{
    __asm__ volatile("mov %%rsp, %%rax; pushq $16; pushq %%rax; pushfq; pushq $8; pushq $1f\n\t"
                     "iretq; 1:" : : : "memory", "rax", "cc");
}
