// SPDX-License-Identifier: Apache-2.0
// Architectural performance monitoring outside VMX: CPUID leaf 0AH, the registers, what counts, and
// overflow at the exact instruction.
#include "cpu/flags.h"
#include "tables.h"

enum {
    PMC0 = 0xc1, PERFEVTSEL0 = 0x186, MISC_ENABLE = 0x1a0, DEBUGCTL = 0x1d9, FIXED_CTR0 = 0x309,
    PERF_CAPABILITIES = 0x345, FIXED_CTR_CTRL = 0x38d, GLOBAL_STATUS = 0x38e, GLOBAL_CTRL = 0x38f,
    STATUS_RESET = 0x390, STATUS_SET = 0x391, INUSE = 0x392, A_PMC0 = 0x4c1,
};
enum { CYCLES = 0x3c, REFERENCE = 0x13c, INSTRUCTIONS = 0xc0, BRANCHES = 0xc4 };
enum { ALL_RINGS = SELECT_USR | SELECT_OS | SELECT_EN };
#define CMASK(n) ((uint64_t)(n) << 24)

static uint64_t rd(struct cpu *c, uint32_t index)
{
    uint64_t v = 0;
    cr_expect(msr_read(c, index, &v), "%#x", index);
    return v;
}
static void wr(struct cpu *c, uint32_t index, uint64_t v)
{
    cr_expect(msr_write(c, index, v), "%#x", index);
}
static void refuses(struct cpu *c, uint32_t index, uint64_t v)
{
    cr_expect_not(msr_write(c, index, v), "%#x takes %#llx", index, (unsigned long long)v);
}

/* ---- enumeration and registers ---- */

/* As the real parts, but without the fourth fixed-function counter, the events that nothing counts,
 * and AnyThread. */
Test(pmu, leaf_0ah_of_each_profile)
{
    static const struct {
        const char *cpu;
        uint32_t out[4];
    } rows[] = {
        { "prescott-vt", { 0, 0, 0, 0 } },
        { "penryn", { 0x07280202, 0x78, 0, 0x503 } },
        { "nehalem", { 0x07300403, 0x7c, 0, 0x8603 } },
        { "skylake", { 0x07300404, 0x78, 0, 0x8603 } },
        { "icelake", { 0x08300805, 0xf8, 7, 0x8603 } },
        { "max,pmu=off", { 0, 0, 0, 0 } },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct machine *m = bare_machine(rows[k].cpu);
        struct cpu *c = machine_cpu(m, 0);
        uint32_t out[4];
        uint64_t v;
        model_cpuid(c, 0xa, 0, out);
        for (unsigned r = 0; r < 4; r++)
            cr_expect_eq(out[r], rows[k].out[r], "%s: %u: %#x", rows[k].cpu, r, out[r]);
        bool there = rows[k].out[0];
        cr_expect_eq(rd(c, MISC_ENABLE) >> 7 & 1, there);
        cr_expect(rd(c, MISC_ENABLE) & BIT(12), "no PEBS");
        cr_expect_eq(msr_read(c, PMC0, &v), there, "%s", rows[k].cpu);
        cr_expect_eq(msr_read(c, FIXED_CTR_CTRL, &v), there, "%s", rows[k].cpu);
        machine_destroy(m);
    }
}

Test(pmu, counters_take_what_their_width_allows)
{
    struct machine *m = bare_machine("penryn"), *w = bare_machine("skylake");
    struct cpu *old = machine_cpu(m, 0), *c = machine_cpu(w, 0);
    uint64_t v;
    wr(old, PMC0, UINT64_C(0x1234567880000000)); /* 31:0, whose sign is extended to 40 bits */
    cr_expect_eq(rd(old, PMC0), UINT64_C(0xff80000000));
    wr(old, FIXED_CTR0 + 2, UINT64_C(0xffffffffff));
    refuses(old, FIXED_CTR0, BIT(40));
    refuses(old, FIXED_CTR0 + 3, 0);
    refuses(old, PMC0 + 2, 0);
    refuses(old, A_PMC0, 0);
    cr_expect_eq(rd(old, PERF_CAPABILITIES), 0);
    wr(c, PMC0 + 3, 0x80000000);
    cr_expect_eq(rd(c, A_PMC0 + 3), UINT64_C(0xffff80000000));
    wr(c, A_PMC0 + 3, UINT64_C(0x123456789abc));
    cr_expect_eq(rd(c, PMC0 + 3), UINT64_C(0x123456789abc));
    refuses(c, A_PMC0, BIT(48));
    refuses(c, A_PMC0 + 4, 0);
    refuses(c, PERF_CAPABILITIES, 0);
    cr_expect_eq(rd(c, PERF_CAPABILITIES), BIT(13));
    machine_destroy(w);
    w = bare_machine("skylake,-pdcm");
    cr_expect_not(msr_read(machine_cpu(w, 0), A_PMC0, &v), "nothing says that it is there");
    cr_expect_not(msr_read(machine_cpu(w, 0), PERF_CAPABILITIES, &v));
    machine_destroy(w);
    machine_destroy(m);
}

