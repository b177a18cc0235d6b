// SPDX-License-Identifier: Apache-2.0
// EPT (SDM vol. 3, "The Extended Page Table Mechanism (EPT)", "Exit Qualification for EPT Violations"):
// violations, misconfigurations, accessed and dirty flags, PML, #VE, VM functions, mode-based execution.
#include "areas.h"
#include "exits.h"

enum { READ = 1, WRITE = 2, FETCH = 4, ALL = 7, LINEAR = 1 << 7, FINAL = 1 << 8, ACCESSED = 1 << 8,
       DIRTY = 1 << 9, LARGE = 1 << 7, IPAT = 1 << 6 };
#define EPT_DEFINED 0x1bfu               /* bits of the qualification that every part defines */
#define TWO_MB UINT64_C(0x200000)

static bool lacks_ad(void)
{
    return lacks(EPT) || lacks_that(cap.ept_vpid & BIT(21), "ept-vpid-cap.21:a/d");
}
static void use_ad(void)
{
    vmwrite(EPT_POINTER, vmread(EPT_POINTER) | BIT(6));
    ept_invalidate();
}
static uint64_t type_bits(void) { return cap.ept_vpid & BIT(14) ? 6 << 3 : 0; }

enum access { LOAD, STORE, EXECUTE, ACCESSES };
static const char *const access_names[] = { "read", "write", "fetch" };

/* The guest accesses GUEST_DATA, in which a VMCALL stands. */
static void start(enum mode m, enum access a)
{
    vm_reset(m);
    ept_changed = true;
    vm_use_ept();
    ept_changed = true;
    *dword_at(GUEST_DATA) = 0xf4c1010f;
    gpr[RAX] = gpr[RBX] = GUEST_DATA;
    if (a == LOAD)
        CODE(0x8a, 0x08);
    else if (a == STORE)
        CODE(0xc6, 0x00, 0x0f);
    else
        CODE(0xff, 0xe0);
}
static unsigned bit_of(enum access a) { return a == LOAD ? READ : a == STORE ? WRITE : FETCH; }

static void expect_violation(uint64_t qualification, uint64_t physical, uint64_t linear)
{
    if (!expect_exit(REASON_EPT_VIOLATION))
        return;
    expect("qualification", qualification, vmread(EXIT_QUALIFICATION) & EPT_DEFINED);
    expect_field(GUEST_PHYSICAL_ADDRESS, physical);
    if (qualification & LINEAR)
        expect_field(GUEST_LINEAR_ADDRESS, linear);
    expect("vectoring valid", 0, vmread(IDT_VECTORING) >> 31);
    expect("event valid", 0, vmread(EXIT_INTERRUPTION) >> 31);
}

/* ---- permissions of the leaf ---- */

static bool misconfigured(unsigned rights)
{
    return (rights & 3) == WRITE || (rights == FETCH && !(cap.ept_vpid & 1));
}

static void permissions(enum mode m)
{
    for (unsigned rights = 0; rights < 8; rights++)
        for (enum access a = LOAD; a < ACCESSES; a++)
            CASE("ept.permissions", "%s-rights-%u-%s", mode_name(m), rights, access_names[a])
            {
                if (lacks(EPT) || lacks_mode(m))
                    continue;
                start(m, a);
                *ept_leaf(GUEST_DATA) = GUEST_DATA | (rights ? type_bits() : 0) | rights;
                if (rights && misconfigured(rights)) {
                    if (expect_exit(REASON_EPT_MISCONFIGURATION)) {
                        expect_field(GUEST_PHYSICAL_ADDRESS, GUEST_DATA);
                        expect_field(EXIT_QUALIFICATION, 0);
                    }
                } else if (rights & bit_of(a)) {
                    expect_exit(REASON_VMCALL);
                } else {
                    expect_violation(bit_of(a) | rights << 3 | LINEAR | FINAL, GUEST_DATA,
                                     GUEST_DATA);
                }
            }
}

/* GUEST_DATA goes through EPT's second PML4E. */
static void use_second_pml4e(void)
{
    ept.pml4[1] = (uint64_t)ept.pdpt | ALL;
    *guest_pte(GUEST_DATA) = BIT(39) | GUEST_DATA | 0x67;
}

