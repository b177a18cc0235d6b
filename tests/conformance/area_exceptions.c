// SPDX-License-Identifier: Apache-2.0
// Exceptions in VMX non-root operation: which exit, what it tells, what it leaves (SDM vol. 3,
// "Exceptions", "Information for VM Exits Due to Vectored Events", "Information About ... Event
// Delivery").
#include "areas.h"
#include "exits.h"

enum { HARDWARE = 3 << 8, PRIVILEGED = 5 << 8, SOFTWARE = 6 << 8, NO_CODE = -1 };
#define VALID BIT(31)

/* ---- one exception each ---- */

static void not_present(void) { *guest_pte(GUEST_DATA) = 0; }
static void read_only(void) { *guest_pte(GUEST_DATA) = GUEST_DATA | 5; }
static void device_off(void) { vmwrite(GUEST_CR0, vmread(GUEST_CR0) | CR0_TS); }

static const struct exception {
    const char *name;
    uint8_t bytes[8], n, vector;
    unsigned type;
    int code;                            /* NO_CODE: none */
    uint64_t qualification;
    unsigned length;                     /* 0: not defined */
    void (*prepare)(void);
} exceptions[] = {
    { "divide", { 0xf7, 0xf1 }, 2, EXC_DE, HARDWARE, NO_CODE, 0, 0, 0 },
    { "int1", { 0xf1 }, 1, EXC_DB, PRIVILEGED, NO_CODE, 0, 1, 0 },
    { "int3", { 0xcc }, 1, EXC_BP, SOFTWARE, NO_CODE, 0, 1, 0 },
    { "undefined", { 0x0f, 0x0b }, 2, EXC_UD, HARDWARE, NO_CODE, 0, 0, 0 },
    { "device", { 0xd9, 0xe8 }, 2, EXC_NM, HARDWARE, NO_CODE, 0, 0, device_off },
    { "general-protection", { 0x8e, 0xd9 }, 2, EXC_GP, HARDWARE, 0xfff8, 0, 0, 0 },
    { "page-fault-read", { 0x8a, 0x00 }, 2, EXC_PF, HARDWARE, 0, GUEST_DATA, 0, not_present },
    { "page-fault-write", { 0x88, 0x00 }, 2, EXC_PF, HARDWARE, 2, GUEST_DATA, 0, not_present },
    { "page-fault-protection", { 0x88, 0x00 }, 2, EXC_PF, HARDWARE, 3, GUEST_DATA, 0, read_only },
};

static void start(const struct exception *x)
{
    vm_reset(MODE_64);
    guest_code(x->bytes, x->n);
    gpr[RAX] = GUEST_DATA;
    if (x->vector == EXC_GP)
        gpr[RCX] = 0xfff8;
    if (x->prepare)
        x->prepare();
}

static void exception_cases(const struct exception *x)
{
    uint64_t info = VALID | x->type | x->vector | (x->code != NO_CODE ? EVENT_CODE : 0);
    CASE("exception.exit", "%s", x->name)
    {
        start(x);
        uint64_t rip = vmread(GUEST_RIP), cr2 = READ_CR(2);
        if (!expect_exit(REASON_EXCEPTION))
            continue;
        expect_field(EXIT_INTERRUPTION, info);
        if (x->code != NO_CODE)
            expect_field(EXIT_ERROR_CODE, (uint64_t)x->code);
        expect_field(EXIT_QUALIFICATION, x->qualification);
        if (x->length)
            expect_field(EXIT_INSTRUCTION_LENGTH, x->length);
        expect_field(GUEST_RIP, rip);
        expect("CR2 unchanged", cr2, READ_CR(2));
        expect("vectoring valid", 0, vmread(IDT_VECTORING) >> 31);
    }
    CASE("exception.bitmap", "%s-clear", x->name)
    {
        start(x);
        vmwrite(EXCEPTION_BITMAP, ~BIT(x->vector) & 0xffffffff);
        if (x->vector == EXC_PF)
            vmwrite(EXCEPTION_BITMAP, 0);
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(x->vector));
    }
}

static void all_exceptions(void)
{
    for (unsigned k = 0; k < COUNT(exceptions); k++)
        exception_cases(&exceptions[k]);
}

