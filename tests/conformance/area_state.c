// SPDX-License-Identifier: Apache-2.0
// Guest state that VM exits save, host state that they load, and the lists of MSRs (SDM vol. 3, "Saving
// Guest State", "Loading Host State", "Loading MSRs").
#include "areas.h"
#include "exits.h"

/* ---- what an exit loads ---- */

static void host_registers(void)
{
    CASE("host-load.registers", "all")
    {
        vm_reset(MODE_64);
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect("RFLAGS", 2, loaded.rflags);
        expect("RSP", vmread(HOST_RSP), loaded.rsp);
        expect("CR0", vmread(HOST_CR0), loaded.cr0);
        expect("CR3", vmread(HOST_CR3), loaded.cr3);
        expect("CR4", vmread(HOST_CR4), loaded.cr4);
        expect("DR7", 0x400, loaded.dr7);
        expect("GDTR limit", 0xffff, loaded.gdtr.limit);
        expect("IDTR limit", 0xffff, loaded.idtr.limit);
        expect("LDTR", 0, loaded.ldtr);
        expect("TR", vmread(HOST_TR_SELECTOR), loaded.tr);
        expect("IA32_DEBUGCTL", 0, rdmsr(IA32_DEBUGCTL));
    }
    CASE("host-load.registers", "after-v86")
    {
        vm_reset(MODE_V86);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_VM | FLAGS_STATUS | FLAG_NT);
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect("RFLAGS", 2, loaded.rflags);
        expect("CR4", vmread(HOST_CR4), loaded.cr4);
        expect("LMA", EFER_LMA | EFER_LME, rdmsr(IA32_EFER) & (EFER_LMA | EFER_LME));
    }
    static const struct { const char *name; enum field field; uint64_t value; } bases[] = {
        { "gdtr", HOST_GDTR_BASE, 0x123456789000 }, { "idtr", HOST_IDTR_BASE, 0x7fffffff0000 },
    };
    for (unsigned k = 0; k < COUNT(bases); k++)
        CASE("host-load.base", "%s", bases[k].name)
        {
            vm_reset(MODE_64);
            vmwrite(bases[k].field, bases[k].value);
            if (expect_exit(REASON_VMCALL))
                expect("base", bases[k].value, k ? loaded.idtr.base : loaded.gdtr.base);
        }
    static const struct { const char *name; enum field field; uint32_t msr; uint64_t value; } msrs[] = {
        { "sysenter-cs", HOST_SYSENTER_CS, IA32_SYSENTER_CS, 0xabcd },
        { "sysenter-esp", HOST_SYSENTER_ESP, IA32_SYSENTER_ESP, 0xffff800000005678 },
        { "sysenter-eip", HOST_SYSENTER_EIP, IA32_SYSENTER_EIP, 0x7fff12345678 },
    };
    for (unsigned k = 0; k < COUNT(msrs); k++)
        CASE("host-load.sysenter", "%s", msrs[k].name)
        {
            vm_reset(MODE_64);
            vmwrite(msrs[k].field, msrs[k].value);
            if (expect_exit(REASON_VMCALL))
                expect("MSR", msrs[k].value, rdmsr(msrs[k].msr));
        }
}

static void selectors(void)
{
    for (unsigned s = 0; s < 6; s++)
        CASE("host-load.selector", "%u", s)
        {
            const uint16_t *const got[] = { &loaded.es, &loaded.cs, &loaded.ss, &loaded.ds,
                                            &loaded.fs, &loaded.gs };
            vm_reset(MODE_64);
            vmwrite(HOST_ES_SELECTOR + 2 * s, 0x48 + 8 * s);
            if (expect_exit(REASON_VMCALL))
                expect("selector", 0x48 + 8 * s, *got[s]);
        }
    CASE("host-load.entry-failure", "selectors")
    {
        vm_reset(MODE_64);
        vmwrite(HOST_DS_SELECTOR, 0x48);
        vmwrite(GUEST_RFLAGS, 0);
        expect_entry_failure(REASON_GUEST_STATE, 0);
        expect("DS", 0x48, loaded.ds);
        expect("DR7", 0x400, loaded.dr7);
    }
}