/* Rights are those of all levels together. */
static void levels(void)
{
    static const char *const names[] = { "pml4e", "pdpte", "pde", "pte" };
    for (unsigned level = 0; level < 4; level++)
        for (unsigned rights = 0; rights < 8; rights++) {
            if (rights == 2 || rights == 6 || rights == 4)
                continue;
            CASE("ept.level-rights", "%s-rights-%u", names[level], rights)
            {
                if (lacks(EPT))
                    continue;
                start(MODE_64, STORE);
                uint64_t *const entries[] = { &ept.pml4[1], &ept.pdpt[1], &ept.pd[0][1],
                                              ept_leaf(GUEST_DATA) };
                /* an address whose walk has that entry to itself */
                uint64_t linear = level == 2 ? TWO_MB : level == 1 ? BIT(30) : GUEST_DATA;
                uint64_t address = level ? linear : BIT(39) | GUEST_DATA;
                if (lacks_that(level || cap.physical_bits > 39, "a physical address of 40 bits"))
                    continue;
                if (!level)
                    use_second_pml4e();
                *entries[level] = (*entries[level] & ~UINT64_C(7)) | rights;
                gpr[RAX] = linear;
                if (rights & WRITE)
                    expect_exit(REASON_VMCALL);
                else
                    expect_violation(WRITE | rights << 3 | LINEAR | FINAL, address, linear);
            }
        }
}

/* ---- misconfigurations ---- */

static void leaf_misconfigurations(void)
{
    for (unsigned type = 0; type < 8; type++)
        CASE("ept.memory-type", "%u", type)
        {
            if (lacks(EPT))
                continue;
            start(MODE_64, LOAD);
            *ept_leaf(GUEST_DATA) = GUEST_DATA | type << 3 | ALL;
            expect_exit(type == 2 || type == 3 || type == 7 ? REASON_EPT_MISCONFIGURATION :
                                                              REASON_VMCALL);
        }
    for (unsigned bit = 36; bit < 52; bit++) {
        CASE("ept.address-width", "pte-bit-%u", bit)
        {
            if (lacks(EPT) || lacks_that(bit >= cap.physical_bits, "a narrower physical address"))
                continue;
            start(MODE_64, LOAD);
            *ept_leaf(GUEST_DATA) |= BIT(bit);
            if (expect_exit(REASON_EPT_MISCONFIGURATION))
                expect_field(GUEST_PHYSICAL_ADDRESS, GUEST_DATA);
        }
        CASE("ept.address-width", "pde-bit-%u", bit)
        {
            if (lacks(EPT) || lacks_that(bit >= cap.physical_bits, "a narrower physical address"))
                continue;
            start(MODE_64, LOAD);
            ept.pd[0][1] |= BIT(bit);
            gpr[RAX] = TWO_MB;
            if (expect_exit(REASON_EPT_MISCONFIGURATION))
                expect_field(GUEST_PHYSICAL_ADDRESS, TWO_MB);
        }
    }
}

static void reserved_bits(void)
{
    for (unsigned bit = 12; bit < 21; bit++)
        CASE("ept.large-page-reserved", "pde-bit-%u", bit)
        {
            if (lacks(EPT))
                continue;
            start(MODE_64, LOAD);
            ept.pd[0][1] |= BIT(bit);
            gpr[RAX] = TWO_MB;
            expect_exit(REASON_EPT_MISCONFIGURATION);
        }
    for (unsigned bit = 3; bit < 8; bit++) {
        CASE("ept.table-reserved", "pml4e-bit-%u", bit)
        {
            if (lacks(EPT) || lacks_that(cap.physical_bits > 39, "a physical address of 40 bits"))
                continue;
            start(MODE_64, LOAD);
            use_second_pml4e();
            ept.pml4[1] |= BIT(bit);
            if (expect_exit(REASON_EPT_MISCONFIGURATION))
                expect_field(GUEST_PHYSICAL_ADDRESS, BIT(39) | GUEST_DATA);
        }
        CASE("ept.table-reserved", "pdpte-bit-%u", bit)
        {
            if (lacks(EPT) || lacks_that(bit < 7, "(bit 7 maps 1 GiB)"))
                continue;
            start(MODE_64, LOAD);
            ept.pdpt[1] |= BIT(bit);
            gpr[RAX] = BIT(30);
            expect_exit(REASON_EPT_MISCONFIGURATION);
        }
        CASE("ept.table-reserved", "pde-bit-%u", bit)
        {
            if (lacks(EPT) || lacks_that(bit < 7, "(bit 7 maps 2 MiB)"))
                continue;
            start(MODE_64, LOAD);
            ept.pd[0][1] = (uint64_t)ept.pt | ALL | BIT(bit);
            gpr[RAX] = TWO_MB + GUEST_DATA;
            expect_exit(REASON_EPT_MISCONFIGURATION);
        }
    }
}

