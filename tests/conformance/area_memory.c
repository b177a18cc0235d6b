// SPDX-License-Identifier: Apache-2.0
// What later processors let EPT say of guest memory (SDM vol. 3, "Sub-Page Write Permissions",
// "Hypervisor-Managed Linear-Address Translation", "EPT Paging-Write Control", "Guest-Paging
// Verification").
#include "areas.h"
#include "exits.h"

enum { READ = 1, WRITE = 2, FETCH = 4, ALL = 7, LINEAR = 1 << 7, FINAL = 1 << 8, ACCESSED = 1 << 8,
       DIRTY = 1 << 9 };
enum { RESTART = 1 << 11, HLAT_ERROR = 1 << 7, MISS = 1 << 11, UNVERIFIED = 1 << 15 };
#define NMI_UNBLOCKED BIT(12)
#define EPT_DEFINED 0x1bfu
#define VERIFY BIT(57)
#define PAGING_WRITE BIT(58)
#define SUB_PAGES BIT(61)

static uint64_t type_bits(void) { return cap.ept_vpid & BIT(14) ? 6 << 3 : 0; }

static void with_ept(void)
{
    vm_reset(MODE_64);
    ept_changed = true;
    vm_use_ept();
    ept_changed = true;
    gpr[RAX] = GUEST_DATA;
}

static void expect_violation(uint64_t qualification, uint64_t mask, uint64_t physical)
{
    if (!expect_exit(REASON_EPT_VIOLATION))
        return;
    expect("qualification", qualification, vmread(EXIT_QUALIFICATION) & mask);
    expect_field(GUEST_PHYSICAL_ADDRESS, physical);
}

/* ---- sub-page write permissions ---- */

enum { SPPL4 = GUEST_SPP, SPPL3 = GUEST_SPP + 0x1000, SPPL2 = GUEST_SPP + 0x2000,
       SPPL1 = GUEST_SPP + 0x3000, VECTOR = SPPL1 + 8 * (GUEST_DATA >> 12) };
static const struct { const char *name; uint64_t at; } spp_entries[] = {
    { "sppl4e", SPPL4 }, { "sppl3e", SPPL3 }, { "sppl2e", SPPL2 },
};

/* The guest writes four bytes at GUEST_DATA plus `offset`, which EPT forbids. */
static bool sub_pages(uint64_t vector, unsigned offset)
{
    if (lacks(SUB_PAGE_WRITE))
        return false;
    with_ept();
    vm_set(SUB_PAGE_WRITE);
    vmwrite(SPP_TABLE_POINTER, SPPL4);
    zero((void *)qword_at(SPPL4), 0x4000);
    *qword_at(SPPL4) = SPPL3 | 1;
    *qword_at(SPPL3) = SPPL2 | 1;
    *qword_at(SPPL2) = SPPL1 | 1;
    *qword_at(VECTOR) = vector;
    *ept_leaf(GUEST_DATA) = SUB_PAGES | GUEST_DATA | type_bits() | READ;
    gpr[RAX] += offset;
    gpr[RCX] = 0x11223344;
    CODE(0x89, 0x08);
    return true;
}

static void sub_page_vectors(void)
{
    for (unsigned page = 0; page < 32; page++) {
        CASE("spp.allowed", "sub-page-%u", page)
        {
            if (!sub_pages(BIT(2 * page), page * 128 + 124))
                continue;
            expect_passes(2);
            expect("memory", 0x11223344, *dword_at(GUEST_DATA + page * 128 + 124));
        }
        CASE("spp.forbidden", "sub-page-%u", page)
        {
            if (!sub_pages(UINT64_C(0x5555555555555555) & ~BIT(2 * page), page * 128))
                continue;
            expect_violation(WRITE | READ << 3 | LINEAR | FINAL, EPT_DEFINED,
                             GUEST_DATA + page * 128);
            expect("memory", 0, *dword_at(GUEST_DATA + page * 128));
        }
        CASE("spp.misconfiguration", "vector-bit-%u", 2 * page + 1)
        {
            if (sub_pages(UINT64_C(0x5555555555555555) | BIT(2 * page + 1), 0) &&
                expect_exit(REASON_SPP))
                expect("qualification", 0, vmread(EXIT_QUALIFICATION) & ~NMI_UNBLOCKED);
        }
    }
}