Test(pmu, reserved_bits)
{
    struct machine *m = bare_machine("penryn"), *w = bare_machine("icelake");
    struct cpu *v2 = machine_cpu(m, 0), *v5 = machine_cpu(w, 0);
    refuses(v2, PERFEVTSEL0, BIT(32));
    refuses(v2, PERFEVTSEL0, SELECT_ANY);
    refuses(v2, FIXED_CTR_CTRL, FIXED_ANY);
    refuses(v2, FIXED_CTR_CTRL, BIT(12));
    refuses(v2, GLOBAL_CTRL, 1 << 2);
    refuses(v2, GLOBAL_CTRL, BIT(35));
    refuses(v2, GLOBAL_STATUS, 0);
    refuses(v2, STATUS_RESET, BIT(61));
    refuses(v2, STATUS_SET, 1);
    refuses(v2, INUSE, 0);
    cr_expect_eq(rd(v2, GLOBAL_CTRL), 3, "RESET enables the general-purpose counters");
    wr(v5, PERFEVTSEL0 + 7, SELECT_ANY | SELECT_EN);
    cr_expect_eq(rd(v5, PERFEVTSEL0 + 7), SELECT_EN, "AnyThread is deprecated");
    wr(v5, FIXED_CTR_CTRL, 0xfff);
    cr_expect_eq(rd(v5, FIXED_CTR_CTRL), 0xbbb);
    cr_expect_eq(rd(v5, GLOBAL_CTRL), 0xff);
    refuses(v5, GLOBAL_CTRL, BIT(35));
    refuses(v5, GLOBAL_CTRL, BIT(48));
    refuses(v5, STATUS_RESET, 1 << 8);
    refuses(v5, STATUS_SET, BIT(63));
    machine_destroy(m);
    machine_destroy(w);
}

Test(pmu, status_is_set_and_cleared_bit_by_bit)
{
    struct machine *m = bare_machine("skylake");
    struct cpu *c = machine_cpu(m, 0);
    uint64_t bits = BIT(58) | BIT(59) | BIT(33) | 5;
    wr(c, STATUS_SET, bits);
    cr_expect_eq(rd(c, GLOBAL_STATUS), bits);
    wr(c, STATUS_RESET, BIT(33) | 1 | BIT(63));
    cr_expect_eq(rd(c, GLOBAL_STATUS), BIT(58) | BIT(59) | 4);
    cr_expect_eq(rd(c, STATUS_RESET), 0);
    cr_expect_eq(rd(c, INUSE), 0);
    wr(c, PERFEVTSEL0 + 1, BRANCHES);
    wr(c, FIXED_CTR_CTRL, FIXED_USR << 8);
    cr_expect_eq(rd(c, INUSE), BIT(34) | 2);
    wr(c, PERFEVTSEL0, SELECT_INT);
    cr_expect_eq(rd(c, INUSE), BIT(63) | BIT(34) | 2);
    machine_destroy(m);
}

/* ---- what counts ---- */

/* Fixed-function counters 0 and 1 at every privilege level. */
static void count_all(struct cpu *c)
{
    wr(c, FIXED_CTR_CTRL, 0x33);
    wr(c, GLOBAL_CTRL, 3 * BIT(32) | 0xf);
}
static void expect_fixed(struct cpu *c, uint64_t instructions, uint64_t cycles)
{
    cr_expect_eq(rd(c, FIXED_CTR0), instructions, "%d", (int)rd(c, FIXED_CTR0));
    cr_expect_eq(rd(c, FIXED_CTR0 + 1), cycles, "%d", (int)rd(c, FIXED_CTR0 + 1));
}

BARE_PROGRAM(undefined, ".code32\n nop\n nop\n ud2\n");
BARE_PROGRAM(repeats, ".code32\n mov $10000, %ecx\n rep stosb\n nop\n");

/* SDM vol. 3, "Pre-defined Architectural Performance Events", instructions retired: faults do not
 * count, and REP makes one instruction.  Their cycles pass. */
