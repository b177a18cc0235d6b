// SPDX-License-Identifier: Apache-2.0
// A block that runs whole, by its fast list, and the same block one operation at a time, by the
// full one, do the same: random code of operations that have fast handlers, in random states.
#include "ipf/fast.h"
#include "ipf_float_guest.h"

enum { BUNDLES = 10, INSNS = 3 * BUNDLES + 4, ROUNDS = 6000 };

/* ---- code ---- */

static bool has_fast(const struct ipf_row *row)
{
    for (unsigned k = 0; k < ipf_fast_row_count; k++)
        if (ipf_fast_rows[k].run == row->run)
            return true;
    return row->run == ia_fma_d || row->run == ia_fms_d || row->run == ia_fnma_d ||
           row->run == ia_stf || row->run == ia_stf_imm || row->run == ia_ldf_plain ||
           row->run == ia_ldf_plain_imm;
}

/* Few registers, so that operations use what those before them have written. */
static unsigned some_register(struct guest *g)
{
    static const uint8_t pool[] = { 0, 1, 2, 14, 15, 31, 32, 33, 38, 39, 60, 127 };
    return pool[random_below(g, g->random & BIT(20) ? 6 : sizeof pool)];
}
static uint64_t some_slot(struct guest *g, enum ipf_unit unit)
{
    static struct row fitting[IPF_L + 1][200];
    static unsigned count[IPF_L + 1];
    struct row r;
    bool unknown = !count[unit];
    for (unsigned n = 0; unknown && row_at(n, &r); n++)
        if (has_fast(r.row) &&
            (r.unit == unit || (r.unit == IPF_A && (unit == IPF_M || unit == IPF_I))))
            fitting[unit][count[unit]++] = r;
    if (!random_below(g, 3))
        return unit == IPF_B ? UINT64_C(2) << 37 : BIT(27); /* nop */
    r = fitting[unit][random_below(g, count[unit])];
    unsigned qp = random_below(g, 6) ? 0 : 6 + random_below(g, 2);
    uint64_t bits = random_bits(g) & (BIT(41) - 1);
    uint64_t registers = encoded(&r, qp, some_register(g), some_register(g), some_register(g));
    uint64_t from_registers = BIT(27) - 1;
    return (((bits & ~from_registers) | (registers & from_registers)) & ~r.mask) | r.match;
}

static void some_code(struct guest *g, uint64_t *words)
{
    for (unsigned k = 0; k < BUNDLES; k++) {
        static const uint8_t templates[] = { 0x00, 0x08, 0x0c, 0x0e, 0x04 };
        uint64_t template = templates[random_below(g, sizeof templates)], slot[3];
        const struct ipf_template *t = ipf_template((uint8_t) template);
        for (unsigned n = 0; n < 3; n++)
            slot[n] = t->unit[n] == IPF_L ? random_bits(g) & (BIT(41) - 1)
                                          : some_slot(g, (enum ipf_unit)t->unit[n]);
        words[2 * k] = template | slot[0] << 5 | slot[1] << 46;
        words[2 * k + 1] = slot[1] >> 18 | slot[2] << 23;
    }
    const uint64_t nop_b = UINT64_C(2) << 37, to_itself = UINT64_C(4) << 37;
    words[2 * BUNDLES] = 0x17 | nop_b << 5 | nop_b << 46;
    words[2 * BUNDLES + 1] = nop_b >> 18 | to_itself << 23;
}

/* ---- state ---- */

