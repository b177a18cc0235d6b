// SPDX-License-Identifier: Apache-2.0
// The VM-exit instruction-information field and the displacement in the exit qualification (SDM vol. 3,
// "Information for VM Exits Due to Instruction Execution").  64-bit mode, except where said.
#include "areas.h"
#include "exits.h"

enum { NO_REGISTER = 16, MEMORY = 0, REGISTER = 1 << 10, RIP_RELATIVE = 17 };

/* A memory operand: base and index registers or NO_REGISTER, scale 0 to 3, displacement. */
struct operand { unsigned base, index, scale; int32_t displacement; };

static const struct row {
    const char *name;
    uint8_t prefix, opcode[3], opcodes;
    unsigned reg;                        /* ModRM.reg: an opcode's extension, or a register */
    unsigned reason;
    uint32_t identity;                   /* bits 29:28, or register operands in their places */
    enum control needs;
    int enable;
} rows[] = {
    { "vmptrld", 0, { 0x0f, 0xc7 }, 2, 6, REASON_VMPTRLD, 0, 0, 0 },
    { "vmptrst", 0, { 0x0f, 0xc7 }, 2, 7, REASON_VMPTRST, 0, 0, 0 },
    { "vmclear", 0x66, { 0x0f, 0xc7 }, 2, 6, REASON_VMCLEAR, 0, 0, 0 },
    { "vmxon", 0xf3, { 0x0f, 0xc7 }, 2, 6, REASON_VMXON, 0, 0, 0 },
    { "vmread", 0, { 0x0f, 0x78 }, 2, 5, REASON_VMREAD, 5u << 28, 0, 0 },
    { "vmwrite", 0, { 0x0f, 0x79 }, 2, 5, REASON_VMWRITE, 5u << 28, 0, 0 },
    { "invept", 0x66, { 0x0f, 0x38, 0x80 }, 3, 5, REASON_INVEPT, 5u << 28, EPT, 0 },
    { "invvpid", 0x66, { 0x0f, 0x38, 0x81 }, 3, 5, REASON_INVVPID, 5u << 28, ENABLE_VPID, 0 },
    { "invpcid", 0x66, { 0x0f, 0x38, 0x82 }, 3, 5, REASON_INVPCID, 5u << 28, INVPCID, INVLPG_EXITING },
    { "sgdt", 0, { 0x0f, 0x01 }, 2, 0, REASON_GDTR_IDTR, 0, DESCRIPTOR_TABLE_EXITING, 0 },
    { "sidt", 0, { 0x0f, 0x01 }, 2, 1, REASON_GDTR_IDTR, 1u << 28, DESCRIPTOR_TABLE_EXITING, 0 },
    { "lgdt", 0, { 0x0f, 0x01 }, 2, 2, REASON_GDTR_IDTR, 2u << 28, DESCRIPTOR_TABLE_EXITING, 0 },
    { "lidt", 0, { 0x0f, 0x01 }, 2, 3, REASON_GDTR_IDTR, 3u << 28, DESCRIPTOR_TABLE_EXITING, 0 },
    { "sldt", 0, { 0x0f, 0x00 }, 2, 0, REASON_LDTR_TR, 0, DESCRIPTOR_TABLE_EXITING, 0 },
    { "str", 0, { 0x0f, 0x00 }, 2, 1, REASON_LDTR_TR, 1u << 28, DESCRIPTOR_TABLE_EXITING, 0 },
    { "lldt", 0, { 0x0f, 0x00 }, 2, 2, REASON_LDTR_TR, 2u << 28, DESCRIPTOR_TABLE_EXITING, 0 },
    { "ltr", 0, { 0x0f, 0x00 }, 2, 3, REASON_LDTR_TR, 3u << 28, DESCRIPTOR_TABLE_EXITING, 0 },
};

static bool lacks_row(const struct row *r) { return r->needs && lacks(r->needs); }

static void prepare(const struct row *r)
{
    vm_reset(MODE_64);
    if (r->needs == INVPCID || r->needs == DESCRIPTOR_TABLE_EXITING)
        vm_set(r->needs);
    if (r->enable)
        vm_set((enum control)r->enable);
    for (unsigned k = 0; k < 16; k++)
        gpr[k] = GUEST_DATA;
}

