// SPDX-License-Identifier: Apache-2.0
// What EPT says of accesses that follow each other, of the processor's own accesses, and of shadow
// stacks (SDM vol. 3, "EPT Violations", "Exit Qualification for EPT Violations", "Supervisor
// Shadow-Stack Control").
#include "areas.h"
#include "exits.h"

enum { READ = 1, WRITE = 2, FETCH = 4, ALL = 7, LINEAR = 1 << 7, FINAL = 1 << 8, ACCESSED = 1 << 8,
       DIRTY = 1 << 9, LARGE = 1 << 7 };
#define EPT_DEFINED 0x1bfu               /* bits of the qualification that every part defines */

static uint64_t type_bits(void) { return cap.ept_vpid & BIT(14) ? 6 << 3 : 0; }

/* A guest with EPT, with these bits in EPTP. */
static void with_ept(uint64_t flags)
{
    vm_reset(MODE_64);
    ept_changed = true;
    vm_use_ept();
    ept_changed = true;
    vmwrite(EPT_POINTER, vmread(EPT_POINTER) | flags);
    ept_invalidate();
    gpr[RAX] = GUEST_DATA;
}

static void expect_violation(uint64_t qualification, uint64_t mask, uint64_t physical, uint64_t rip)
{
    if (!expect_exit(REASON_EPT_VIOLATION))
        return;
    expect("qualification", qualification, vmread(EXIT_QUALIFICATION) & mask);
    expect_field(GUEST_PHYSICAL_ADDRESS, physical);
    expect_field(GUEST_RIP, rip);
}

/* ---- two accesses to one page ---- */

/* The guest accesses GUEST_DATA in a way that its page allows, then in one that it forbids.  What
 * it executes there is `inside`. */
static const struct {
    const char *name;
    uint8_t code[6], n;
    uint32_t inside;
    unsigned rights, second;
    uint64_t rip;
} pairs[] = {
    { "read-write", { 0x8a, 0x08, 0x88, 0x08 }, 4, 0, READ, WRITE, GUEST_CODE + 2 },
    { "read-fetch", { 0x8a, 0x08, 0xff, 0xe0 }, 4, 0, READ | WRITE, FETCH, GUEST_DATA },
    { "write-fetch", { 0x88, 0x48, 0x40, 0xff, 0xe0 }, 5, 0, READ | WRITE, FETCH, GUEST_DATA },
    { "fetch-read", { 0xff, 0xe0 }, 2, 0xf4f4088a, FETCH, READ, GUEST_DATA },
    { "fetch-write", { 0xff, 0xe0 }, 2, 0xf4f40888, READ | FETCH, WRITE, GUEST_DATA },
};

static void accesses_in_turn(void)
{
    for (unsigned k = 0; k < COUNT(pairs); k++)
        CASE("ept.rights-of-each-access", "%s", pairs[k].name)
        {
            if (lacks(EPT) || lacks_that(pairs[k].rights != FETCH || cap.ept_vpid & 1,
                                         "ept-vpid-cap.0:execute-only"))
                continue;
            with_ept(0);
            guest_code(pairs[k].code, pairs[k].n);
            *dword_at(GUEST_DATA) = pairs[k].inside;
            *ept_leaf(GUEST_DATA) = GUEST_DATA | type_bits() | pairs[k].rights;
            expect_violation(pairs[k].second | pairs[k].rights << 3 | LINEAR | FINAL, EPT_DEFINED,
                             GUEST_DATA, pairs[k].rip);
        }
    CASE("ept.accessed-dirty", "read-then-write")
    {
        if (lacks(EPT) || lacks_that(cap.ept_vpid & BIT(21), "ept-vpid-cap.21:a/d"))
            continue;
        with_ept(BIT(6));
        CODE(0x8a, 0x08, 0x88, 0x08);
        expect_passes(4);
        expect("flags", ACCESSED | DIRTY, *ept_leaf(GUEST_DATA) & (ACCESSED | DIRTY));
    }
    CASE("no-exit.apic-access", "ept-control-clear")
    {
        if (lacks(EPT) || lacks(VIRTUALIZE_APIC_ACCESSES))
            continue;
        with_ept(0);
        CODE(0x8a, 0x08);
        gpr[RAX] = GUEST_APIC_ACCESS + 0x20;
        expect_passes(2);
    }
}