/* ---- what an exit saves ---- */

static void saved(void)
{
    CASE("guest-save.registers", "rsp-rflags")
    {
        vm_reset(MODE_64);
        CODE(0x50, 0xf9, 0xfc);
        vmwrite(GUEST_RFLAGS, 2 | BIT(10));
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_RSP, GUEST_STACK_TOP - 8);
        expect_field(GUEST_RFLAGS, 2 | FLAG_CF);
    }
    CASE("guest-save.segments", "data")
    {
        vm_reset(MODE_64);
        CODE(0x8e, 0xd8, 0x8e, 0xc1);
        gpr[RAX] = SEL_USER_DATA | 3;
        gpr[RCX] = 0;
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_DS_SELECTOR, SEL_USER_DATA | 3);
        expect_field(GUEST_DS_ACCESS_RIGHTS, 0xc0f3);
        expect_field(GUEST_DS_LIMIT, 0xffffffff);
        expect_field(GUEST_ES_SELECTOR, 0);
        expect("ES unusable", 1, vmread(GUEST_ES_ACCESS_RIGHTS) >> 16 & 1);
    }
    CASE("guest-save.tables", "lgdt-lidt")
    {
        if (lacks_that(!can(DESCRIPTOR_TABLE_EXITING) || can_clear(DESCRIPTOR_TABLE_EXITING),
                       "secondary.2 clear"))
            continue;
        vm_reset(MODE_64);
        CODE(0x0f, 0x01, 0x10, 0x0f, 0x01, 0x19);
        gpr[RAX] = GUEST_DATA;
        gpr[RCX] = GUEST_DATA + 16;
        *word_at(GUEST_DATA) = 0x123;
        *(volatile uint64_t *)(GUEST_DATA + 2L) = 0x56789000;
        *word_at(GUEST_DATA + 16) = 0x456;
        *(volatile uint64_t *)(GUEST_DATA + 18L) = 0xffff800000001000;
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_GDTR_LIMIT, 0x123);
        expect_field(GUEST_GDTR_BASE, 0x56789000);
        expect_field(GUEST_IDTR_LIMIT, 0x456);
        expect_field(GUEST_IDTR_BASE, 0xffff800000001000);
    }
}

static void saved_otherwise(void)
{
    CASE("guest-save.interruptibility", "sti")
    {
        vm_reset(MODE_64);
        CODE(0xfb);
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_INTERRUPTIBILITY, 1);
        expect_field(GUEST_RFLAGS, 2 | FLAG_IF);
    }
    CASE("guest-save.interruptibility", "mov-ss")
    {
        vm_reset(MODE_64);
        CODE(0x8e, 0xd0);
        gpr[RAX] = SEL_DATA;
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_INTERRUPTIBILITY, 2);
    }
    CASE("guest-save.efer-lma", "entry-control")
    {
        if (lacks_that(cap.misc & BIT(5), "misc.5:store-lma"))
            continue;
        vm_reset(MODE_64);
        expect_exit(REASON_VMCALL);
        expect("IA-32e mode guest", 1, vmread(ENTRY_CONTROLS) >> 9 & 1);
    }
    static const struct { const char *name; enum control control; enum field field; uint64_t value; }
        rows[] = {
            { "debug", SAVE_DEBUG, GUEST_DR7, 0x455 },
            { "pat", SAVE_PAT, GUEST_PAT, 0x0007040600070406 },
        };
    for (unsigned k = 0; k < COUNT(rows); k++)
        CASE("guest-save.controls", "%s", rows[k].name)
        {
            if (lacks(rows[k].control) || (k && lacks(ENTRY_LOAD_PAT)))
                continue;
            vm_reset(MODE_64);
            vm_set(rows[k].control);
            vm_set(k ? ENTRY_LOAD_PAT : LOAD_DEBUG);
            if (k)
                vm_set(EXIT_LOAD_PAT);
            vmwrite(rows[k].field, rows[k].value);
            if (expect_exit(REASON_VMCALL))
                expect_field(rows[k].field, rows[k].value);
        }
}