/* ---- the filter for page faults ---- */

static void page_fault_filter(void)
{
    static const uint32_t masks[] = { 0, 1, 2, 3, 0x10, 0xffffffff };
    for (unsigned bit14 = 0; bit14 < 2; bit14++)
        for (unsigned m = 0; m < COUNT(masks); m++)
            for (unsigned match = 0; match < 4; match++)
                for (unsigned code = 0; code < 4; code++)
                    CASE("exception.page-fault-filter", "bitmap-%u-mask-0x%x-match-%u-code-%u",
                         bit14, masks[m], match, code)
                    {
                        bool exits = ((code & masks[m]) == match) == bit14;
                        vm_reset(MODE_64);
                        CODE(code & 2 ? 0x88 : 0x8a, 0x00);
                        gpr[RAX] = GUEST_DATA;
                        if (code == 1) {
                            vm_user();           /* a read of a supervisor's page: code 5 */
                            *guest_pte(GUEST_DATA) = GUEST_DATA | 3;
                            exits = ((5 & masks[m]) == match) == bit14;
                        } else {
                            *guest_pte(GUEST_DATA) = code & 1 ? GUEST_DATA | 5 : 0;
                        }
                        vmwrite(EXCEPTION_BITMAP, bit14 ? 1 << EXC_PF : 0);
                        vmwrite(PAGE_FAULT_MASK, masks[m]);
                        vmwrite(PAGE_FAULT_MATCH, match);
                        if (exits)
                            expect_exception(EXC_PF);
                        else if (expect_exit(REASON_VMCALL))
                            expect_field(GUEST_RIP, guest_handler(EXC_PF));
                    }
}

/* ---- debug exceptions ---- */

static void debug(void)
{
    CASE("exception.debug-step", "exit")
    {
        vm_reset(MODE_64);
        CODE(0x90);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_TF);
        uint64_t dr6 = READ_DR(6);
        if (!expect_exception(EXC_DB))
            continue;
        expect_field(EXIT_QUALIFICATION, BIT(14));
        expect_field(GUEST_RIP, GUEST_CODE + 1);
        expect_field(GUEST_PENDING_DEBUG, 0);
        expect("DR6 unchanged", dr6, READ_DR(6));
    }
    for (unsigned n = 0; n < 4; n++) {
        CASE("exception.debug-breakpoint", "execution-%u", n)
        {
            vm_reset(MODE_64);
            vm_set(LOAD_DEBUG);
            CODE(0x90);
            if (n == 0) WRITE_DR(0, GUEST_CODE);
            if (n == 1) WRITE_DR(1, GUEST_CODE);
            if (n == 2) WRITE_DR(2, GUEST_CODE);
            if (n == 3) WRITE_DR(3, GUEST_CODE);
            vmwrite(GUEST_DR7, 0x400 | BIT(2 * n));
            if (!expect_exception(EXC_DB))
                continue;
            expect_field(EXIT_QUALIFICATION, BIT(n));
            expect_field(GUEST_RIP, GUEST_CODE);
        }
        CASE("exception.debug-breakpoint", "write-%u", n)
        {
            vm_reset(MODE_64);
            vm_set(LOAD_DEBUG);
            CODE(0x88, 0x00);
            gpr[RAX] = GUEST_DATA;
            if (n == 0) WRITE_DR(0, GUEST_DATA);
            if (n == 1) WRITE_DR(1, GUEST_DATA);
            if (n == 2) WRITE_DR(2, GUEST_DATA);
            if (n == 3) WRITE_DR(3, GUEST_DATA);
            vmwrite(GUEST_DR7, 0x400 | BIT(2 * n) | BIT(16 + 4 * n));
            if (!expect_exception(EXC_DB))
                continue;
            expect_field(EXIT_QUALIFICATION, BIT(n));
            expect_field(GUEST_RIP, GUEST_CODE + 2);
        }
    }
    WRITE_DR(0, 0);
    WRITE_DR(1, 0);
    WRITE_DR(2, 0);
    WRITE_DR(3, 0);
}