/* Prefixes, opcode, ModRM, SIB and a displacement of 32 bits.  Returns the length. */
static unsigned encode(const struct row *r, const struct operand *o, uint8_t prefix, uint8_t *out)
{
    uint8_t *p = out;
    bool sib = o->index != NO_REGISTER || (o->base & 7) == RSP || o->base == NO_REGISTER;
    unsigned base = o->base == NO_REGISTER ? RBP : o->base & 7;
    unsigned index = o->index == NO_REGISTER ? RSP : o->index & 7;
    if (prefix)
        *p++ = prefix;
    if (r->prefix)
        *p++ = r->prefix;
    *p++ = (uint8_t)(0x40 | (o->base < NO_REGISTER && o->base >= 8) |
                     (o->index < NO_REGISTER && o->index >= 8 ? 2 : 0));
    copy(p, r->opcode, r->opcodes);
    p += r->opcodes;
    if (o->base == RIP_RELATIVE) {
        *p++ = (uint8_t)(r->reg << 3 | 5);
    } else {
        *p++ = (uint8_t)((o->base == NO_REGISTER ? 0 : 0x80) | r->reg << 3 | (sib ? RSP : base));
        if (sib)
            *p++ = (uint8_t)(o->scale << 6 | index << 3 | base);
    }
    copy(p, &o->displacement, 4);
    return (unsigned)(p + 4 - out);
}

/* The bits that the manual defines for a memory operand in 64-bit mode. */
static uint64_t defined(const struct row *r, const struct operand *o)
{
    bool has_index = o->index != NO_REGISTER, has_base = o->base < NO_REGISTER;
    bool identity = r->identity || r->reason == REASON_GDTR_IDTR || r->reason == REASON_LDTR_TR;
    return 0x7 << 7 | REGISTER | 7 << 15 | (has_index ? 3 | 15 << 18 : 0) | 1 << 22 |
           (has_base ? 15 << 23 : 0) | 1 << 27 |
           (!identity ? 0 : r->needs == DESCRIPTOR_TABLE_EXITING ? 3u << 28 : 15u << 28);
}
static uint64_t information(const struct row *r, const struct operand *o, unsigned segment,
                            unsigned address)
{
    bool has_index = o->index != NO_REGISTER, has_base = o->base < NO_REGISTER;
    return (has_index ? o->scale | o->index << 18 : 1 << 22) | address << 7 | segment << 15 |
           (has_base ? o->base << 23 : 1 << 27) | r->identity;
}

static void expect_information(const struct row *r, const struct operand *o, uint8_t prefix,
                               unsigned segment, unsigned address)
{
    uint8_t bytes[16];
    unsigned n = encode(r, o, prefix, bytes);
    prepare(r);
    guest_code(bytes, n);
    uint64_t displacement = (uint64_t)(int64_t)o->displacement;
    if (o->base == RIP_RELATIVE)
        displacement += GUEST_CODE + n;
    if (!expect_exit(r->reason))
        return;
    expect("information", information(r, o, segment, address),
           vmread(EXIT_INSTRUCTION_INFORMATION) & defined(r, o));
    expect_field(EXIT_QUALIFICATION, displacement);
    expect_field(EXIT_INSTRUCTION_LENGTH, n);
}

static unsigned default_segment(unsigned base) { return base == RSP || base == RBP ? 2 : 3; }

static void memory_operands(const struct row *r)
{
    char rule[48];
    text_put(rule, sizeof rule, "information.%s", r->name);
    for (unsigned base = 0; base < 16; base++)
        CASE(rule, "base-%u", base)
        {
            const struct operand o = { base, NO_REGISTER, 0, 0x100 };
            if (!lacks_row(r))
                expect_information(r, &o, 0, default_segment(base), 2);
        }
    for (unsigned index = 0; index < 16; index++) {
        if (index == RSP)
            continue;
        CASE(rule, "index-%u", index)
        {
            const struct operand o = { RAX, index, index & 3, -0x100 };
            if (!lacks_row(r))
                expect_information(r, &o, 0, 3, 2);
        }
    }
    for (unsigned scale = 0; scale < 4; scale++)
        CASE(rule, "no-base-scale-%u", scale)
        {
            const struct operand o = { NO_REGISTER, RDX, scale, 0x1000 };
            if (!lacks_row(r))
                expect_information(r, &o, 0, 3, 2);
        }
    CASE(rule, "displacement-only")
    {
        const struct operand o = { NO_REGISTER, NO_REGISTER, 0, 0x1a000 };
        if (!lacks_row(r))
            expect_information(r, &o, 0, 3, 2);
    }
    CASE(rule, "rip-relative")
    {
        const struct operand o = { RIP_RELATIVE, NO_REGISTER, 0, 0x1000 };
        if (!lacks_row(r))
            expect_information(r, &o, 0, 3, 2);
    }
    static const uint8_t prefixes[] = { 0x64, 0x65 };
    for (unsigned k = 0; k < COUNT(prefixes); k++)
        CASE(rule, "segment-%s", k ? "gs" : "fs")
        {
            const struct operand o = { RBX, NO_REGISTER, 0, 0 };
            if (!lacks_row(r))
                expect_information(r, &o, prefixes[k], 4 + k, 2);
        }
    CASE(rule, "address-size-32")
    {
        const struct operand o = { RBX, NO_REGISTER, 0, 0x40 };
        if (!lacks_row(r))
            expect_information(r, &o, 0x67, 3, 1);
    }
}

