// SPDX-License-Identifier: Apache-2.0
// Instructions in VMX non-root operation: which exit, when, and what comes first (SDM vol. 3,
// "Instructions That Cause VM Exits", "Relative Priority of Faults and VM Exits").
#include "areas.h"
#include "exits.h"

enum { ALWAYS = -1, NONE = -2, NAME = 64 };
enum privilege { ANY, GP, UD };
enum where { ALL, PROTECTED, SEGMENTED };

#define HAS_SMX (cap.leaf1.c & BIT(6) && cap.cr4_fixed1 & CR4_SMXE)
#define HAS_INVEPT (can(EPT) && cap.ept_vpid & BIT(20))
#define HAS_INVVPID (can(ENABLE_VPID) && cap.ept_vpid & BIT(32))
#define HAS_MONITOR (cap.leaf1.c & BIT(3))
#define HAS_RDTSCP (cap.extended.d & BIT(27))
#define HAS_XSAVE (cap.leaf1.c & BIT(26))
#define HAS_RDRAND (cap.leaf1.c & BIT(30))
#define HAS_RDSEED (cap.leaf7.b & BIT(18))
#define HAS_INVPCID (cap.leaf7.b & BIT(10))
#define HAS_WAITPKG (cap.leaf7.c & BIT(5))

#define LIST(...) { __VA_ARGS__ }
#define LENGTH(...) (sizeof (const uint8_t[]){ __VA_ARGS__ })
static const struct row {
    const char *name;
    uint8_t bytes[8];
    unsigned length;
    int enable, exiting;
    unsigned reason;
    enum privilege privilege;
    enum where where;
} rows[] = {
#define INSTRUCTION(name, bytes, enable, exiting, reason, privilege, modes, there)                 \
    { name, LIST bytes, LENGTH bytes, enable, exiting, reason, privilege, modes },
#include "instructions.def"
};
enum { ROWS = COUNT(rows) };

static bool there(unsigned k)
{
    const bool answers[ROWS] = {
#define INSTRUCTION(name, bytes, enable, exiting, reason, privilege, modes, there) (there) != 0,
#include "instructions.def"
    };
    return answers[k];
}

static bool lacks_row(unsigned k)
{
    return lacks_that(there(k), "this instruction (CPUID)") ||
           (rows[k].enable != NONE && lacks((enum control)rows[k].enable)) ||
           (rows[k].exiting != ALWAYS && lacks((enum control)rows[k].exiting));
}

/* The guest at the instruction, with nothing that makes it exit but what always does. */
static void prepare(const struct row *r, enum mode m)
{
    vm_reset(m);
    guest_code(r->bytes, r->length);
    gpr[RAX] = gpr[RBX] = GUEST_DATA;
    gpr[RCX] = r->reason == REASON_INVPCID ? 2 : 0;
    uint64_t cr4 = vmread(GUEST_CR4);
    if (r->reason == REASON_XSETBV)
        cr4 |= CR4_OSXSAVE;
    if (r->reason == REASON_GETSEC)
        cr4 |= CR4_SMXE;
    vmwrite(GUEST_CR4, cr4);
    if (r->enable != NONE)
        vm_set((enum control)r->enable);
}
static void make_exit(const struct row *r)
{
    if (r->exiting != ALWAYS)
        vm_set((enum control)r->exiting);
}

static bool undefined_in(const struct row *r, enum mode m)
{
    bool real = m == MODE_REAL || m == MODE_V86;
    return (r->where == PROTECTED && (real || m == MODE_COMPATIBILITY)) ||
           (r->where == SEGMENTED && real);
}

/* Virtual-8086 mode runs at CPL 3. */
static void expect_at(const struct row *r, bool user)
{
    uint64_t qualification = r->reason == REASON_INVLPG ? GUEST_DATA : 0;
    if (user && r->privilege == GP)
        expect_fault_at(EXC_GP);
    else if (user && r->privilege == UD)
        expect_fault_at(EXC_UD);
    else
        expect_instruction(r->reason, qualification, r->length);
}

static void exits(unsigned k)
{
    const struct row *r = &rows[k];
    char rule[NAME];
    text_put(rule, NAME, "exit.%s", r->name);
    for (enum mode m = 0; m < MODES; m++)
        CASE(rule, "%s", mode_name(m))
        {
            if (lacks_row(k) || lacks_mode(m))
                continue;
            prepare(r, m);
            make_exit(r);
            if (undefined_in(r, m))
                expect_fault_at(EXC_UD);
            else
                expect_at(r, m == MODE_V86);
        }
    text_put(rule, NAME, "priority.%s-privilege", r->name);
    for (unsigned k32 = 0; k32 < 2; k32++)
        CASE(rule, "%s", k32 ? "32" : "64")
        {
            if (lacks_row(k))
                continue;
            prepare(r, k32 ? MODE_32 : MODE_64);
            make_exit(r);
            vm_user();
            expect_at(r, true);
        }
}