static void sub_page_walks(void)
{
    for (unsigned k = 0; k < COUNT(spp_entries); k++) {
        CASE("spp.miss", "%s", spp_entries[k].name)
        {
            if (!sub_pages(1, 0))
                continue;
            *qword_at(spp_entries[k].at) &= ~UINT64_C(1);
            if (!expect_exit(REASON_SPP))
                continue;
            expect("qualification", MISS, vmread(EXIT_QUALIFICATION) & ~NMI_UNBLOCKED);
            expect_field(GUEST_PHYSICAL_ADDRESS, GUEST_DATA);
            expect_field(GUEST_LINEAR_ADDRESS, GUEST_DATA);
            expect_field(GUEST_RIP, GUEST_CODE);
        }
        for (unsigned bit = 1; bit < 52; bit++)
            CASE("spp.misconfiguration", "%s-bit-%u", spp_entries[k].name, bit)
            {
                if (lacks_that(bit < 12 || bit >= cap.physical_bits, "(a bit of the address)") ||
                    !sub_pages(1, 0))
                    continue;
                *qword_at(spp_entries[k].at) |= BIT(bit);
                if (expect_exit(REASON_SPP))
                    expect("qualification", 0, vmread(EXIT_QUALIFICATION) & ~NMI_UNBLOCKED);
            }
    }
}

static void sub_pages_not_asked(void)
{
    CASE("spp.not-asked", "bit-61-clear")
    {
        if (!sub_pages(~UINT64_C(0) / 3, 0))
            continue;
        *ept_leaf(GUEST_DATA) &= ~SUB_PAGES;
        expect_violation(WRITE | READ << 3 | LINEAR | FINAL, EPT_DEFINED, GUEST_DATA);
    }
    CASE("spp.not-asked", "control-clear")
    {
        if (!sub_pages(~UINT64_C(0) / 3, 0))
            continue;
        vm_clear(SUB_PAGE_WRITE);
        expect_violation(WRITE | READ << 3 | LINEAR | FINAL, EPT_DEFINED, GUEST_DATA);
    }
    CASE("spp.not-asked", "read")
    {
        if (!sub_pages(0, 0))
            continue;
        *qword_at(SPPL4) = 0;
        CODE(0x8b, 0x08);
        expect_passes(2);
    }
    CASE("spp.not-asked", "writable-page")
    {
        if (!sub_pages(0, 0))
            continue;
        *qword_at(SPPL4) = 0;
        *ept_leaf(GUEST_DATA) |= WRITE;
        expect_passes(2);
    }
    CASE("spp.not-asked", "fetch")
    {
        if (!sub_pages(0, 0))
            continue;
        *qword_at(SPPL4) = 0;
        CODE(0xff, 0xe0);
        expect_violation(FETCH | READ << 3 | LINEAR | FINAL, EPT_DEFINED, GUEST_DATA);
    }
}

enum { SUB_PAGES_2M = 0x200000 };

/* Pages of other kinds, and the processor's own writes. */
static void sub_pages_of_others(void)
{
    CASE("spp.not-asked", "large-page")
    {
        if (!sub_pages(0, 0))
            continue;
        *qword_at(SPPL4) = 0;
        ept.pd[0][1] = (ept.pd[0][1] & ~(uint64_t)(WRITE | FETCH)) | SUB_PAGES;
        gpr[RAX] = SUB_PAGES_2M;
        expect_violation(WRITE | READ << 3 | LINEAR | FINAL, EPT_DEFINED, SUB_PAGES_2M);
    }
    CASE("spp.not-asked", "execute-only-page")
    {
        if (lacks_that(cap.ept_vpid & 1, "ept-vpid-cap.0:execute-only") || !sub_pages(0, 0))
            continue;
        *qword_at(SPPL4) = 0;
        *ept_leaf(GUEST_DATA) ^= READ | FETCH;
        expect_violation(WRITE | FETCH << 3 | LINEAR | FINAL, EPT_DEFINED, GUEST_DATA);
    }
    /* The guest's accessed flag is to be set; whether that is a read, too, is left open. */
    CASE("spp.not-asked", "paging-structure")
    {
        if (!sub_pages(0, 0))
            continue;
        *qword_at(SPPL4) = 0;
        *guest_pte(GUEST_DATA) = GUEST_DATA | 7;
        *ept_leaf(GUEST_PT) = SUB_PAGES | GUEST_PT | type_bits() | READ;
        expect_violation(WRITE | READ << 3 | LINEAR, EPT_DEFINED & ~(uint64_t)READ,
                         GUEST_PT + 8 * (GUEST_DATA >> 12));
    }
}

/* ---- HLAT paging ---- */