/* ---- RF of exits while an event is delivered ---- */

enum { STACK = GUEST_STACK_TOP - 4096, GATE_PRESENT = 47 };

static void undefined(void) { CODE(0x0f, 0x0b); }
static void interrupts(void) { CODE(0xcd, 0x80); }
static void injects(void)
{
    vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_UD));
}
/* The handler of #GP is not present. */
static void faults_twice(void)
{
    qword_at(GUEST_IDT64)[2 * EXC_GP] &= ~BIT(GATE_PRESENT);
    gpr[RAX] = 0xfff8;
    CODE(0x8e, 0xd8);
}
static void steps(void)
{
    vmwrite(GUEST_RFLAGS, 2 | FLAG_TF);
    CODE(0x90);
}

static const struct {
    const char *name;
    void (*prepare)(void);
    uint64_t event;
    unsigned flag;
} deliveries[] = {
    { "fault", undefined, EVENT(EVENT_HARDWARE, EXC_UD), 1 },
    { "software-interrupt", interrupts, EVENT(EVENT_SOFTWARE_INT, 0x80), 0 },
    { "injected", injects, EVENT(EVENT_HARDWARE, EXC_UD), 0 },
    { "double-fault", faults_twice, EVENT(EVENT_HARDWARE, EXC_DF) | EVENT_CODE, 0 },
    { "single-step", steps, EVENT(EVENT_HARDWARE, EXC_DB), 0 },
};

static void flag_of_deliveries(void)
{
    for (unsigned k = 0; k < COUNT(deliveries); k++)
        for (unsigned apic = 0; apic < 2; apic++)
            CASE("vectoring.resume-flag", "%s-%s", deliveries[k].name,
                 apic ? "apic-access" : "ept-violation")
            {
                if (lacks(apic ? VIRTUALIZE_APIC_ACCESSES : EPT))
                    continue;
                if (apic) {
                    vm_reset(MODE_64);
                    vm_set(VIRTUALIZE_APIC_ACCESSES);
                    vmwrite(GUEST_RSP, GUEST_APIC_ACCESS + 0x800);
                } else {
                    with_ept(0);
                    *ept_leaf(STACK) &= ~(uint64_t)WRITE;
                }
                vmwrite(EXCEPTION_BITMAP, 0);
                deliveries[k].prepare();
                if (expect_exit(apic ? REASON_APIC_ACCESS : REASON_EPT_VIOLATION)) {
                    expect_field(IDT_VECTORING, deliveries[k].event);
                    expect("RF", deliveries[k].flag, vmread(GUEST_RFLAGS) >> 16 & 1);
                }
                qword_at(GUEST_IDT64)[2 * EXC_GP] |= BIT(GATE_PRESENT);
            }
    /* The event before has been delivered: it is not the fetch's. */
    CASE("guest-save.rf", "handler-not-executable")
    {
        if (lacks(EPT))
            continue;
        with_ept(0);
        CODE(0xcd, 0x80);
        *ept_leaf(GUEST_HANDLERS) &= ~(uint64_t)FETCH;
        expect_violation(FETCH | (READ | WRITE) << 3 | LINEAR | FINAL, EPT_DEFINED,
                         guest_handler(0x80), guest_handler(0x80));
        expect("RF", 1, vmread(GUEST_RFLAGS) >> 16 & 1);
        expect("vectoring valid", 0, vmread(IDT_VECTORING) >> 31);
    }
}

/* ---- user interrupts ---- */

enum { IA32_UINTR_RR = 0x985, IA32_UINTR_HANDLER = 0x986, IA32_UINTR_STACKADJUST = 0x987 };
#define CR4_UINTR BIT(25)
#define ASYNCHRONOUS BIT(16)

