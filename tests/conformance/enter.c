// SPDX-License-Identifier: Apache-2.0
// VM entry, and what a case may expect of it.
#include "suite.h"
#include "vm.h"

extern uint64_t vm_switch(uint64_t registers[16], bool resume, uint64_t *rflags, uint64_t *rsp);
bool vm_launched;

/* Fields that a VM entry that fails leaves as they are (SDM vol. 3, "VM-Entry Failures During or
 * After Loading Guest State"): the information about VM exits but reason and qualification, the
 * injected event, the guest's state. */
static const enum field kept_fields[] = {
    EXIT_INTERRUPTION, EXIT_ERROR_CODE, IDT_VECTORING, IDT_VECTORING_ERROR_CODE,
    EXIT_INSTRUCTION_LENGTH, EXIT_INSTRUCTION_INFORMATION, GUEST_LINEAR_ADDRESS,
    INJECTION_INFORMATION, GUEST_RIP, GUEST_RSP, GUEST_RFLAGS, GUEST_CR0, GUEST_CR3, GUEST_CR4,
    GUEST_CS_SELECTOR, GUEST_CS_ACCESS_RIGHTS, GUEST_INTERRUPTIBILITY, GUEST_ACTIVITY_STATE,
    EXIT_REASON, EXIT_QUALIFICATION,
};
enum { KEPT = COUNT(kept_fields), REASON_AND_QUALIFICATION = 2 };
static uint64_t kept[KEPT];

static void keep(void)
{
    for (unsigned k = 0; k < KEPT; k++)
        kept[k] = vmread(kept_fields[k]);
}
static void expect_kept(unsigned fields)
{
    for (unsigned k = 0; k < fields; k++)
        expect_field(kept_fields[k], kept[k]);
}

static void capture(void)
{
    loaded.cr0 = READ_CR(0);
    loaded.cr3 = READ_CR(3);
    loaded.cr4 = READ_CR(4);
    loaded.dr7 = READ_DR(7);
    loaded.efer = rdmsr(IA32_EFER);
    loaded.pat = rdmsr(IA32_PAT);
    loaded.gdtr = read_gdtr();
    loaded.idtr = read_idtr();
    loaded.es = READ_SELECTOR(es);
    loaded.cs = READ_SELECTOR(cs);
    loaded.ss = READ_SELECTOR(ss);
    loaded.ds = READ_SELECTOR(ds);
    loaded.fs = READ_SELECTOR(fs);
    loaded.gs = READ_SELECTOR(gs);
    __asm__ volatile("str %0; sldt %1" : "=r"(loaded.tr), "=r"(loaded.ldtr));
}

enum ending vm_enter_as(bool resume)
{
    enum ending e = vm_switch(gpr, resume, &loaded.rflags, &loaded.rsp);
    if (e == VM_EXITED) {
        capture();
        vm_restore_host();
        vm_launched |= !(vmread(EXIT_REASON) & ENTRY_FAILURE);
    }
    return e;
}
enum ending vm_enter(void) { return vm_enter_as(vm_launched); }

/* ---- expectations ---- */

static const char *describe(enum ending e, char text[64])
{
    switch (e) {
    case VM_EXITED: {
        uint32_t reason = (uint32_t)vmread(EXIT_REASON), info = (uint32_t)vmread(EXIT_INTERRUPTION);
        if (reason == REASON_EXCEPTION)
            text_put(text, 64, "exit 0 (event 0x%x)", info);
        else if (reason & ENTRY_FAILURE)
            text_put(text, 64, "entry failure %u", reason & 0xffff);
        else
            text_put(text, 64, "exit %u", reason);
        return text;
    }
    case VM_INVALID: return "VMfailInvalid";
    default: text_put(text, 64, "VMfailValid %u", (unsigned)vmread(VM_INSTRUCTION_ERROR)); return text;
    }
}

static bool expect_ending(const char *expected, bool met, enum ending e)
{
    char text[64];
    return met || expect_text(expected, describe(e, text));
}

bool expect_exit(uint64_t reason)
{
    char expected[64];
    enum ending e = vm_enter();
    text_put(expected, 64, "exit %lu", reason);
    return expect_ending(expected, e == VM_EXITED && vmread(EXIT_REASON) == reason, e);
}

bool expect_exception(unsigned vector)
{
    char expected[64];
    enum ending e = vm_enter();
    text_put(expected, 64, "exit 0 (exception %u)", vector);
    return expect_ending(expected,
                         e == VM_EXITED && vmread(EXIT_REASON) == REASON_EXCEPTION &&
                             (vmread(EXIT_INTERRUPTION) & 0x800000ff) == (BIT(31) | vector), e);
}

bool expect_entered(void)
{
    enum ending e = vm_enter();
    return expect_ending("VM entry", e == VM_EXITED && !(vmread(EXIT_REASON) & ENTRY_FAILURE), e);
}

bool expect_refused(unsigned error)
{
    char expected[64];
    keep();
    enum ending e = vm_enter();
    text_put(expected, 64, "VMfailValid %u", error);
    bool met = e == VM_VALID && vmread(VM_INSTRUCTION_ERROR) == error;
    if (expect_ending(expected, met, e))
        expect_kept(KEPT);
    return met;
}

bool expect_invalid(void)
{
    enum ending e = vm_enter();
    return expect_ending("VMfailInvalid", e == VM_INVALID, e);
}

bool expect_entry_failure(unsigned reason, uint64_t qualification)
{
    char expected[64];
    keep();
    enum ending e = vm_enter();
    text_put(expected, 64, "entry failure %u", reason);
    bool met = e == VM_EXITED && vmread(EXIT_REASON) == (ENTRY_FAILURE | reason);
    if (expect_ending(expected, met, e)) {
        expect_field(EXIT_QUALIFICATION, qualification);
        expect_kept(KEPT - REASON_AND_QUALIFICATION);
    }
    return met;
}