enum { DESCRIPTOR = 0x80 };
#define SEGMENT_BASE 0x12345678u

/* Segment registers that the guest loads: all four parts are saved. */
static void saved_segments(void)
{
    static const struct { const char *name; uint8_t number; } data[] = {
        { "es", 0 }, { "ss", 2 }, { "ds", 3 }, { "fs", 4 }, { "gs", 5 },
    };
    for (unsigned k = 0; k < COUNT(data); k++)
        CASE("guest-save.segments", "%s", data[k].name)
        {
            unsigned s = data[k].number;
            vm_reset(MODE_32);
            qword_at(GUEST_GDT)[DESCRIPTOR / 8] = 0x1255933456784321;
            CODE(0x8e, 0xc0 | s << 3);
            gpr[RAX] = DESCRIPTOR;
            if (!expect_exit(REASON_VMCALL))
                continue;
            expect_field(GUEST_ES_SELECTOR + 2 * s, DESCRIPTOR);
            expect_field(GUEST_ES_BASE + 2 * s, SEGMENT_BASE);
            expect_field(GUEST_ES_LIMIT + 2 * s, 0x54321);
            expect_field(GUEST_ES_ACCESS_RIGHTS + 2 * s, 0x5093);
        }
    CASE("guest-save.segments", "cs")
    {
        vm_reset(MODE_32);
        qword_at(GUEST_GDT)[DESCRIPTOR / 8] = 0x004f9b000000ffff | (uint64_t)GUEST_CODE << 16;
        CODE(0xea, 0x07, 0, 0, 0, DESCRIPTOR, 0);
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_RIP, 7);
        expect_field(GUEST_CS_SELECTOR, DESCRIPTOR);
        expect_field(GUEST_CS_BASE, GUEST_CODE);
        expect_field(GUEST_CS_LIMIT, 0xfffff);
        expect_field(GUEST_CS_ACCESS_RIGHTS, 0x409b);
    }
    for (unsigned tr = 0; tr < 2; tr++)
        CASE("guest-save.segments", tr ? "tr" : "ldtr")
        {
            vm_reset(MODE_32);
            qword_at(GUEST_GDT)[DESCRIPTOR / 8] = tr ? 0x1200893456780068 : 0x1200823456780068;
            CODE(0x0f, 0x00, tr ? 0xd8 : 0xd0);
            gpr[RAX] = DESCRIPTOR;
            if (tr)
                vmwrite(GUEST_TR_ACCESS_RIGHTS, 0x83);
            if (!expect_exit(REASON_VMCALL))
                continue;
            expect_field(tr ? GUEST_TR_SELECTOR : GUEST_LDTR_SELECTOR, DESCRIPTOR);
            expect_field(tr ? GUEST_TR_BASE : GUEST_LDTR_BASE, SEGMENT_BASE);
            expect_field(tr ? GUEST_TR_LIMIT : GUEST_LDTR_LIMIT, 0x68);
            expect_field(tr ? GUEST_TR_ACCESS_RIGHTS : GUEST_LDTR_ACCESS_RIGHTS, tr ? 0x8b : 0x82);
        }
}