static void general_detect(void)
{
    CASE("exception.debug-general-detect", "exit")
    {
        vm_reset(MODE_64);
        vm_set(LOAD_DEBUG);
        CODE(0x0f, 0x21, 0xc0);
        vmwrite(GUEST_DR7, 0x2400);
        if (!expect_exception(EXC_DB))
            continue;
        expect_field(EXIT_QUALIFICATION, BIT(13));
        expect_field(GUEST_DR7, 0x2400);
    }
}

/* ---- faults during delivery ---- */

static void expect_vectoring(uint64_t vectoring, int code)
{
    expect_field(IDT_VECTORING, vectoring | (code != NO_CODE ? EVENT_CODE : 0));
    if (code != NO_CODE)
        expect_field(IDT_VECTORING_ERROR_CODE, (uint64_t)code);
}

static void vectoring(void)
{
    static const struct { const char *name; unsigned type, vector; int code; } events[] = {
        { "external", EVENT_EXTERNAL, 0x30, NO_CODE }, { "nmi", EVENT_NMI, 2, NO_CODE },
        { "exception", EVENT_HARDWARE, EXC_UD, NO_CODE },
        { "exception-code", EVENT_HARDWARE, EXC_AC, 0x55 },
        { "software", EVENT_SOFTWARE_INT, 0x80, NO_CODE },
        { "privileged", EVENT_PRIVILEGED, EXC_DB, NO_CODE },
        { "software-exception", EVENT_SOFTWARE_EXCEPTION, EXC_BP, NO_CODE },
    };
    for (unsigned k = 0; k < COUNT(events); k++)
        CASE("vectoring.injected", "%s", events[k].name)
        {
            bool soft = events[k].type >= EVENT_SOFTWARE_INT;
            bool ext = events[k].type != EVENT_SOFTWARE_INT &&
                       events[k].type != EVENT_SOFTWARE_EXCEPTION;
            uint64_t info = EVENT(events[k].type, events[k].vector);
            vm_reset(MODE_64);
            vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
            vmwrite(GUEST_IDTR_LIMIT, 0);
            vmwrite(INJECTION_INFORMATION, info | (events[k].code != NO_CODE ? EVENT_CODE : 0));
            vmwrite(INJECTION_ERROR_CODE, events[k].code != NO_CODE ? (uint64_t)events[k].code : 0);
            vmwrite(INJECTION_LENGTH, 3);
            if (!expect_exception(EXC_GP))
                continue;
            expect_vectoring(info, events[k].code);
            expect_field(EXIT_ERROR_CODE, events[k].vector * 8 + 2 + ext);
            expect_field(GUEST_RIP, GUEST_CODE);
            expect("injection valid", 0, vmread(INJECTION_INFORMATION) >> 31);
            if (soft)
                expect_field(EXIT_INSTRUCTION_LENGTH, 3);
        }
    CASE("vectoring.software-interrupt", "int-n")
    {
        vm_reset(MODE_64);
        CODE(0xcd, 0x80);
        vmwrite(GUEST_IDTR_LIMIT, 0x7ff);
        if (!expect_exception(EXC_GP))
            continue;
        expect_vectoring(EVENT(EVENT_SOFTWARE_INT, 0x80), NO_CODE);
        expect_field(EXIT_INSTRUCTION_LENGTH, 2);
        expect_field(GUEST_RIP, GUEST_CODE);
    }
}

static void no_vectoring(void)
{
    CASE("vectoring.direct-exit", "none")
    {
        vm_reset(MODE_64);
        CODE(0x0f, 0x0b);
        if (expect_exception(EXC_UD))
            expect("vectoring valid", 0, vmread(IDT_VECTORING) >> 31);
    }
    CASE("vectoring.double-fault", "exit")
    {
        vm_reset(MODE_64);
        CODE(0x8e, 0xd9);
        gpr[RCX] = 0xfff8;
        vmwrite(EXCEPTION_BITMAP, BIT(EXC_DF));
        vmwrite(GUEST_IDTR_LIMIT, 0);
        if (!expect_exception(EXC_DF))
            continue;
        expect_field(EXIT_INTERRUPTION, VALID | HARDWARE | EVENT_CODE | EXC_DF);
        expect_field(EXIT_ERROR_CODE, 0);
        expect("vectoring valid", 0, vmread(IDT_VECTORING) >> 31);
    }
    CASE("vectoring.triple-fault", "exit")
    {
        vm_reset(MODE_64);
        CODE(0x8e, 0xd9);
        gpr[RCX] = 0xfff8;
        vmwrite(EXCEPTION_BITMAP, 0);
        vmwrite(GUEST_IDTR_LIMIT, 0);
        if (!expect_exit(REASON_TRIPLE_FAULT))
            continue;
        expect_field(EXIT_QUALIFICATION, 0);
        expect("vectoring valid", 0, vmread(IDT_VECTORING) >> 31);
        expect("event valid", 0, vmread(EXIT_INTERRUPTION) >> 31);
        expect_field(GUEST_RIP, GUEST_CODE);
    }
}

