// SPDX-License-Identifier: Apache-2.0
// String instructions: what the bulk path of REP must share with one iteration after the other.
#include "bare.h"

enum { FROM = 0x100000, TO = 0x108000, SPAN = 0x6000, HOLE = 0x200000 };

BARE_PROGRAM(movs, ".code64\n rep movsb\n 1: jmp 1b");
BARE_PROGRAM(movs_words, ".code64\n rep movsw\n 1: jmp 1b");
BARE_PROGRAM(movs_longs, ".code64\n rep movsl\n 1: jmp 1b");
BARE_PROGRAM(movs_quads, ".code64\n rep movsq\n 1: jmp 1b");
BARE_PROGRAM(stos, ".code64\n rep stosb\n 1: jmp 1b");
BARE_PROGRAM(stos_quads, ".code64\n rep stosq\n 1: jmp 1b");
BARE_PROGRAM(cmps, ".code64\n repe cmpsb\n 1: jmp 1b");
BARE_PROGRAM(scas, ".code64\n repne scasb\n 1: jmp 1b");
BARE_PROGRAM(movs_short, ".code64\n addr32 rep movsb\n 1: jmp 1b");

/* A machine with `program` loaded, pseudo-random data at FROM, rSI, rDI and rCX set. */
static struct machine *strings(const uint8_t *start, const uint8_t *end, uint64_t from, uint64_t to,
                               uint64_t count)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, start, end);
    for (uint64_t k = 0; k < SPAN; k++)
        mem_write_le(machine_mem(m), FROM + k, 1, k * 167 >> 3 ^ k);
    c->gpr[RSI] = from;
    c->gpr[RDI] = to;
    c->gpr[RCX] = count;
    return m;
}
#define STRINGS(program, from, to, count) strings(program##_start, program##_end, from, to, count)

static void read_all(struct machine *m, uint8_t *bytes)
{
    mem_read(machine_mem(m), FROM, bytes, TO + SPAN - FROM);
}

/* Copies element by element in the model, then by REP in the machine, and compares memory. */
static void check_copy(struct machine *m, unsigned size, bool down)
{
    static uint8_t expected[TO + SPAN - FROM], actual[TO + SPAN - FROM];
    struct cpu *c = machine_cpu(m, 0);
    uint64_t from = c->gpr[RSI], to = c->gpr[RDI], count = c->gpr[RCX];
    int64_t step = down ? -(int64_t)size : (int64_t)size;
    read_all(m, expected);
    for (uint64_t k = 0; k < count; k++) {
        uint8_t element[8];
        memcpy(element, expected + (from + k * (uint64_t)step - FROM), size);
        memcpy(expected + (to + k * (uint64_t)step - FROM), element, size);
    }
    c->rflags |= down ? FLAG_DF : 0;
    bare_run(m, 20);
    read_all(m, actual);
    cr_assert_eq(memcmp(expected, actual, sizeof actual), 0, "size %u to - from %ld", size,
                 (long)(to - from));
    cr_assert_eq(c->gpr[RCX], 0);
    cr_assert_eq(c->gpr[RSI], from + count * (uint64_t)step);
    cr_assert_eq(c->gpr[RDI], to + count * (uint64_t)step);
    machine_destroy(m);
}

Test(strings, copies_across_pages)
{
    check_copy(STRINGS(movs, FROM + 5, TO + 3, 0x4321), 1, false);
    check_copy(STRINGS(movs_words, FROM + 1, TO + 0xfff, 0x1234), 2, false);
    check_copy(STRINGS(movs_longs, FROM + 2, TO + 1, 0x1001), 4, false);
    check_copy(STRINGS(movs_quads, FROM + 7, TO + 4, 0x801), 8, false);
}

Test(strings, copies_downwards)
{
    check_copy(STRINGS(movs, FROM + 0x4fff, TO + 0x5003, 0x2345), 1, true);
    check_copy(STRINGS(movs_quads, FROM + 0x4ff8, TO + 0x4ff3, 0x700), 8, true);
}

Test(strings, overlapping_copies_replicate)
{
    static const int distances[] = { 1, 2, 3, 7, 8, 9, 64, 1000, -1, -5, -8, 0 };
    for (unsigned k = 0; k < ARRAY_SIZE(distances); k++) {
        uint64_t to = FROM + 0x100 + (uint64_t)distances[k];
        check_copy(STRINGS(movs, FROM + 0x100, to, 0x2000), 1, false);
        check_copy(STRINGS(movs_words, FROM + 0x100, to, 0x1000), 2, false);
        check_copy(STRINGS(movs_longs, FROM + 0x100, to, 0x800), 4, false);
        check_copy(STRINGS(movs_quads, FROM + 0x100, to, 0x400), 8, false);
    }
}