static void saved_registers(void)
{
    static const struct { const char *name; enum field field; uint8_t n; uint64_t flip; } rows[] = {
        { "cr0", GUEST_CR0, 0, CR0_TS },
        { "cr3", GUEST_CR3, 3, 0x18 },
        { "cr4", GUEST_CR4, 4, BIT(2) },
    };
    for (unsigned k = 0; k < COUNT(rows); k++)
        CASE("guest-save.registers", "%s", rows[k].name)
        {
            if (lacks_that(k != 1 || can_clear(CR3_LOAD_EXITING), "primary.15 clear"))
                continue;
            vm_reset(MODE_64);
            if (k == 1)
                vm_clear(CR3_LOAD_EXITING);
            CODE(0x0f, 0x22, 0xc0 | rows[k].n << 3);
            gpr[RAX] = vmread(rows[k].field) ^ rows[k].flip;
            uint64_t wanted = gpr[RAX];
            if (expect_exit(REASON_VMCALL))
                expect_field(rows[k].field, wanted);
        }
    CASE("guest-save.registers", "dr7")
    {
        if (lacks(SAVE_DEBUG) || lacks(LOAD_DEBUG))
            continue;
        vm_reset(MODE_64);
        vm_set(SAVE_DEBUG);
        vm_set(LOAD_DEBUG);
        CODE(0x0f, 0x23, 0xf8);
        gpr[RAX] = 0x455;
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_DR7, 0x455);
    }
    for (unsigned n = 0; n < 4; n++)
        CASE("guest-save.pdptes", "%u", n)
        {
            if (lacks(EPT) || lacks_that(can_clear(CR3_LOAD_EXITING), "primary.15 clear"))
                continue;
            vm_reset(MODE_PAE);
            vm_use_ept();
            vm_clear(CR3_LOAD_EXITING);
            guest_paging_changed = true;
            uint64_t wanted = (GUEST_PD + ((uint64_t)n << 12)) | 0xe01;
            qword_at(GUEST_PDPT_PAE)[n] = wanted;
            CODE(0x0f, 0x22, 0xd8);
            gpr[RAX] = GUEST_PDPT_PAE;
            if (expect_exit(REASON_VMCALL))
                expect_field(GUEST_PDPTE0 + 2 * n, wanted);
        }
}

/* ---- RF ---- */

static void undefined_instruction(void) { CODE(0x0f, 0x0b); }
static void absent_page(void)
{
    *guest_pte(GUEST_DATA) = 0;
    CODE(0x8b, 0x08);
}
static void forbidden_page(void)
{
    vm_use_ept();
    *ept_leaf(GUEST_DATA) = 0;
    CODE(0x8b, 0x08);
}
static void misconfigured_page(void)
{
    vm_use_ept();
    *ept_leaf(GUEST_DATA) = GUEST_DATA | 2;
    CODE(0x8b, 0x08);
}
static void apic_page(void)
{
    vm_set(VIRTUALIZE_APIC_ACCESSES);
    gpr[RAX] = GUEST_APIC_ACCESS;
    CODE(0x8b, 0x08);
}
static void always_exits(void) { CODE(0x0f, 0xa2); }
static void triple_fault(void)
{
    vmwrite(EXCEPTION_BITMAP, 0);
    vmwrite(GUEST_IDTR_LIMIT, 0);
    CODE(0x0f, 0x0b);
}

/* Faults and what EPT refuses save RF as 1, instructions that exit as 0; triple faults as it was. */
enum flag { CLEARS, SETS, KEEPS };
static const struct {
    const char *name;
    int needs;
    unsigned reason;
    enum flag flag;
    void (*prepare)(void);
} flag_rows[] = {
    { "exception", RDTSC_EXITING, REASON_EXCEPTION, SETS, undefined_instruction },
    { "page-fault", RDTSC_EXITING, REASON_EXCEPTION, SETS, absent_page },
    { "ept-violation", EPT, REASON_EPT_VIOLATION, SETS, forbidden_page },
    { "ept-misconfiguration", EPT, REASON_EPT_MISCONFIGURATION, SETS, misconfigured_page },
    { "apic-access", VIRTUALIZE_APIC_ACCESSES, REASON_APIC_ACCESS, SETS, apic_page },
    { "instruction", RDTSC_EXITING, REASON_CPUID, CLEARS, always_exits },
    { "triple-fault", RDTSC_EXITING, REASON_TRIPLE_FAULT, KEEPS, triple_fault },
};

static void resume_flag(void)
{
    for (unsigned k = 0; k < COUNT(flag_rows); k++)
        for (unsigned before = 0; before < 2; before++)
            CASE("guest-save.rf", "%s-%u", flag_rows[k].name, before)
            {
                if (lacks((enum control)flag_rows[k].needs))
                    continue;
                vm_reset(MODE_64);
                gpr[RAX] = GUEST_DATA;
                flag_rows[k].prepare();
                vmwrite(GUEST_RFLAGS, 2 | (before ? FLAG_RF : 0));
                if (expect_exit(flag_rows[k].reason))
                    expect("RF", flag_rows[k].flag == KEEPS ? before : flag_rows[k].flag,
                           vmread(GUEST_RFLAGS) >> 16 & 1);
            }
}