static uint64_t some_value(struct guest *g)
{
    uint64_t at = GUEST_DATA + (random_bits(g) & 0xff8);
    return random_below(g, 4) ? at | (random_below(g, 16) ? 0 : random_bits(g) & 7)
                              : random_value(g);
}
static struct ipf_fr some_float(struct guest *g)
{
    uint64_t v = random_bits(g);
    struct ipf_fr f = float_from_double(v);
    switch (random_below(g, 8)) {
    case 0: return f;
    case 1: return (struct ipf_fr){ v, FR_INTEGER, 0 };
    case 2: return random_below(g, 2) ? fr_natval : (struct ipf_fr){ 0, 0, v & 1 };
    case 3: f = float_from_double((v & ~(UINT64_C(0x7ff) << 52)) | (v % 4) << 52); return f;
    case 4: return number((double)(int16_t)v);
    default: /* near each other, exact or not */
        f.exponent = FR_BIAS + (unsigned)(v % 8);
        f.significand = BIT(63) | (f.significand & ~UINT64_C(0) << (11 + v / 8 % 52));
        return f;
    }
}
static void some_state(struct guest *g)
{
    static const struct ipf_cfm frames[] = { { .sof = 96 },
                                             { .sof = 96 },
                                             { .sof = 7, .sol = 2 },
                                             { .sof = 96, .sor = 8, .rrb_gr = 3, .rrb_fr = 5 },
                                             { .sof = 8, .sor = 8 } };
    struct ipf_cpu *c = g->c;
    c->cfm = frames[random_below(g, ARRAY_SIZE(frames))];
    for (unsigned n = 1; n < 128; n++)
        *guest_gr(g, n) = (struct ipf_gr){ some_value(g), !random_below(g, 60) };
    for (unsigned n = 2; n < 128; n++)
        c->fr[n] = some_float(g);
    c->pr = random_bits(g) | 1;
    c->psr = PSR_BN | PSR_IC | (random_below(g, 20) ? 0 : PSR_BE) |
             (random_below(g, 20) ? 0 : PSR_DFL) | (random_below(g, 20) ? 0 : PSR_DFH);
    c->ar[AR_FPSR] = FPSR_DEFAULT | (random_bits(g) & UINT64_C(0x3f) << 13);
    if (!random_below(g, 4))
        c->ar[AR_FPSR] ^= random_bits(g) & (0x3f | 0x30 << 6);
    ipf_mode_changed(c);
    for (unsigned k = 0; k < 4096; k += 8) {
        struct ipf_fr f = some_float(g);
        mem_write_le(g->mem, GUEST_DATA + k, 8,
                     random_below(g, 2) ? float_to_double(&f) : random_bits(g));
    }
}

/* ---- the same twice ---- */

static void run_round(struct guest *g, const uint64_t *words, bool whole)
{
    struct ipf_cpu *c = g->c;
    for (unsigned k = 0; k < 2 * BUNDLES + 2; k++)
        mem_write_le(g->mem, GUEST_CODE + 8 * k, 8, words[k]);
    c->ip = GUEST_CODE;
    c->slot = 0;
    c->stop = IPF_RUNS;
    c->last_ip = IPF_NO_LAST;
    uint64_t end = c->retired + INSNS;
    while (c->retired < end && c->stop == IPF_RUNS)
        ipf_run_until(c, whole ? end : c->retired + 1);
}

static void assert_same(const struct guest *a, const struct guest *b, unsigned round)
{
    const struct ipf_cpu *x = a->c, *y = b->c;
    uint8_t data[2][4096 + 8];
    cr_assert_eq(x->retired, y->retired);
    cr_assert(x->ip == y->ip && x->slot == y->slot, "round %u: ip %" PRIx64 ", %" PRIx64, round,
              x->ip, y->ip);
    for (unsigned n = 0; n < 32; n++)
        cr_assert(x->gr[n].v == y->gr[n].v && x->gr[n].nat == y->gr[n].nat, "round %u: r%u", round,
                  n);
    cr_assert_arr_eq(x->frame, y->frame, 96 * sizeof *x->frame, "round %u: frame", round);
    cr_assert_arr_eq(x->bank, y->bank, sizeof x->bank);
    for (unsigned n = 0; n < 128; n++)
        cr_assert(same(&x->fr[n], y->fr[n]), "round %u: f%u", round, n);
    cr_assert_eq(x->pr, y->pr, "round %u: pr", round);
    cr_assert_eq(x->psr, y->psr, "round %u: psr %" PRIx64 ", %" PRIx64, round, x->psr, y->psr);
    cr_assert_arr_eq(x->ar, y->ar, sizeof x->ar, "round %u: FPSR %" PRIx64 ", %" PRIx64, round,
                     x->ar[AR_FPSR], y->ar[AR_FPSR]);
    cr_assert_arr_eq(x->cr, y->cr, sizeof x->cr, "round %u: IIP %" PRIx64 ", %" PRIx64, round,
                     x->cr[CR_IIP], y->cr[CR_IIP]);
    mem_read(a->mem, GUEST_DATA, data[0], sizeof data[0]);
    mem_read(b->mem, GUEST_DATA, data[1], sizeof data[1]);
    cr_assert_arr_eq(data[0], data[1], sizeof data[0], "round %u: memory", round);
}