Test(pmu, faults_and_iterations_do_not_retire)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 0);
    PUT(m, CODE0, undefined);
    count_all(c);
    bare_run(m, 5);                        /* two NOPs, UD2, two JMPs of the handler */
    expect_fixed(c, 4, 5);
    machine_destroy(m);
    m = bare_machine("max");
    c = protected_mode(m, 0);
    PUT(m, CODE0, repeats);
    c->gpr[RDI] = 0x100000;
    count_all(c);
    bare_run(m, 5);
    cr_expect_eq(c->rip, CODE0 + 8);
    expect_fixed(c, 3, 5);
    machine_destroy(m);
}

/* From the WRMSR that enables to the one that disables: one of the two counts. */
BARE_PROGRAM(precise, "wrmsr\n mov $100, %ebx\n 1: nop\n dec %ebx\n jnz 1b\n xor %eax, %eax\n"
                      "wrmsr\n nop\n nop\n hlt\n");
Test(pmu, software_counts_its_own_loop)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, precise_start, precise_end);
    wr(c, PERFEVTSEL0, INSTRUCTIONS | ALL_RINGS);
    wr(c, PERFEVTSEL0 + 1, REFERENCE | ALL_RINGS);
    wr(c, PERFEVTSEL0 + 2, BRANCHES | ALL_RINGS);
    wr(c, GLOBAL_CTRL, 0);
    c->gpr[RCX] = GLOBAL_CTRL;
    c->gpr[RAX] = 7;
    c->gpr[RDX] = 0;
    cr_assert_eq(bare_run(m, 1000), STOP_HALTED);
    cr_expect_eq(rd(c, PMC0), 1 + 1 + 300 + 1, "%d", (int)rd(c, PMC0));
    cr_expect_eq(rd(c, PMC0 + 1), 303);
    cr_expect_eq(rd(c, PMC0 + 2), 0, "CPUID says that this event is not available");
    machine_destroy(m);
}

BARE_PROGRAM(user_loop, ".code32\n 1: nop\n int $0x30\n jmp 1b\n");
BARE_PROGRAM(system_call, ".code32\n nop\n iret\n");
Test(pmu, rings_are_told_apart)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 3);
    PUT(m, CODE3, user_loop);
    PUT(m, HANDLER, system_call);
    set_gate(m, 0x30, gate(SEL_CODE0, HANDLER, GATE_INT, 3, 0));
    wr(c, PERFEVTSEL0, INSTRUCTIONS | SELECT_EN | SELECT_USR);
    wr(c, PERFEVTSEL0 + 1, INSTRUCTIONS | SELECT_EN | SELECT_OS);
    wr(c, PERFEVTSEL0 + 2, INSTRUCTIONS | SELECT_EN);
    wr(c, FIXED_CTR_CTRL, FIXED_USR | FIXED_OS << 4 | 3 << 8);
    wr(c, GLOBAL_CTRL, 7 * BIT(32) | 7);
    bare_run(m, 50);            /* INT and IRET count for where they go */
    cr_expect_eq(rd(c, PMC0), 30, "%d", (int)rd(c, PMC0));
    cr_expect_eq(rd(c, PMC0 + 1), 20, "%d", (int)rd(c, PMC0 + 1));
    cr_expect_eq(rd(c, PMC0 + 2), 0);
    cr_expect_eq(rd(c, FIXED_CTR0), 30);
    cr_expect_eq(rd(c, FIXED_CTR0 + 1), 20);
    cr_expect_eq(rd(c, FIXED_CTR0 + 2), 50);
    machine_destroy(m);
}

BARE_PROGRAM(stumbles, ".code32\n 1: nop\n nop\n ud2\n jmp 1b\n");
BARE_PROGRAM(steps_over, ".code32\n addl $2, (%esp)\n iret\n");

/* Six cycles a round, in five of which an instruction retires. */
Test(pmu, counter_mask_invert_and_edge)
{
    static const struct { uint64_t select, count; } rows[] = {
        { INSTRUCTIONS | CMASK(1), 50 },
        { INSTRUCTIONS | CMASK(2), 0 },
        { INSTRUCTIONS | CMASK(1) | SELECT_INV, 10 },
        { INSTRUCTIONS | CMASK(2) | SELECT_INV, 60 },
        { INSTRUCTIONS | SELECT_INV, 50 },
        { INSTRUCTIONS | CMASK(1) | SELECT_EDGE, 11 },
        { INSTRUCTIONS | CMASK(1) | SELECT_EDGE | SELECT_INV, 10 },
        { CYCLES | CMASK(1) | SELECT_EDGE, 1 },
    };
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 0);
    PUT(m, CODE0, stumbles);
    PUT(m, FAULT_HANDLER, steps_over);
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++)
        wr(c, PERFEVTSEL0 + k, rows[k].select | ALL_RINGS);
    bare_run(m, 61);                            /* the last NOP begins a round */
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        uint64_t more = k == 0 || k == 3 || k == 4;
        cr_expect_eq(rd(c, PMC0 + k), rows[k].count + more, "%u: %d", k, (int)rd(c, PMC0 + k));
    }
    machine_destroy(m);
}