static void no_misconfigurations(void)
{
    for (unsigned bit = 52; bit < 64; bit++)
        CASE("ept.ignored-bits", "bit-%u", bit)
        {
            if (lacks(EPT))
                continue;
            start(MODE_64, LOAD);
            *ept_leaf(GUEST_DATA) |= BIT(bit);
            expect_exit(REASON_VMCALL);
        }
    CASE("ept.one-gib-page", "mapped")
    {
        if (lacks(EPT))
            continue;
        start(MODE_64, LOAD);
        ept.pdpt[1] = ALL | LARGE | type_bits() | BIT(30);
        gpr[RAX] = BIT(30);
        expect_exit(cap.ept_vpid & BIT(17) ? REASON_VMCALL : REASON_EPT_MISCONFIGURATION);
    }
    CASE("ept.misconfiguration-not-reached", "not-present-above")
    {
        if (lacks(EPT))
            continue;
        start(MODE_64, LOAD);
        ept.pd[0][1] = WRITE << 3;
        gpr[RAX] = TWO_MB;
        expect_violation(READ | LINEAR | FINAL, TWO_MB, TWO_MB);
    }
}

/* ---- the guest's own paging structures ---- */

static void guest_tables(void)
{
    static const struct { const char *name; uint64_t table; } tables[] = {
        { "pml4", GUEST_PML4 }, { "pdpt", GUEST_PDPT }, { "pd", GUEST_PD }, { "pt", GUEST_PT },
    };
    for (unsigned k = 0; k < COUNT(tables); k++)
        CASE("ept.guest-paging", "%s", tables[k].name)
        {
            uint64_t index = k < 3 ? 0 : GUEST_CODE >> 12;
            if (lacks(EPT))
                continue;
            start(MODE_64, LOAD);
            *ept_leaf(tables[k].table) = 0;
            expect_violation(READ | LINEAR, tables[k].table + 8 * index, GUEST_CODE);
        }
    CASE("ept.guest-paging-first", "page-fault-before-violation")
    {
        if (lacks(EPT))
            continue;
        start(MODE_64, STORE);
        *guest_pte(GUEST_DATA) = GUEST_DATA | 1;
        *ept_leaf(GUEST_DATA) = 0;
        expect_exception(EXC_PF);
    }
    CASE("ept.guest-paging-write", "accessed-dirty-on")
    {
        if (lacks_ad())
            continue;
        start(MODE_64, LOAD);
        use_ad();
        *ept_leaf(GUEST_PT) &= ~(uint64_t)WRITE;
        expect_violation(READ | WRITE | (READ | FETCH) << 3 | LINEAR,
                         GUEST_PT + 8 * (GUEST_CODE >> 12), GUEST_CODE);
    }
}

/* ---- accessed and dirty flags, PML ---- */