Test(strings, fills_with_every_byte_of_the_accumulator)
{
    struct machine *m = STRINGS(stos_quads, 0, TO + 3, 0x300);
    machine_cpu(m, 0)->gpr[RAX] = UINT64_C(0x1122334455667788);
    uint64_t last = mem_read_le(machine_mem(m), TO + 3 + 0x300 * 8, 8);
    bare_run(m, 10);
    for (uint64_t k = 0; k < 0x300; k++)
        cr_assert_eq(mem_read_le(machine_mem(m), TO + 3 + 8 * k, 8), UINT64_C(0x1122334455667788));
    cr_assert_eq(mem_read_le(machine_mem(m), TO + 3 + 0x300 * 8, 8), last);
    machine_destroy(m);
}

/* Takes the page at HOLE away; without an IDT its fault ends in a triple fault. */
static void make_hole(struct machine *m)
{
    mem_write_le(machine_mem(m), BARE_TABLES + 0x2000 + 8 * (HOLE >> 21), 8, 0);
}

Test(strings, a_fault_leaves_the_iteration_that_faulted)
{
    struct machine *m = STRINGS(stos, 0, HOLE - 0x1801, 0x3000);
    struct cpu *c = machine_cpu(m, 0);
    make_hole(m);
    cr_assert_eq(bare_run(m, 10), STOP_TRIPLE_FAULT);
    cr_assert_eq(c->gpr[RCX], 0x3000 - 0x1801);
    cr_assert_eq(c->gpr[RDI], HOLE);
    cr_assert_eq(c->cr2, HOLE);
    machine_destroy(m);
}

Test(strings, a_fault_of_a_comparison_restores_the_flags)
{
    struct machine *m = STRINGS(cmps, HOLE - 0x20, HOLE - 0x40, 0x100);
    struct cpu *c = machine_cpu(m, 0);
    make_hole(m);
    flags_set_status(c, FLAG_CF | FLAG_OF);
    cr_assert_eq(bare_run(m, 10), STOP_TRIPLE_FAULT);
    cr_assert_eq(c->gpr[RCX], 0x100 - 0x20);
    cr_assert_eq(flags_status(c), FLAG_CF | FLAG_OF);
    machine_destroy(m);
}

Test(strings, comparisons_stop_at_the_difference)
{
    struct machine *m = STRINGS(scas, 0, TO, 0x2000);
    struct cpu *c = machine_cpu(m, 0);
    c->gpr[RAX] = 0x5a;
    mem_write_le(machine_mem(m), TO + 0x1100, 1, 0x5a);
    bare_run(m, 10);
    cr_assert_eq(c->gpr[RDI], TO + 0x1101);
    cr_assert_eq(c->gpr[RCX], 0x2000 - 0x1101);
    cr_assert(flags_status(c) & FLAG_ZF);
    machine_destroy(m);
}

/* 4096 iterations count as one instruction, whichever path they take. */
Test(strings, iterations_in_pieces)
{
    for (unsigned down = 0; down < 2; down++) {
        struct machine *m = STRINGS(stos, 0, TO + (down ? 0x3000 : 0), 0x2800);
        struct cpu *c = machine_cpu(m, 0);
        c->rflags |= down ? FLAG_DF : 0;
        bare_run(m, 1);
        cr_assert_eq(c->gpr[RCX], 0x1800);
        cr_assert_eq(c->rip, BARE_CODE);
        bare_run(m, 2);
        cr_assert_eq(c->gpr[RCX], 0);
        cr_assert_eq(c->rip, BARE_CODE + 2);
        machine_destroy(m);
    }
}

Test(strings, short_addresses_clear_the_upper_halves)
{
    for (uint64_t count = 0; count < 9; count++) {
        struct machine *m = STRINGS(movs_short, FROM | BIT(40), TO | BIT(41), count | BIT(42));
        struct cpu *c = machine_cpu(m, 0);
        bare_run(m, 4);
        cr_assert_eq(c->gpr[RCX], 0);
        cr_assert_eq(c->gpr[RSI], FROM + count);
        cr_assert_eq(c->gpr[RDI], TO + count);
        machine_destroy(m);
    }
}