BARE_PROGRAM(sleeps, ".code32\n nop\n 1: hlt\n jmp 1b\n");
Test(pmu, halted_cycles_do_not_count)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 0);
    PUT(m, CODE0, sleeps);
    wr(c, PERFEVTSEL0, CYCLES | CMASK(1) | SELECT_EDGE | ALL_RINGS);
    count_all(c);
    cr_assert_eq(bare_run(m, 1000), STOP_HALTED);
    cr_assert_eq(bare_run(m, 1000), STOP_HALTED);
    expect_fixed(c, 2, 2);
    c->activity = ACTIVITY_ACTIVE;
    cr_assert_eq(bare_run(m, 1000), STOP_HALTED);
    expect_fixed(c, 4, 4);
    cr_expect_eq(rd(c, PMC0), 2, "the clock ran twice");
    machine_destroy(m);
}

/* Processors take turns; each counts its own. */
Test(pmu, other_processors_do_not_count)
{
    struct sp_error e = { 0 };
    struct machine_config config = {
        .ram_size = 16 << 20, .processors = 2, .cpu = "max", .bare = true
    };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m, "%s", e.message);
    struct cpu *c = protected_mode(m, 0), *other = machine_cpu(m, 1);
    PUT(m, CODE0, loop_forever);
    cpu_startup(other, HANDLER >> 12);
    count_all(c);
    bare_run(m, 20000);
    cr_expect(other->retired > 0);
    expect_fixed(c, 20000 - other->retired, 20000 - other->retired);
    machine_destroy(m);
}

/* ---- overflow ---- */

enum { LVT_PERFORMANCE = 0x834, VECTOR = 0x41, NMI = 0x400, MASKED = 0x10000 };

BARE_PROGRAM(counts_up, ".code32\n 1: inc %eax\n jmp 1b\n");

/* With a local APIC in x2APIC mode whose LVT entry is this. */
static struct machine *interrupted(const char *cpu, uint32_t lvt, struct cpu **out)
{
    struct sp_error e = { 0 };
    struct machine_config config = { .ram_size = 16 << 20, .processors = 1, .cpu = cpu };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m, "%s", e.message);
    struct cpu *c = *out = protected_mode(m, 0);
    PUT(m, CODE0, counts_up);
    set_gate(m, VECTOR, gate(SEL_CODE0, HANDLER, GATE_INT, 0, 0));
    set_gate(m, EXC_NMI, gate(SEL_CODE0, HANDLER, GATE_INT, 0, 0));
    wr(c, 0x1b, 0xfee00d00);
    wr(c, 0x80f, 0x1ff);
    wr(c, LVT_PERFORMANCE, lvt);
    cpu_set_rflags(c, 2 | FLAG_IF);
    return m;
}

/* 1001 instructions: 501 INCs. */
static void expect_interrupt(struct machine *m, struct cpu *c, uint32_t lvt)
{
    wr(c, FIXED_CTR_CTRL, 3 | FIXED_PMI);
    wr(c, FIXED_CTR0, BIT(48) - 1001);
    wr(c, GLOBAL_CTRL, BIT(32));
    bare_run(m, 1010);
    cr_expect_eq(c->rip, HANDLER);
    cr_expect_eq(c->gpr[RAX], 501, "%d", (int)c->gpr[RAX]);
    cr_expect_eq(word_at(m, STACK0 - 12, 4), CODE0 + 1);
    cr_expect_eq(rd(c, GLOBAL_STATUS), BIT(32));
    cr_expect_eq(rd(c, FIXED_CTR0), 9);
    cr_expect_eq(rd(c, LVT_PERFORMANCE), lvt | MASKED, "the entry masks itself");
}