static void flags(void)
{
    for (enum access a = LOAD; a < ACCESSES; a++)
        CASE("ept.accessed-dirty", "%s", access_names[a])
        {
            if (lacks_ad())
                continue;
            start(MODE_64, a);
            use_ad();
            expect_exit(REASON_VMCALL);
            expect("flags", a == STORE ? ACCESSED | DIRTY : ACCESSED,
                   *ept_leaf(GUEST_DATA) & (ACCESSED | DIRTY));
            expect("flags of the PDE", ACCESSED, ept.pd[0][0] & (ACCESSED | DIRTY));
            expect("flags of the guest's PT", ACCESSED | DIRTY,
                   *ept_leaf(GUEST_PT) & (ACCESSED | DIRTY));
        }
    CASE("ept.accessed-dirty", "off")
    {
        if (lacks(EPT))
            continue;
        start(MODE_64, STORE);
        expect_exit(REASON_VMCALL);
        expect("flags", 0, *ept_leaf(GUEST_DATA) & (ACCESSED | DIRTY));
    }
}

static bool pml(uint16_t index)
{
    if (lacks(PML) || lacks_ad())
        return false;
    start(MODE_64, STORE);
    vm_set(PML);
    use_ad();
    for (unsigned k = 0; k < 512; k++)       /* all dirty but the page of the case */
        ept.pt[k] |= ACCESSED | DIRTY;
    *ept_leaf(GUEST_DATA) &= ~(uint64_t)(ACCESSED | DIRTY);
    vmwrite(PML_INDEX, index);
    zero((void *)qword_at(GUEST_PML), 4096);
    return true;
}

static void page_modification_log(void)
{
    static const uint16_t indices[] = { 0, 1, 511 };
    for (unsigned k = 0; k < COUNT(indices); k++)
        CASE("pml.log", "index-%u", indices[k])
        {
            if (!pml(indices[k]))
                continue;
            expect_exit(REASON_VMCALL);
            expect("entry", GUEST_DATA, qword_at(GUEST_PML)[indices[k]]);
            expect_field(PML_INDEX, (uint16_t)(indices[k] - 1));
        }
    static const uint16_t full[] = { 512, 0x8000, 0xffff };
    for (unsigned k = 0; k < COUNT(full); k++)
        CASE("pml.full", "index-0x%x", full[k])
        {
            if (!pml(full[k]))
                continue;
            if (!expect_exit(REASON_PML_FULL))
                continue;
            expect_field(EXIT_QUALIFICATION, 0);
            expect_field(GUEST_RIP, GUEST_CODE);
            expect("flags", 0, *ept_leaf(GUEST_DATA) & DIRTY);
            expect_field(PML_INDEX, full[k]);
        }
    CASE("pml.dirty-already", "no-entry")
    {
        if (!pml(7))
            continue;
        *ept_leaf(GUEST_DATA) |= ACCESSED | DIRTY;
        expect_exit(REASON_VMCALL);
        expect_field(PML_INDEX, 7);
    }
    CASE("pml.dirty-already", "accessed-flag-alone-is-set")
    {
        if (!pml(7))
            continue;
        *ept_leaf(GUEST_DATA) |= DIRTY;
        expect_exit(REASON_VMCALL);
        expect("flags", ACCESSED | DIRTY, *ept_leaf(GUEST_DATA) & (ACCESSED | DIRTY));
        expect_field(PML_INDEX, 7);
    }
    static const uint16_t off[] = { 7, 0xffff };
    for (unsigned k = 0; k < COUNT(off); k++)
        CASE("pml.off", "index-0x%x", off[k])
        {
            if (!pml(off[k]))
                continue;
            vm_clear(PML);
            expect_exit(REASON_VMCALL);
            expect("flags", ACCESSED | DIRTY, *ept_leaf(GUEST_DATA) & (ACCESSED | DIRTY));
            expect_field(PML_INDEX, off[k]);
            expect("entry", 0, qword_at(GUEST_PML)[7]);
        }
}

/* ---- #VE ---- */

static bool ve(void)
{
    if (lacks(EPT_VIOLATION_VE))
        return false;
    start(MODE_64, STORE);
    vm_set(EPT_VIOLATION_VE);
    zero((void *)qword_at(GUEST_VE), 4096);
    vmwrite(EXCEPTION_BITMAP, ~BIT(EXC_VE) & 0xffffffff);
    vmwrite(EPTP_INDEX, 0x1234);
    for (unsigned k = 0; k < 512; k++)
        ept.pt[k] |= BIT(63);
    *ept_leaf(GUEST_DATA) = GUEST_DATA | type_bits() | READ;
    return true;
}