static const struct { const char *name; uint64_t table, address; } hlat_entries[] = {
    { "pml4e", GUEST_HLAT, 0 }, { "pdpte", GUEST_HLAT + 0x1000, 0 },
    { "pde", GUEST_HLAT + 0x2000, 0 },
    { "pte", GUEST_HLAT + 0x3000 + 8 * (GUEST_DATA >> 12), GUEST_DATA2 },
};

/* HLAT paging maps GUEST_DATA to GUEST_DATA2 and restarts for everything else; the guest reads. */
static bool hlat(unsigned prefix)
{
    if (lacks(HLAT))
        return false;
    with_ept();
    vm_set(HLAT);
    vmwrite(HLAT_POINTER, GUEST_HLAT);
    vmwrite(HLAT_PREFIX_SIZE, prefix);
    for (unsigned table = 0; table < 4; table++)
        for (unsigned k = 0; k < 512; k++)
            qword_at(GUEST_HLAT + table * 0x1000)[k] =
                k || table == 3 ? RESTART | 1 : (GUEST_HLAT + (table + 1) * 0x1000) | 7;
    *qword_at(hlat_entries[3].table) = GUEST_DATA2 | 7;
    *dword_at(GUEST_DATA) = 1;
    *dword_at(GUEST_DATA2) = 2;
    CODE(0x8b, 0x08);
    return true;
}
static void expect_page(unsigned page)
{
    expect_passes(2);
    expect("page", page, gpr[RCX]);
}

static void hlat_paging(void)
{
    CASE("hlat.translates", "all-addresses")
    {
        if (hlat(0))
            expect_page(2);
    }
    CASE("hlat.translates", "cr3-not-used")
    {
        if (!hlat(0))
            continue;
        qword_at(GUEST_HLAT + 0x3000)[GUEST_CODE >> 12] = GUEST_CODE | 7;
        vmwrite(GUEST_CR3, BIT(32));
        expect_page(2);
    }
    for (unsigned size = 1; size <= 52; size++)
        CASE("hlat.prefix", "size-%u", size)
        {
            if (lacks_that(size <= (cap.ept_vpid >> 48 & 0x3f), "ept-vpid-cap.53-48:prefix-size"))
                continue;
            if (hlat(size))
                expect_page(1);
        }
    for (unsigned k = 0; k < COUNT(hlat_entries); k++) {
        CASE("hlat.restart", "%s", hlat_entries[k].name)
        {
            if (!hlat(0))
                continue;
            *qword_at(hlat_entries[k].table) = RESTART | 1;
            expect_page(1);
        }
        CASE("hlat.not-present", "%s", hlat_entries[k].name)
        {
            if (!hlat(0))
                continue;
            *qword_at(hlat_entries[k].table) = RESTART;
            if (expect_exception(EXC_PF))
                expect("error code", HLAT_ERROR,
                       vmread(EXIT_ERROR_CODE) & ~(k < 3 ? UINT64_C(0x10) : 0));
        }
    }
    CASE("hlat.not-present", "ordinary-paging-has-no-flag")
    {
        if (!hlat(0))
            continue;
        *qword_at(hlat_entries[3].table) = RESTART | 1;
        *guest_pte(GUEST_DATA) = 0;
        if (expect_exception(EXC_PF))
            expect_field(EXIT_ERROR_CODE, 0);
    }
    CASE("hlat.off", "control-clear")
    {
        if (!hlat(0))
            continue;
        vm_clear(HLAT);
        expect_page(1);
    }
}

/* ---- paging-write access and guest-paging verification ---- */

static const struct { const char *name; uint64_t at; } guest_tables[] = {
    { "pml4", GUEST_PML4 }, { "pdpt", GUEST_PDPT }, { "pd", GUEST_PD }, { "pt", GUEST_PT },
};