/* After STUI, at the latest, a user interrupt is delivered, which writes to the stack. */
static bool user_interrupt(void)
{
    if (lacks_that(cap.leaf7.d & BIT(5), "cpuid.7.0:edx.5:uintr"))
        return false;
    with_ept(0);
    vm_user();
    vmwrite(GUEST_CR4, vmread(GUEST_CR4) | CR4_UINTR);
    wrmsr(IA32_UINTR_HANDLER, GUEST_CODE);
    wrmsr(IA32_UINTR_RR, BIT(5));
    CODE(0xf3, 0x0f, 0x01, 0xef, 0x90);
    return true;
}

static void user_interrupts(void)
{
    CASE("exit.user-interrupt-delivery", "ept-violation")
    {
        if (lacks(EPT) || !user_interrupt())
            continue;
        wrmsr(IA32_UINTR_STACKADJUST, 0x80);
        *ept_leaf(STACK) &= ~(uint64_t)WRITE;
        if (expect_exit(REASON_EPT_VIOLATION)) {
            expect("qualification", WRITE | (READ | FETCH) << 3 | LINEAR | FINAL | ASYNCHRONOUS,
                   vmread(EXIT_QUALIFICATION) & (EPT_DEFINED | ASYNCHRONOUS));
            expect("page", STACK, vmread(GUEST_PHYSICAL_ADDRESS) & ~UINT64_C(0xfff));
            expect_field(GUEST_RSP, GUEST_STACK_TOP);
            expect("vectoring valid", 0, vmread(IDT_VECTORING) >> 31);
        }
        wrmsr(IA32_UINTR_RR, 0);
    }
    CASE("exit.user-interrupt-delivery", "apic-access")
    {
        if (lacks(EPT) || lacks(VIRTUALIZE_APIC_ACCESSES) || !user_interrupt())
            continue;
        vm_set(VIRTUALIZE_APIC_ACCESSES);
        wrmsr(IA32_UINTR_STACKADJUST, (GUEST_APIC_ACCESS + 0x800) | 1);
        if (expect_exit(REASON_APIC_ACCESS)) {
            expect("type and bit 16", ASYNCHRONOUS | 1 << 12,
                   vmread(EXIT_QUALIFICATION) & ~UINT64_C(0xfff));
            expect_field(GUEST_RSP, GUEST_STACK_TOP);
            expect("vectoring valid", 0, vmread(IDT_VECTORING) >> 31);
        }
        wrmsr(IA32_UINTR_RR, 0);
    }
}

/* ---- supervisor shadow-stack control ---- */

enum { IA32_U_CET = 0x6a0, SH_STK_EN = 1, SSP = GUEST_DATA + 0x800, CONTROL = 1 << 7 };
enum { SHADOW_STACK_ACCESS = 1 << 13, SHADOW_STACK_PAGE = 1 << 14 };
#define MARK BIT(60)
#define SHADOW_DEFINED (EPT_DEFINED | SHADOW_STACK_ACCESS | SHADOW_STACK_PAGE)
#define HIGH_PAGES BIT(30)               /* their PDPTE has nothing else */

/* The guest's CALL writes to its shadow stack, at GUEST_DATA or at that address of HIGH_PAGES. */
static bool shadow_stack(uint64_t flags, uint64_t leaf)
{
    if (lacks(EPT) || lacks(ENTRY_LOAD_CET) || lacks(EXIT_LOAD_CET) ||
        lacks_that(cap.ept_vpid & BIT(23), "ept-vpid-cap.23:shadow-stack"))
        return false;
    with_ept(flags);
    vm_set(ENTRY_LOAD_CET);
    vm_set(EXIT_LOAD_CET);
    vmwrite(GUEST_CR4, vmread(GUEST_CR4) | CR4_CET);
    vmwrite(GUEST_S_CET, SH_STK_EN);
    vmwrite(GUEST_SSP, SSP);
    *guest_pte(GUEST_DATA) = GUEST_DATA | 0x61;
    *ept_leaf(GUEST_DATA) = GUEST_DATA | type_bits() | leaf;
    CODE(0xe8, 1, 0, 0, 0, 0x90);
    return true;
}