Test(pmu, overflow_interrupts_at_the_exact_instruction)
{
    struct cpu *c;
    struct machine *m = interrupted("max", VECTOR, &c);
    expect_interrupt(m, c, VECTOR);
    machine_destroy(m);
    m = interrupted("max", NMI, &c);
    cpu_set_rflags(c, 2);
    expect_interrupt(m, c, NMI);
    machine_destroy(m);
}

Test(pmu, overflow_without_interrupt)
{
    struct cpu *c;
    struct machine *m = interrupted("max", VECTOR, &c);
    wr(c, PERFEVTSEL0, CYCLES | ALL_RINGS);
    wr(c, A_PMC0, BIT(48) - 100);
    bare_run(m, 99);
    cr_expect_eq(rd(c, GLOBAL_STATUS), 0);
    bare_run(m, 3);
    cr_expect_eq(rd(c, GLOBAL_STATUS), 1);
    cr_expect_eq(rd(c, PMC0), 2);
    cr_expect_eq(c->gpr[RAX], 51);
    cr_expect_eq(rd(c, LVT_PERFORMANCE), VECTOR);
    machine_destroy(m);
}

/* SDM vol. 3, "Freezing LBR and Performance Counters on PMI". */
Test(pmu, interrupts_freeze_the_counters)
{
    static const char *const cpus[] = { "nehalem", "skylake" };
    for (unsigned k = 0; k < 2; k++) {
        struct cpu *c;
        struct machine *m = interrupted(cpus[k], VECTOR, &c);
        wr(c, DEBUGCTL, BIT(12));
        cr_expect_eq(rd(c, DEBUGCTL), BIT(12));
        wr(c, PERFEVTSEL0, CYCLES | ALL_RINGS | SELECT_INT);
        wr(c, PERFEVTSEL0 + 1, INSTRUCTIONS | ALL_RINGS);
        wr(c, PMC0, -UINT64_C(100));
        bare_run(m, 150);
        cr_expect_eq(rd(c, PMC0), 0);
        cr_expect_eq(rd(c, PMC0 + 1), 100);
        cr_expect_eq(rd(c, GLOBAL_STATUS), k ? BIT(59) | 1 : 1);
        cr_expect_eq(rd(c, GLOBAL_CTRL), k ? 0xf : 0);
        wr(c, STATUS_RESET, k ? BIT(59) | 1 : 1);
        wr(c, GLOBAL_CTRL, 2);
        bare_run(m, 10);
        cr_expect_eq(rd(c, PMC0 + 1), 110);
        machine_destroy(m);
    }
}

/* ---- RDPMC ---- */

BARE_PROGRAM(reads, ".code32\n rdpmc\n nop\n");

static bool rdpmc(const char *cpu, unsigned cpl, uint64_t cr4, uint32_t ecx, uint64_t *value)
{
    struct machine *m = bare_machine(cpu);
    struct cpu *c = protected_mode(m, cpl);
    PUT(m, cpl ? CODE3 : CODE0, reads);
    cpu_load_cr4(c, cr4);
    if (pmu_version(c->model)) {
        wr(c, PMC0 + 1, 0x80000001);
        wr(c, FIXED_CTR0 + 2, 0x87654321);
    }
    c->gpr[RCX] = ecx;
    c->gpr[RAX] = c->gpr[RDX] = ~UINT64_C(0);
    bare_run(m, 1);
    bool done = c->rip == (cpl ? CODE3 : CODE0) + 2;
    cr_expect(done || c->rip == FAULT_HANDLER);
    *value = c->gpr[RDX] << 32 | c->gpr[RAX];
    machine_destroy(m);
    return done;
}

Test(pmu, rdpmc)
{
    uint64_t v;
    cr_expect(rdpmc("penryn", 0, 0, 1, &v) && v == UINT64_C(0xff80000001));
    cr_expect(rdpmc("penryn", 0, 0, 0x40000002, &v) && v == 0x87654321);
    cr_expect(rdpmc("max", 3, CR4_PCE, 1, &v) && v == UINT64_C(0xffff80000001));
    cr_expect_not(rdpmc("max", 3, 0, 1, &v));
    cr_expect_not(rdpmc("penryn", 0, 0, 2, &v));
    cr_expect(rdpmc("max", 0, 0, 7, &v) && v == 0);
    cr_expect_not(rdpmc("max", 0, 0, 8, &v));
    cr_expect_not(rdpmc("max", 0, 0, 0x40000003, &v));
    cr_expect_not(rdpmc("max", 0, 0, 0x20000000, &v));
    cr_expect_not(rdpmc("max", 0, 0, 0x80000000, &v));
    cr_expect_not(rdpmc("prescott-vt", 0, 0, 0, &v));
}