/* ---- register operands ---- */

static void expect_registers(unsigned reason, uint64_t mask, uint64_t wanted)
{
    if (!expect_exit(reason))
        return;
    expect("information", wanted, vmread(EXIT_INSTRUCTION_INFORMATION) & mask);
    expect_field(EXIT_QUALIFICATION, 0);
}

static void vmread_registers(void)
{
    for (unsigned r = 0; r < 16; r++)
        for (unsigned write = 0; write < 2; write++)
            CASE(write ? "information.vmwrite-register" : "information.vmread-register",
                 "registers-%u-%u", r, 15 - r)
            {
                unsigned other = 15 - r;
                vm_reset(MODE_64);
                CODE((uint8_t)(0x40 | (r >= 8) | (other >= 8 ? 4 : 0)), 0x0f, write ? 0x79 : 0x78,
                     (uint8_t)(0xc0 | (other & 7) << 3 | (r & 7)));
                expect_registers(write ? REASON_VMWRITE : REASON_VMREAD, 0xf0000478,
                                 r << 3 | REGISTER | (uint64_t)other << 28);
            }
}

static void table_registers(void)
{
    static const char *const names[] = { "information.sldt-register", "information.str-register",
                                         "information.lldt-register", "information.ltr-register" };
    for (unsigned which = 0; which < 4; which++)
        for (unsigned r = 0; r < 16; r++)
            CASE(names[which], "register-%u", r)
            {
                if (lacks(DESCRIPTOR_TABLE_EXITING))
                    continue;
                vm_reset(MODE_64);
                vm_set(DESCRIPTOR_TABLE_EXITING);
                CODE((uint8_t)(0x40 | (r >= 8)), 0x0f, 0x00,
                     (uint8_t)(0xc0 | which << 3 | (r & 7)));
                expect_registers(REASON_LDTR_TR, 0x30000478,
                                 r << 3 | REGISTER | (uint64_t)which << 28);
            }
}

static void random_numbers(void)
{
    for (unsigned seed = 0; seed < 2; seed++)
        for (unsigned r = 0; r < 16; r++)
            for (unsigned size = 0; size < 3; size++)
                CASE(seed ? "information.rdseed" : "information.rdrand", "register-%u-size-%u", r,
                     16 << size)
                {
                    if (lacks(seed ? RDSEED_EXITING : RDRAND_EXITING))
                        continue;
                    vm_reset(MODE_64);
                    vm_set(seed ? RDSEED_EXITING : RDRAND_EXITING);
                    CODE(size ? 0x2e : 0x66, (uint8_t)(0x40 | (size == 2 ? 8 : 0) | (r >= 8)), 0x0f,
                         0xc7, (uint8_t)((seed ? 0xf8 : 0xf0) | (r & 7)));
                    expect_registers(seed ? REASON_RDSEED : REASON_RDRAND, 0x1878,
                                     r << 3 | size << 11);
                }
}

static void waits(void)
{
    for (unsigned tpause = 0; tpause < 2; tpause++)
        for (unsigned r = 0; r < 16; r++)
            CASE(tpause ? "information.tpause" : "information.umwait", "register-%u", r)
            {
                if (lacks(USER_WAIT_PAUSE) || lacks(RDTSC_EXITING) ||
                    lacks_that(cap.leaf7.c & BIT(5), "CPUID.7.ECX.5:waitpkg"))
                    continue;
                vm_reset(MODE_64);
                vm_set(USER_WAIT_PAUSE);
                vm_set(RDTSC_EXITING);
                CODE(tpause ? 0x66 : 0xf2, (uint8_t)(0x40 | (r >= 8)), 0x0f, 0xae,
                     (uint8_t)(0xf0 | (r & 7)));
                expect_registers(tpause ? REASON_TPAUSE : REASON_UMWAIT, 0x78, r << 3);
            }
}

void area_information(void)
{
    for (unsigned k = 0; k < COUNT(rows); k++)
        memory_operands(&rows[k]);
    vmread_registers();
    table_registers();
    random_numbers();
    waits();
}