/* ---- that all of them have been there ---- */

static unsigned seen[200][2 * LASTS], skipped;
static void note_handlers(const struct guest *g)
{
    const struct ipf_block *b = ipf_block_at(g->c->code, GUEST_CODE, 0, 0);
    const struct ipf_op *op = b->fast;
    for (; op->index < b->ops; op++)
        for (unsigned k = 0; k < ipf_fast_row_count; k++)
            for (unsigned n = 0; n < 2 * LASTS; n++)
                seen[k][n] += ipf_fast_rows[k].run_fast[n] == op->run;
    skipped += b->ops - (unsigned)(op - b->fast);
}

Test(ipf_fast, whole_blocks_do_what_their_operations_do)
{
    struct guest a = guest_new(), b = guest_new();
    for (unsigned k = 0; k < ROUNDS; k++) {
        uint64_t words[2 * BUNDLES + 2];
        some_code(&a, words);
        b.random = a.random;
        some_state(&a);
        some_state(&b);
        run_round(&a, words, true);
        run_round(&b, words, false);
        assert_same(&a, &b, k);
        note_handlers(&a);
    }
    cr_assert_gt(skipped, ROUNDS);
    for (unsigned k = 0; k < ipf_fast_row_count; k++)
        for (unsigned n = 0; n < 2 * LASTS; n++) {
            uint8_t reads = ipf_fast_rows[k].reads;
            bool can = n % LASTS == LAST_IS_NONE || (n % LASTS == LAST_IS_R2 && reads & READS_R2) ||
                       (n % LASTS == LAST_IS_R3 && reads & READS_R3);
            cr_assert(!can || seen[k][n], "handler %u of row %u was not used", n, k);
        }
    guest_end(&a);
    guest_end(&b);
}

/* What the host computes instead of float_arith.c: the flags are right as well as the values. */
Test(ipf_fast, inexact_is_raised_when_it_is)
{
    static const struct {
        double x, y, z, result;
        bool inexact;
    } cases[] = {
        { 3, 5, 7, 22, false },
        { 1.0 / 3, 3, -1, -0x1p-54, false },
        { 1.0 / 3, 3, 0, 1, true },
        { 0x1p60, 1, 1, 0x1p60, true },
        { 0x1p-600, 0x1p-400, 1, 1, true },
        { 0x1p-600, 0x1p-400, 0x1p-1000, 0x1p-999, false },
        { 0x1.8p-511, 0x1p-511, 0, 0x1.8p-1022, false },
        { 0, 5, 7, 7, false },
        { 0x1p-700, 0x1p-700, 7, 7, true },
    };
    struct guest g = guest_new();
    struct row fma = row_named("fma.d", IPF_FORMAT_F1);
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        prepare(&g);
        g.c->fr[9] = number(cases[k].x);
        g.c->fr[10] = number(cases[k].y);
        g.c->fr[11] = number(cases[k].z);
        guest_place(&g, IPF_F, encoded(&fma, 0, 8, 11, 9) | UINT64_C(10) << 27, 0);
        g.c->ip = g.ip;
        g.c->slot = 0;
        ipf_run_until(g.c, g.c->retired + 6);
        cr_expect_eq(value_of(&g.c->fr[8]), cases[k].result, "case %zu", k);
        cr_expect_eq(sf_flags(&g, 0), cases[k].inexact ? FLOAT_I : 0, "case %zu", k);
    }
    guest_end(&g);
}
