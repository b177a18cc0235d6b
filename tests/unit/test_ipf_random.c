// SPDX-License-Identifier: Apache-2.0
// Itanium code made of random instructions, in random modes: nothing that a guest does may harm
// the simulator, and the same run twice is the same, whole or in small stretches.
#include <criterion/criterion.h>

#include "ipf/decode.h"
#include "ipf_system.h"

static uint64_t seed;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* An instruction of a unit: a row's fixed fields, and chance. */
static uint64_t random_slot(enum ipf_unit unit)
{
    const struct ipf_row *row;
    enum ipf_unit of;
    uint64_t mask, match;
    unsigned rows = 0;
    while (ipf_row_at(rows, &row, &of, &mask, &match))
        rows++;
    for (;;) {
        ipf_row_at((unsigned)(next_random() % rows), &row, &of, &mask, &match);
        bool fits = of == unit || (of == IPF_A && (unit == IPF_M || unit == IPF_I));
        if (!fits)
            continue;
        uint64_t bits = (next_random() & ((UINT64_C(1) << 41) - 1) & ~mask) | match;
        return next_random() % 4 ? bits & ~UINT64_C(0x3f) : bits; /* mostly without predicate */
    }
}

static void random_code(struct ipf_cpu *c)
{
    static const uint8_t templates[] = {
        0x00, 0x04, 0x08, 0x0c, 0x0e, 0x10, 0x12, 0x16, 0x18, 0x1c
    };
    for (uint64_t pa = CODE; pa < CODE + 0x2000; pa += 16) {
        unsigned t = templates[next_random() % sizeof templates] | (next_random() & 1);
        const struct ipf_template *units = ipf_template((uint8_t)t);
        uint64_t slot[3];
        for (unsigned k = 0; k < 3; k++)
            slot[k] = units->unit[k] == IPF_L ? next_random() & ((UINT64_C(1) << 41) - 1)
                                              : random_slot((enum ipf_unit)units->unit[k]);
        put_bundle(c, pa, t, slot[0], slot[1], slot[2]);
    }
    for (uint64_t vector = 0; vector < 0x8000; vector += 0x100) /* handlers go back, or elsewhere */
        put_bundle(c, TABLE + vector, MIB, next_random() % 3 ? ADDS(16, 3, 16) : random_slot(IPF_M),
                   NOP_I, RFI);
}

static uint64_t random_address(void)
{
    static const uint64_t bases[] = { CODE, DATA, BACKING, TABLE, 0, UINT64_C(0xfee00000) };
    uint64_t region = next_random() % 2 ? 0 : next_random() << 61;
    return region | (bases[next_random() % 6] + (next_random() & 0x3ff8));
}

static void random_state(struct ipf_cpu *c)
{
    for (unsigned k = 1; k < 32; k++)
        c->gr[k] = (struct ipf_gr){ random_address(), next_random() % 16 == 0 };
    for (unsigned k = 0; k < 8; k++) {
        c->br[k] = CODE + (next_random() & 0x1ff0);
        c->rr[k] = (next_random() & 3) << 8 | 14 << 2 | (next_random() & 1);
    }
    c->pr = next_random() | 1;
    c->ar[AR_PFS] = next_random() % 32 | (next_random() % 32) << 7 | next_random() << 62;
    c->cr[CR_PTA] = 20 << 2 | (next_random() & 1) | (next_random() & 1) << 8;
    c->psr =
        PSR_BN | PSR_IC | (next_random() & (PSR_I | PSR_DT | PSR_RT | PSR_PK | PSR_AC | PSR_BE));
    for (unsigned k = 0; k < 8; k++)
        for (unsigned side = 0; side < 2; side++) {
            uint64_t at = random_address();
            struct ipf_translation t = ipf_translation(
                (at & 0x7fc000) | (next_random() & 0xfff) | PTE_P, 14 << 2, at, next_random() & 3);
            ipf_tlb_insert(c, side, &t);
        }
    ipf_flush(c);
}

/* Sets it on its way again when it has left the code. */
static void round_of(struct ipf_cpu *c, unsigned stretch)
{
    for (unsigned k = 0; k < 40; k++) {
        uint64_t until = c->retired + 200;
        c->ip = CODE + (next_random() & 0x1ff0);
        c->slot = 0;
        c->stop = IPF_RUNS;
        while (c->stop == IPF_RUNS && c->retired < until) {
            uint64_t before = c->retired;
            uint64_t end = before + stretch < until ? before + stretch : until;
            ipf_run_until(c, end);
        }
        if (next_random() % 4 == 0)
            ipf_post_interrupt(c, next_random() & 0xff);
        if (next_random() % 8 == 0)
            random_state(c);
    }
}

static uint64_t digest(const struct ipf_cpu *c)
{
    uint64_t h = c->ip ^ c->slot ^ c->psr ^ c->retired;
    for (unsigned k = 0; k < 32; k++)
        h = (h ^ c->gr[k].v ^ c->gr[k].nat) * UINT64_C(0x100000001b3);
    for (unsigned k = 0; k < 128; k++)
        h = (h ^ c->cr[k] ^ c->ar[k]) * UINT64_C(0x100000001b3);
    return (h ^ c->bsp ^ c->bspstore ^ c->pr) * UINT64_C(0x100000001b3);
}

static uint64_t run_with(uint64_t start, unsigned stretch)
{
    seed = start;
    struct ipf_cpu *c = guest_create();
    random_code(c);
    random_state(c);
    round_of(c, stretch);
    uint64_t result = digest(c);
    guest_destroy(c);
    return result;
}

Test(ipf_random, whole_and_in_steps)
{
    for (uint64_t k = 1; k <= 60; k++) {
        uint64_t start = k * UINT64_C(0x9e3779b97f4a7c15), whole = run_with(start, 1000);
        cr_assert_eq(run_with(start, 1000), whole, "round %lu is not repeatable", k);
        cr_assert_eq(run_with(start, 1), whole, "round %lu: steps give another result", k);
    }
}