static void does_not_exit(unsigned k)
{
    const struct row *r = &rows[k];
    char rule[NAME];
    text_put(rule, NAME, "no-exit.%s", r->name);
    CASE(rule, "control-clear")
    {
        if (lacks_that(r->exiting != ALWAYS, "a control") || lacks_row(k) ||
            lacks_that(can_clear((enum control)r->exiting), "the control's 0-setting") ||
            lacks_that(r->reason != REASON_HLT && r->reason != REASON_RDPMC,
                       "an instruction that ends by itself"))
            continue;
        prepare(r, MODE_64);
        if (r->reason == REASON_LDTR_TR)
            gpr[RAX] = r->bytes[2] == 0xd8 ? SEL_FREE_TSS : 0;
        if (r->reason == REASON_GDTR_IDTR && r->bytes[2] >= 0x10) {
            *word_at(GUEST_DATA) = 0xfff;
            *qword_at(GUEST_DATA + 2) = r->bytes[2] == 0x10 ? GUEST_GDT : GUEST_IDT64;
        }
        expect_passes(r->length);
    }
    if (r->enable == NONE)
        return;
    text_put(rule, NAME, "disabled.%s", r->name);
    for (unsigned on = 0; on < 2; on++)
        CASE(rule, "%s", on ? "exiting" : "not-exiting")
        {
            if (lacks_row(k))
                continue;
            prepare(r, MODE_64);
            vm_clear((enum control)r->enable);
            if (on)
                make_exit(r);
            expect_fault_at(EXC_UD);
        }
}

/* Prefixes belong to the length; LOCK makes the instruction undefined before it exits. */
static void prefixes(unsigned k)
{
    const struct row *r = &rows[k];
    char rule[NAME];
    text_put(rule, NAME, "length.%s", r->name);
    static const uint8_t prefix[] = { 0x2e, 0x65, 0x40 };
    for (unsigned p = 0; p < COUNT(prefix); p++)
        CASE(rule, "prefix-0x%x", prefix[p])
        {
            uint8_t bytes[12];
            bool rex = prefix[p] == 0x40;
            unsigned mandatory = rex && (r->bytes[0] == 0x66 || r->bytes[0] >= 0xf2) &&
                                 r->bytes[0] != 0xf4;
            if (lacks_row(k))
                continue;
            prepare(r, MODE_64);
            make_exit(r);
            copy(bytes, r->bytes, mandatory);
            bytes[mandatory] = prefix[p];
            copy(bytes + mandatory + 1, r->bytes + mandatory, r->length - mandatory);
            guest_code(bytes, r->length + 1);
            expect_instruction(r->reason, r->reason == REASON_INVLPG ? GUEST_DATA : 0, r->length + 1);
        }
    text_put(rule, NAME, "priority.%s-lock", r->name);
    CASE(rule, "undefined")
    {
        if (lacks_row(k))
            continue;
        prepare(r, MODE_64);
        make_exit(r);
        uint8_t bytes[12] = { 0xf0 };
        copy(bytes + 1, r->bytes, r->length);
        guest_code(bytes, r->length + 1);
        expect_fault_at(EXC_UD);
    }
}

static void features(void)
{
    CASE("priority.getsec-smxe", "clear")
    {
        if (lacks_that(HAS_SMX, "CPUID.1:ECX.SMX"))
            continue;
        vm_reset(MODE_64);
        CODE(0x0f, 0x37);
        expect_fault_at(EXC_UD);
    }
    CASE("priority.xsetbv-osxsave", "clear")
    {
        vm_reset(MODE_64);
        CODE(0x0f, 0x01, 0xd1);
        expect_fault_at(EXC_UD);
    }
    CASE("exit.mwait-monitor-armed", "armed")
    {
        if (lacks_that(HAS_MONITOR, "CPUID.1:ECX.MONITOR") || lacks(MWAIT_EXITING) ||
            lacks_that(can_clear(MONITOR_EXITING), "primary.29 clear"))
            continue;
        vm_reset(MODE_64);
        vm_set(MWAIT_EXITING);
        gpr[RAX] = GUEST_DATA;
        CODE(0x0f, 0x01, 0xc8, 0x0f, 0x01, 0xc9);
        if (expect_exit(REASON_MWAIT))
            expect_field(EXIT_QUALIFICATION, 1);
        expect_field(GUEST_RIP, GUEST_CODE + 3);
    }
}

void area_instructions(void)
{
    for (unsigned k = 0; k < ROWS; k++) {
        exits(k);
        does_not_exit(k);
        prefixes(k);
    }
    features();
}