static void paging_write(void)
{
    for (unsigned k = 0; k < COUNT(guest_tables); k++)
        for (unsigned how = 0; how < 3; how++)
            CASE("ept.paging-write", "%s-%s", guest_tables[k].name,
                 how == 0 ? "allowed" : how == 1 ? "bit-58-clear" : "control-clear")
            {
                if (lacks(EPT_PAGING_WRITE) ||
                    lacks_that(cap.ept_vpid & BIT(21), "ept-vpid-cap.21:a/d"))
                    continue;
                with_ept();
                CODE(0x8b, 0x08);
                if (how != 2)
                    vm_set(EPT_PAGING_WRITE);
                vmwrite(EPT_POINTER, vmread(EPT_POINTER) | BIT(6));
                ept_invalidate();
                uint64_t *leaf = ept_leaf(guest_tables[k].at);
                *leaf &= ~(uint64_t)WRITE;
                if (how != 1)
                    *leaf |= PAGING_WRITE;
                uint64_t index = k < 3 ? 0 : GUEST_CODE >> 12;
                if (how == 0) {
                    expect_passes(2);
                    expect("flags", ACCESSED | DIRTY, *leaf & (ACCESSED | DIRTY));
                } else {
                    expect_violation(READ | WRITE | (READ | FETCH) << 3 | LINEAR, EPT_DEFINED,
                                     guest_tables[k].at + 8 * index);
                }
            }
    CASE("ept.paging-write", "not-for-stores")
    {
        if (lacks(EPT_PAGING_WRITE))
            continue;
        with_ept();
        vm_set(EPT_PAGING_WRITE);
        *ept_leaf(GUEST_DATA) = GUEST_DATA | type_bits() | READ | PAGING_WRITE;
        CODE(0x89, 0x08);
        expect_violation(WRITE | READ << 3 | LINEAR | FINAL, EPT_DEFINED, GUEST_DATA);
    }
}

/* A leaf that can be executed and not read, with bit 58. */
static void paging_write_without_read(void)
{
    for (unsigned control = 0; control < 2; control++)
        CASE("ept.paging-write", "unreadable-%s", control ? "misconfigured" : "control-clear")
        {
            if (lacks(EPT_PAGING_WRITE) || lacks_that(cap.ept_vpid & 1, "ept-vpid-cap.0:execute-only"))
                continue;
            with_ept();
            if (control)
                vm_set(EPT_PAGING_WRITE);
            *dword_at(GUEST_DATA) = 0xf4c1010f;
            *ept_leaf(GUEST_DATA) = GUEST_DATA | type_bits() | FETCH | PAGING_WRITE;
            CODE(0xff, 0xe0);
            expect_exit(control ? REASON_EPT_MISCONFIGURATION : REASON_VMCALL);
        }
}

static bool verification(void)
{
    if (lacks(GUEST_PAGING_VERIFICATION) || lacks(EPT_PAGING_WRITE))
        return false;
    with_ept();
    vm_set(GUEST_PAGING_VERIFICATION);
    vm_set(EPT_PAGING_WRITE);
    CODE(0x8b, 0x08);
    for (unsigned k = 0; k < COUNT(guest_tables); k++)
        *ept_leaf(guest_tables[k].at) |= PAGING_WRITE;
    *ept_leaf(GUEST_DATA) |= VERIFY;
    return true;
}

static void verified_paging(void)
{
    CASE("ept.guest-paging-verification", "verified")
    {
        if (verification())
            expect_passes(2);
    }
    for (unsigned k = 0; k < COUNT(guest_tables); k++)
        CASE("ept.guest-paging-verification", "%s-not-writable-by-paging", guest_tables[k].name)
        {
            if (!verification())
                continue;
            *ept_leaf(guest_tables[k].at) &= ~PAGING_WRITE;
            expect_violation(READ | ALL << 3 | LINEAR | FINAL | UNVERIFIED,
                             EPT_DEFINED | UNVERIFIED, GUEST_DATA);
        }
    CASE("ept.guest-paging-verification", "bit-57-clear")
    {
        if (!verification())
            continue;
        *ept_leaf(GUEST_DATA) &= ~VERIFY;
        *ept_leaf(GUEST_PT) &= ~PAGING_WRITE;
        expect_passes(2);
    }
    CASE("ept.guest-paging-verification", "page-of-a-paging-structure")
    {
        if (!verification())
            continue;
        *ept_leaf(GUEST_DATA) &= ~VERIFY;
        *ept_leaf(GUEST_PT) |= VERIFY;
        *ept_leaf(GUEST_PD) &= ~PAGING_WRITE;
        expect_passes(2);
    }
    CASE("ept.guest-paging-verification", "control-clear")
    {
        if (!verification())
            continue;
        vm_clear(GUEST_PAGING_VERIFICATION);
        *ept_leaf(GUEST_PT) &= ~PAGING_WRITE;
        expect_passes(2);
    }
}

/* ---- exits during event delivery ---- */

enum { STACK = GUEST_STACK_TOP - 4096 };