/* ---- MSR lists ---- */

static void entry(unsigned area, unsigned k, uint32_t index, uint64_t value)
{
    volatile uint64_t *e = qword_at(GUEST_MSR_AREA + 1024 * area + 16 * k);
    e[0] = index;
    e[1] = value;
}
enum { STORE, EXIT_LOAD, ENTRY_LOAD };

static void lists(void)
{
    CASE("msr-list.exit-store", "kernel-gs-base")
    {
        vm_reset(MODE_64);
        wrmsr(IA32_KERNEL_GS_BASE, 0x123456789);
        entry(STORE, 0, IA32_KERNEL_GS_BASE, 0);
        entry(STORE, 1, IA32_FS_BASE, 0);
        vmwrite(GUEST_FS_BASE, 0x7777);
        vmwrite(EXIT_MSR_STORE_COUNT, 2);
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect("KERNEL_GS_BASE", 0x123456789, qword_at(GUEST_MSR_AREA)[1]);
        expect("FS_BASE", 0x7777, qword_at(GUEST_MSR_AREA)[3]);
    }
    CASE("msr-list.exit-load", "kernel-gs-base")
    {
        vm_reset(MODE_64);
        wrmsr(IA32_KERNEL_GS_BASE, 0);
        entry(EXIT_LOAD, 0, IA32_KERNEL_GS_BASE, 0x987654321);
        vmwrite(EXIT_MSR_LOAD_COUNT, 1);
        if (expect_exit(REASON_VMCALL))
            expect("MSR", 0x987654321, rdmsr(IA32_KERNEL_GS_BASE));
    }
    CASE("msr-list.entry-load", "kernel-gs-base")
    {
        vm_reset(MODE_64);
        entry(ENTRY_LOAD, 0, IA32_KERNEL_GS_BASE, 0x555);
        vmwrite(ENTRY_MSR_LOAD_COUNT, 1);
        if (expect_exit(REASON_VMCALL))
            expect("MSR", 0x555, rdmsr(IA32_KERNEL_GS_BASE));
    }
    static const struct { const char *name; uint64_t index, value; } bad[] = {
        { "fs-base", IA32_FS_BASE, 0 }, { "gs-base", IA32_GS_BASE, 0 }, { "x2apic-800", 0x800, 0 },
        { "x2apic-8ff", 0x8ff, 0 }, { "non-canonical", IA32_KERNEL_GS_BASE, BIT(63) },
        { "reserved-bits", IA32_KERNEL_GS_BASE | BIT(32), 0 },
        { "reserved-top", IA32_KERNEL_GS_BASE | BIT(63), 0 }, { "no-such-msr", 0x4fffffff, 0 },
        { "read-only", IA32_VMX_BASIC, 0 }, { "lme-with-paging", IA32_EFER, 0 },
    };
    for (unsigned k = 0; k < COUNT(bad); k++)
        for (unsigned position = 1; position <= 3; position++)
            CASE("msr-list.entry-failure", "%s-entry-%u", bad[k].name, position)
            {
                vm_reset(MODE_64);
                for (unsigned n = 0; n < 3; n++)
                    entry(ENTRY_LOAD, n, IA32_KERNEL_GS_BASE, 0x100 + n);
                volatile uint64_t *e = qword_at(GUEST_MSR_AREA + 1024 * ENTRY_LOAD) + 2 * (position - 1);
                e[0] = bad[k].index;
                e[1] = bad[k].value;
                vmwrite(ENTRY_MSR_LOAD_COUNT, 3);
                expect_entry_failure(REASON_MSR_LOADING, position);
            }
    wrmsr(IA32_KERNEL_GS_BASE, 0);
}

void area_state(void)
{
    host_registers();
    selectors();
    saved();
    saved_otherwise();
    saved_segments();
    saved_registers();
    resume_flag();
    lists();
}