static void expect_shadow_violation(uint64_t rights, uint64_t bits)
{
    expect_violation(WRITE | rights << 3 | LINEAR | FINAL | bits, SHADOW_DEFINED, SSP - 8,
                     GUEST_CODE);
}

static void shadow_stack_pages(void)
{
    CASE("ept.shadow-stack", "marked-read-only")
    {
        if (!shadow_stack(CONTROL, MARK | READ))
            continue;
        expect_passes(6);
        expect("shadow stack", GUEST_CODE + 5, *qword_at(SSP - 8));
    }
    CASE("ept.shadow-stack", "not-marked")
    {
        if (shadow_stack(CONTROL, ALL))
            expect_shadow_violation(ALL, SHADOW_STACK_ACCESS);
    }
    CASE("ept.shadow-stack", "marked-execute-only")
    {
        if (shadow_stack(CONTROL, MARK | FETCH))
            expect_shadow_violation(FETCH, SHADOW_STACK_ACCESS | SHADOW_STACK_PAGE);
    }
    CASE("ept.shadow-stack", "control-clear-writable")
    {
        if (shadow_stack(0, ALL))
            expect_passes(6);
    }
    CASE("ept.shadow-stack", "control-clear-marked-read-only")
    {
        if (!shadow_stack(0, MARK | READ))
            continue;
        expect_violation(WRITE | READ << 3 | LINEAR | FINAL | SHADOW_STACK_ACCESS,
                         EPT_DEFINED | SHADOW_STACK_ACCESS, SSP - 8, GUEST_CODE);
    }
    CASE("ept.shadow-stack", "store-to-marked-read-only")
    {
        if (!shadow_stack(CONTROL, MARK | READ))
            continue;
        *guest_pte(GUEST_DATA) = GUEST_DATA | 0x63;
        CODE(0x88, 0x08);
        expect_violation(WRITE | READ << 3 | LINEAR | FINAL | SHADOW_STACK_PAGE, SHADOW_DEFINED,
                         GUEST_DATA, GUEST_CODE);
    }
    CASE("ept.shadow-stack", "user-not-marked")
    {
        if (!shadow_stack(CONTROL, ALL))
            continue;
        vm_user();
        vmwrite(GUEST_S_CET, 0);
        wrmsr(IA32_U_CET, SH_STK_EN);
        *guest_pte(GUEST_DATA) = GUEST_DATA | 0x65;
        expect_passes(6);
        expect("shadow stack", GUEST_CODE + 5, *qword_at(SSP - 8));
        wrmsr(IA32_U_CET, 0);
    }
}

/* A page of 2 MiB behind a PDPTE of its own. */
static void shadow_stack_levels(void)
{
    for (unsigned writable = 0; writable < 2; writable++)
        CASE("ept.shadow-stack", "pdpte-%s", writable ? "writable" : "read-only")
        {
            if (!shadow_stack(CONTROL, ALL))
                continue;
            volatile uint64_t *pde = &qword_at(GUEST_PD)[512];
            vmwrite(GUEST_SSP, HIGH_PAGES + SSP);
            *pde = HIGH_PAGES | LARGE | 0x61;
            ept.pdpt[1] = (uint64_t)ept.pd[1] | (writable ? ALL : READ | FETCH);
            ept.pd[1][0] = type_bits() | LARGE | MARK | READ | FETCH;
            if (writable)
                expect_passes(6);
            else
                expect_violation(WRITE | (READ | FETCH) << 3 | LINEAR | FINAL |
                                     SHADOW_STACK_ACCESS | SHADOW_STACK_PAGE,
                                 SHADOW_DEFINED, HIGH_PAGES + SSP - 8, GUEST_CODE);
            expect("shadow stack", writable ? GUEST_CODE + 5 : 0, *qword_at(SSP - 8));
            *pde = HIGH_PAGES | LARGE | 0x67;
        }
}

void area_ept_access(void)
{
    accesses_in_turn();
    flag_of_deliveries();
    user_interrupts();
    shadow_stack_pages();
    shadow_stack_levels();
    ept_reset(&ept);
}