static void virtualization_exceptions(void)
{
    CASE("ve.delivered", "write")
    {
        if (!ve() || !expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_RIP, guest_handler(EXC_VE));
        expect("reason", REASON_EPT_VIOLATION, *dword_at(GUEST_VE));
        expect("busy", 0xffffffff, *dword_at(GUEST_VE + 4));
        expect("qualification", WRITE | READ << 3 | LINEAR | FINAL,
               *qword_at(GUEST_VE + 8) & EPT_DEFINED);
        expect("linear address", GUEST_DATA, *qword_at(GUEST_VE + 16));
        expect("physical address", GUEST_DATA, *qword_at(GUEST_VE + 24));
        expect("EPTP index", 0x1234, *word_at(GUEST_VE + 32));
    }
    CASE("ve.exception-bitmap", "exits")
    {
        if (!ve())
            continue;
        vmwrite(EXCEPTION_BITMAP, 0xffffffff);
        expect_exception(EXC_VE);
    }
    CASE("ve.suppressed", "bit-63")
    {
        if (!ve())
            continue;
        *ept_leaf(GUEST_DATA) |= BIT(63);
        expect_violation(WRITE | READ << 3 | LINEAR | FINAL, GUEST_DATA, GUEST_DATA);
    }
    CASE("ve.busy", "nonzero")
    {
        if (!ve())
            continue;
        *dword_at(GUEST_VE + 4) = 1;
        expect_violation(WRITE | READ << 3 | LINEAR | FINAL, GUEST_DATA, GUEST_DATA);
    }
    CASE("ve.misconfiguration", "never-converted")
    {
        if (!ve())
            continue;
        *ept_leaf(GUEST_DATA) = GUEST_DATA | type_bits() | WRITE;
        expect_exit(REASON_EPT_MISCONFIGURATION);
    }
}

static void violations_that_exit(void)
{
    CASE("ve.real-mode", "exits")
    {
        if (lacks(EPT_VIOLATION_VE) || lacks_mode(MODE_REAL))
            continue;
        vm_reset(MODE_REAL);
        ept_changed = true;
        vm_set(EPT_VIOLATION_VE);
        zero((void *)qword_at(GUEST_VE), 4096);
        CODE(0xa3, 0x00, 0x00);
        vmwrite(GUEST_DS_SELECTOR, GUEST_DATA / 16);
        vmwrite(GUEST_DS_BASE, GUEST_DATA);
        *ept_leaf(GUEST_DATA) = GUEST_DATA | type_bits() | READ;
        expect_exit(REASON_EPT_VIOLATION);
    }
    CASE("ve.during-delivery", "exits")
    {
        if (!ve())
            continue;
        CODE(0xcd, 0x80);
        *ept_leaf(GUEST_STACK_TOP - 4096) &= ~(BIT(63) | WRITE);
        vmwrite(EXCEPTION_BITMAP, 0);
        if (expect_exit(REASON_EPT_VIOLATION))
            expect_field(IDT_VECTORING, EVENT(EVENT_SOFTWARE_INT, 0x80));
    }
}

/* ---- VM functions ---- */

enum { LISTED = 3, RESERVED_BIT, NULL_POINTER, MEMORY_TYPE, WALK_LENGTH, FIVE_LEVELS, LIST = 512 };

