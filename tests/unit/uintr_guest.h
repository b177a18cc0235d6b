// SPDX-License-Identifier: Apache-2.0
// Guests at CPL 3 that send and take user interrupts, and an interrupt controller in the test's
// hands.
#ifndef SP_TESTS_UINTR_GUEST_H
#define SP_TESTS_UINTR_GUEST_H

#include "cpu/uintr.h"
#include "vmx_modes.h"

enum { UINTR_RR = 0x985, UINTR_HANDLER, UINTR_STACKADJUST, UINTR_MISC, UINTR_PD, UINTR_TT };
enum {
    UITT = 0x400000, UPID = 0x601040, ALTERNATE_STACK = 0x800100, HANDLER_CODE = GUEST_CODE + 0x200,
    TARGETS = 5 /* the last index of the UITT */, VECTOR = 37, NV = 0xe9,
};
#define PAGE_OF(address) (BARE_TABLES + 0x2000u + 8 * ((uint64_t)(address) >> 21))
#define PAGE_START(address) ((uint64_t)(address) & ~UINT64_C(0x1fffff))

/* What the local APIC was asked for. */
static struct { unsigned count, vector, eois, interrupt; uint32_t ndst; } ipi;
static inline void ipi_notify(void *machine, struct cpu *c, uint32_t ndst, uint8_t vector)
{
    ipi.count++;
    ipi.ndst = ndst;
    ipi.vector = vector;
}
static inline int ipi_acknowledge(void *machine, struct cpu *c)
{
    cpu_clear_pending(c, PEND_INTR);
    return (int)ipi.interrupt;
}
static inline void ipi_eoi(void *machine, struct cpu *c) { ipi.eois++; }
static struct cpu_bus uintr_bus;

/* 64-bit code at CPL 3 with user interrupts enabled, UIF = 0. */
static inline struct vm uintr_vm(struct vm v)
{
    memset(&ipi, 0, sizeof ipi);
    uintr_bus = *v.c->bus;
    uintr_bus.apic_notify = ipi_notify;
    uintr_bus.apic_eoi = ipi_eoi;
    uintr_bus.interrupt_acknowledge = ipi_acknowledge;
    v.c->bus = &uintr_bus;
    user_guest(&v);
    put_bits(&v, GUEST_CR4, CR4_UINTR);
    v.c->msr.uintr_handler = HANDLER_CODE;
    v.c->msr.uintr_pd = UPID;
    v.c->msr.uintr_misc = TARGETS;
    v.c->msr.uintr_tt = UITT | UINTR_TT_ENABLE;
    v.c->gpr[R11] = 0;
    store(&v, HANDLER_CODE, 4, 0x90c1010f); /* VMCALL */
    return v;
}
static inline void raise_interrupt(struct vm *v, unsigned vector)
{
    ipi.interrupt = vector;
    cpu_set_pending(v->c, PEND_INTR);
}
/* A valid entry of the UITT; the first quadword of its UPID. */
static inline void use_target(struct vm *v, unsigned index, uint64_t upid)
{
    store(v, UITT + 16 * index, 8, 1 | VECTOR << 8);
    store(v, UITT + 16 * index + 8, 8, UPID);
    store(v, UPID, 8, upid);
}
/* What UIRET pops. */
static inline void push_return(struct vm *v, uint64_t rip, uint64_t rflags, uint64_t rsp)
{
    const uint64_t frame[] = { rip, rflags, rsp };
    put(v, GUEST_RSP, GUEST_STACK - sizeof frame);
    mem_write(v->mem, GUEST_STACK - sizeof frame, frame, sizeof frame);
}

static inline void expect_exit(struct vm *v, int64_t reason, uint64_t rip)
{
    int64_t got = enter_guest(v);
    cr_expect_eq(got, reason, "exit %d, not %d", (int)got, (int)reason);
    cr_expect_eq(get(v, GUEST_RIP), rip, "RIP %#llx", (unsigned long long)get(v, GUEST_RIP));
}
/* The guest comes to a VMCALL of its own program. */
static inline void expect_end(struct vm *v)
{
    cr_expect_eq(enter_guest(v), 18);
    uint64_t rip = get(v, GUEST_RIP);
    cr_expect(rip >= GUEST_CODE && rip < HANDLER_CODE, "RIP %#llx", (unsigned long long)rip);
}
static inline void expect_fault(struct vm *v, unsigned vector)
{
    expect_exit(v, 18, HANDLER(vector));
}
static inline void expect_fault_code(struct vm *v, unsigned vector, uint64_t code)
{
    expect_fault(v, vector);
    cr_expect_eq(load(v, get(v, GUEST_RSP), 8), code, "error code %#llx",
                 (unsigned long long)load(v, get(v, GUEST_RSP), 8));
}
/* On the stack of a handler with an error code. */
static inline uint64_t interrupted_rsp(struct vm *v) { return load(v, get(v, GUEST_RSP) + 32, 8); }

#endif