/* ---- task switches ---- */

static void task_switch(const char *name, const uint8_t *bytes, unsigned n, unsigned source,
                        unsigned selector)
{
    CASE("exit.task-switch", "%s", name)
    {
        vm_reset(MODE_32);
        guest_code(bytes, n);
        if (source == 1) {
            *word_at(GUEST_TSS32) = SEL_OTHER_TSS;
            qword_at(GUEST_GDT)[SEL_OTHER_TSS / 8] |= BIT(41);
            vmwrite(GUEST_RFLAGS, 2 | FLAG_NT);
        }
        if (source == 3)
            qword_at(GUEST_IDT32)[0x81] = 0x0000e50000000000 | SEL_OTHER_TSS << 16;
        expect_instruction(REASON_TASK_SWITCH, selector | (uint64_t)source << 30, n);
    }
}

static void task_switches(void)
{
    static const uint8_t call[] = { 0x9a, 0, 0, 0, 0, SEL_OTHER_TSS, 0 };
    static const uint8_t jump[] = { 0xea, 0, 0, 0, 0, SEL_OTHER_TSS, 0 };
    static const uint8_t gate[] = { 0x9a, 0, 0, 0, 0, SEL_TASK_GATE, 0 };
    static const uint8_t iret[] = { 0xcf };
    task_switch("call", call, sizeof call, 0, SEL_OTHER_TSS);
    task_switch("iret", iret, sizeof iret, 1, SEL_OTHER_TSS);
    task_switch("jmp", jump, sizeof jump, 2, SEL_OTHER_TSS);
    task_switch("call-gate", gate, sizeof gate, 0, SEL_OTHER_TSS);
    CASE("exit.task-switch-gate", "int-n")
    {
        vm_reset(MODE_32);
        uint64_t old = qword_at(GUEST_IDT32)[0x81];
        qword_at(GUEST_IDT32)[0x81] = 0x0000e50000000000 | SEL_OTHER_TSS << 16;
        CODE(0xcd, 0x81);
        bool exited = expect_exit(REASON_TASK_SWITCH);
        qword_at(GUEST_IDT32)[0x81] = old;
        if (!exited)
            continue;
        expect_field(EXIT_QUALIFICATION, SEL_OTHER_TSS | UINT64_C(3) << 30);
        expect_field(IDT_VECTORING, EVENT(EVENT_SOFTWARE_INT, 0x81));
        expect_field(EXIT_INSTRUCTION_LENGTH, 2);
    }
    CASE("priority.task-switch-busy", "jmp")
    {
        vm_reset(MODE_32);
        guest_code(jump, sizeof jump);
        qword_at(GUEST_GDT)[SEL_OTHER_TSS / 8] |= BIT(41);
        if (expect_exception(EXC_GP))
            expect_field(EXIT_ERROR_CODE, SEL_OTHER_TSS);
    }
    CASE("priority.task-switch-absent", "jmp")
    {
        vm_reset(MODE_32);
        guest_code(jump, sizeof jump);
        qword_at(GUEST_GDT)[SEL_OTHER_TSS / 8] &= ~BIT(47);
        if (expect_exception(EXC_NP))
            expect_field(EXIT_ERROR_CODE, SEL_OTHER_TSS);
    }
}

void area_exceptions(void)
{
    all_exceptions();
    page_fault_filter();
    debug();
    general_detect();
    vectoring();
    no_vectoring();
    task_switches();
}