static void function_case(const char *name, uint32_t eax, uint32_t ecx, int wanted, bool enabled)
{
    CASE("vmfunc.call", "%s", name)
    {
        if (lacks(VM_FUNCTIONS) || lacks_that(cap.vmfunc & 1, "vmfunc.0:eptp-switching"))
            continue;
        start(MODE_64, LOAD);
        CODE(0x0f, 0x01, 0xd4);
        ept_reset(&ept2);
        zero((void *)qword_at(GUEST_EPTP_LIST), 4096);
        qword_at(GUEST_EPTP_LIST)[LISTED] = ept_pointer(&ept2);
        qword_at(GUEST_EPTP_LIST)[RESERVED_BIT] = ept_pointer(&ept2) | BIT(11);
        qword_at(GUEST_EPTP_LIST)[MEMORY_TYPE] = (ept_pointer(&ept2) & ~UINT64_C(7)) | 5;
        qword_at(GUEST_EPTP_LIST)[WALK_LENGTH] = ept_pointer(&ept2) & ~UINT64_C(0x38);
        qword_at(GUEST_EPTP_LIST)[FIVE_LEVELS] = ept_pointer(&ept2) ^ 7 << 3;
        qword_at(GUEST_EPTP_LIST)[LIST] = ept_pointer(&ept2);    /* behind the list */
        if (enabled)
            vm_set(VM_FUNCTIONS);
        vmwrite(VM_FUNCTION_CONTROLS, ecx == 77 ? 0 : 1);
        gpr[RAX] = eax;
        gpr[RCX] = ecx;
        if (wanted < 0) {
            expect_fault_at(EXC_UD);
        } else if (wanted) {
            expect_instruction(REASON_VMFUNC, 0, 3);
        } else {
            expect_passes(3);
            expect_field(EPT_POINTER, ept_pointer(&ept2));
            if (can(EPT_VIOLATION_VE))
                expect_field(EPTP_INDEX, ecx);
        }
    }
}

static void functions(void)
{
    function_case("switches", 0, LISTED, 0, true);
    function_case("bad-eptp", 0, RESERVED_BIT, 1, true);
    function_case("null-eptp", 0, NULL_POINTER, 1, true);
    function_case("memory-type", 0, MEMORY_TYPE, 1, true);
    function_case("walk-length", 0, WALK_LENGTH, 1, true);
    function_case("five-levels", 0, FIVE_LEVELS, 1, true);
    function_case("index-512", 0, LIST, 1, true);
    function_case("index-large", 0, 0xffffffff, 1, true);
    function_case("function-1", 1, 3, 1, true);
    function_case("function-63", 63, 3, 1, true);
    function_case("function-64", 64, 3, -1, true);
    function_case("function-off", 0, 77, 1, true);
    function_case("disabled", 0, 3, -1, false);
}

/* ---- mode-based execute control ---- */

static void mode_based(void)
{
    for (unsigned supervisor = 0; supervisor < 2; supervisor++)
        for (unsigned user = 0; user < 2; user++)
            for (unsigned user_page = 0; user_page < 2; user_page++)
                CASE("ept.mode-based-execute", "supervisor-%u-user-%u-page-%u", supervisor, user,
                     user_page)
                {
                    if (lacks(MODE_BASED_EXECUTE))
                        continue;
                    start(MODE_64, EXECUTE);
                    vm_set(MODE_BASED_EXECUTE);
                    for (unsigned k = 0; k < 512; k++)
                        ept.pt[k] |= BIT(10);
                    ept.pd[0][0] |= BIT(10);
                    ept.pdpt[0] |= BIT(10);
                    ept.pml4[0] |= BIT(10);
                    *ept_leaf(GUEST_DATA) = GUEST_DATA | type_bits() | READ | WRITE |
                                            (supervisor ? FETCH : 0) | (user ? BIT(10) : 0);
                    *guest_pte(GUEST_DATA) = GUEST_DATA | (user_page ? 7 : 3);
                    if (user_page ? user : supervisor)
                        expect_exit(REASON_VMCALL);
                    else if (expect_exit(REASON_EPT_VIOLATION))
                        expect("qualification",
                               FETCH | (READ | WRITE) << 3 | supervisor << 5 | user << 6 | LINEAR |
                                   FINAL,
                               vmread(EXIT_QUALIFICATION) & (EPT_DEFINED | BIT(6)));
                }
}

void area_ept(void)
{
    static const enum mode modes[] = { MODE_64, MODE_32, MODE_FLAT };
    for (unsigned k = 0; k < COUNT(modes); k++)
        permissions(modes[k]);
    levels();
    leaf_misconfigurations();
    reserved_bits();
    no_misconfigurations();
    guest_tables();
    flags();
    page_modification_log();
    virtualization_exceptions();
    violations_that_exit();
    functions();
    mode_based();
    ept_reset(&ept);
}