static void misconfigured_stack(void) { *ept_leaf(STACK) = STACK | type_bits() | WRITE; }
static void read_only_stack(void) { *ept_leaf(STACK) &= ~(uint64_t)WRITE; }
static void missing_sub_pages(void)
{
    vm_set(SUB_PAGE_WRITE);
    vmwrite(SPP_TABLE_POINTER, SPPL4);
    *qword_at(SPPL4) = 0;
    *ept_leaf(STACK) = SUB_PAGES | STACK | type_bits() | READ;
}
/* The log is full for accessed flags, too: only the stack's page has one to set. */
static void full_log(void)
{
    vm_set_valid(PML);
    vmwrite(PML_INDEX, 0xffff);
    ept.pml4[0] |= ACCESSED;
    ept.pdpt[0] |= ACCESSED;
    ept.pd[0][0] |= ACCESSED;
    for (unsigned k = 0; k < 512; k++)
        ept.pt[k] |= ACCESSED | DIRTY;
    *ept_leaf(STACK) &= ~(uint64_t)DIRTY;
}

static const struct {
    const char *name;
    int needs;
    unsigned reason;
    void (*prepare)(void);
} during[] = {
    { "ept-violation", EPT, REASON_EPT_VIOLATION, read_only_stack },
    { "ept-misconfiguration", EPT, REASON_EPT_MISCONFIGURATION, misconfigured_stack },
    { "spp-miss", SUB_PAGE_WRITE, REASON_SPP, missing_sub_pages },
    { "pml-full", PML, REASON_PML_FULL, full_log },
};

static void event_delivery(void)
{
    for (unsigned k = 0; k < COUNT(during); k++)
        for (unsigned injected = 0; injected < 2; injected++)
            CASE("vectoring.memory", "%s-%s", during[k].name, injected ? "injected" : "int")
            {
                if (lacks((enum control)during[k].needs) ||
                    lacks_that(during[k].needs != PML || cap.ept_vpid & BIT(21),
                               "ept-vpid-cap.21:a/d"))
                    continue;
                with_ept();
                during[k].prepare();
                if (injected) {
                    vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_GP) | EVENT_CODE);
                    vmwrite(INJECTION_ERROR_CODE, 0x1234);
                } else {
                    CODE(0xcd, 0x80);
                }
                if (!expect_exit(during[k].reason))
                    continue;
                expect_field(GUEST_RIP, GUEST_CODE);
                expect_field(GUEST_RSP, GUEST_STACK_TOP);
                expect("event valid", 0, vmread(EXIT_INTERRUPTION) >> 31);
                if (injected) {
                    expect_field(IDT_VECTORING, EVENT(EVENT_HARDWARE, EXC_GP) | EVENT_CODE);
                    expect_field(IDT_VECTORING_ERROR_CODE, 0x1234);
                } else {
                    expect_field(IDT_VECTORING, EVENT(EVENT_SOFTWARE_INT, 0x80));
                    expect_field(EXIT_INSTRUCTION_LENGTH, 2);
                }
            }
}

/* ---- what a violation tells of the guest's page ---- */

enum { USER = 1 << 2, USER_PAGE = 1 << 9, WRITABLE_PAGE = 1 << 10, NO_EXECUTE_PAGE = 1 << 11 };

static void page_information(void)
{
    for (unsigned k = 0; k < 8; k++)
        CASE("ept.advanced-information", "%s%s%s", k & 1 ? "user" : "supervisor",
             k & 2 ? "-writable" : "-read-only", k & 4 ? "-no-execute" : "")
        {
            if (lacks(EPT) || lacks_that(cap.ept_vpid & BIT(22), "ept-vpid-cap.22:information"))
                continue;
            with_ept();
            CODE(0x8b, 0x08);
            *guest_pte(GUEST_DATA) = GUEST_DATA | 0x61 | (k & 1 ? USER : 0) | (k & 2 ? WRITE : 0) |
                                     (k & 4 ? BIT(63) : 0);
            *ept_leaf(GUEST_DATA) = 0;
            expect_violation((k & 1 ? USER_PAGE : 0) | (k & 2 ? WRITABLE_PAGE : 0) |
                                 (k & 4 ? NO_EXECUTE_PAGE : 0) | READ | LINEAR | FINAL,
                             EPT_DEFINED | USER_PAGE | WRITABLE_PAGE | NO_EXECUTE_PAGE, GUEST_DATA);
        }
}

void area_memory(void)
{
    event_delivery();
    page_information();
    sub_page_vectors();
    sub_page_walks();
    sub_pages_not_asked();
    sub_pages_of_others();
    hlat_paging();
    paging_write();
    paging_write_without_read();
    verified_paging();
    ept_changed = true;
}
