// SPDX-License-Identifier: Apache-2.0
// Itanium integer instructions: ALU, bit fields, shifts, parallel integers.  Each row runs with
// random operands, and all registers are compared with what a plain reading of the manual gives.
#include "ipf_insn.h"

enum { TIMES = 300 };

/* The operands of one case: x is r2, y is r3 (each 0 where the format has none), n the immediate,
 * p and q the small immediates. */
struct operands {
    uint64_t x, y, n;
    unsigned p, q;
};
typedef uint64_t reference(const struct operands *o);
#define REFERENCE(name, value)                                                                     \
    static uint64_t name(const struct operands *o) { return value; }

/* ---- ALU ---- */

static uint64_t pointer(uint64_t sum, uint64_t base)
{
    uint64_t v = sum % (UINT64_C(1) << 32);
    v |= base & BIT(30) ? BIT(61) : 0;
    return v | (base & BIT(31) ? BIT(62) : 0);
}
REFERENCE(add, o->x + o->y)
REFERENCE(add1, o->x + o->y + 1)
REFERENCE(sub, o->x - o->y)
REFERENCE(sub1, o->x + ~o->y)
REFERENCE(addp4, pointer(o->x + o->y, o->y))
REFERENCE(and_, o->x &o->y)
REFERENCE(andcm, o->x & ~o->y)
REFERENCE(or_, o->x | o->y)
REFERENCE(xor_, o->x ^ o->y)
REFERENCE(shladd, o->x * (1u << o->p) + o->y)
REFERENCE(shladdp4, pointer(o->x * (1u << o->p) + o->y, o->y))
REFERENCE(sub_n, o->n - o->y)
REFERENCE(and_n, o->n &o->y)
REFERENCE(andcm_n, o->n & ~o->y)
REFERENCE(or_n, o->n | o->y)
REFERENCE(xor_n, o->n ^ o->y)
REFERENCE(add_n, o->n + o->y)
REFERENCE(addp4_n, pointer(o->n + o->y, o->y))
REFERENCE(movl, o->n)

/* ---- shifts and fields, bit by bit ---- */

static bool bit_of(uint64_t v, unsigned n) { return n < 64 && v >> n & 1; }
static uint64_t shifted_right(uint64_t v, uint64_t count, bool sign)
{
    uint64_t r = 0;
    for (unsigned k = 0; k < 64; k++)
        if (count < 64 && k + count < 64 ? bit_of(v, k + (unsigned)count) : sign && v >> 63)
            r |= BIT(k);
    return r;
}
static uint64_t extracted(const struct operands *o, bool is_signed)
{
    uint64_t r = 0;
    unsigned length = o->p + o->q > 64 ? 64 - o->p : o->q;
    for (unsigned k = 0; k < 64; k++)
        if (k < length ? bit_of(o->y, o->p + k) : is_signed && bit_of(o->y, o->p + length - 1))
            r |= BIT(k);
    return r;
}
static uint64_t deposited(uint64_t field, uint64_t into, const struct operands *o)
{
    for (unsigned k = 0; k < o->q && o->p + k < 64; k++)
        into = (into & ~BIT(o->p + k)) | (uint64_t)bit_of(field, k) << (o->p + k);
    return into;
}
static uint64_t counted(uint64_t v)
{
    uint64_t n = 0;
    for (; v; v &= v - 1)
        n++;
    return n;
}
static uint64_t zeros(uint64_t v)
{
    uint64_t n = 0;
    while (n < 64 && !bit_of(v, 63 - (unsigned)n))
        n++;
    return n;
}
static uint64_t shifted_pair(const struct operands *o)
{
    uint64_t r = 0;
    for (unsigned k = 0; k < 64; k++)
        if (k + o->p < 64 ? bit_of(o->y, k + o->p) : bit_of(o->x, k + o->p - 64))
            r |= BIT(k);
    return r;
}
REFERENCE(shl, o->y > 63 ? 0 : o->x << o->y)
REFERENCE(shr, shifted_right(o->y, o->x, true))
REFERENCE(shr_u, shifted_right(o->y, o->x, false))
REFERENCE(shrp, shifted_pair(o))
REFERENCE(extr, extracted(o, true))
REFERENCE(extr_u, extracted(o, false))
REFERENCE(dep_z, deposited(o->x, 0, o))
REFERENCE(dep_z_n, deposited(o->n, 0, o))
REFERENCE(dep, deposited(o->x, o->y, o))
REFERENCE(dep_n, deposited(o->n, o->y, o))
REFERENCE(popcnt, counted(o->y))
REFERENCE(clz, zeros(o->y))
REFERENCE(zxt1, o->y % 0x100)
REFERENCE(zxt2, o->y % 0x10000)
REFERENCE(zxt4, o->y % 0x100000000)
REFERENCE(sxt1, o->y % 0x100 - (o->y & 0x80) * 2)
REFERENCE(sxt2, o->y % 0x10000 - (o->y & 0x8000) * 2)
REFERENCE(sxt4, o->y % 0x100000000 - (o->y & 0x80000000) * 2)

/* ---- parallel integers ---- */

/* Elements of a register as arrays, element 0 the least significant, as numbers. */
static void split(uint64_t v, unsigned size, bool is_signed, int64_t e[8])
{
    for (unsigned k = 0; k < 8 / size; k++) {
        e[k] = 0;
        for (unsigned b = size; b-- > 0;)
            e[k] = e[k] * 256 + (int64_t)(v >> 8 * (k * size + b) & 0xff);
        if (is_signed && e[k] >= INT64_C(1) << (8 * size - 1))
            e[k] -= INT64_C(1) << 8 * size;
    }
}
static uint64_t joined(const int64_t e[8], unsigned size)
{
    uint64_t v = 0;
    for (unsigned k = 0; k < 8 / size; k++)
        for (unsigned b = 0; b < size; b++)
            v |= ((uint64_t)e[k] >> 8 * b & 0xff) << 8 * (k * size + b);
    return v;
}
static int64_t limited(int64_t v, unsigned size, bool is_signed)
{
    int64_t range = INT64_C(1) << 8 * size, low = is_signed ? -range / 2 : 0;
    return v < low ? low : v >= low + range ? low + range - 1 : v;
}
/* An arithmetic shift right by one that keeps the bit that goes. */
static int64_t half(int64_t v) { return (v - (v & 1)) / 2 | (v & 1); }

#define EACH(name, size, signed_a, signed_b, value)                                                \
    static uint64_t name(const struct operands *o)                                                 \
    {                                                                                              \
        int64_t x[8], y[8], r[8];                                                                  \
        enum { SIZE = size };                                                                      \
        split(o->x, size, signed_a, x);                                                            \
        split(o->y, size, signed_b, y);                                                            \
        for (unsigned k = 0; k < 8 / (size); k++) {                                                \
            int64_t a = x[k], b = y[k];                                                            \
            r[k] = (value);                                                                        \
            (void)a, (void)b;                                                                      \
        }                                                                                          \
        return joined(r, size);                                                                    \
    }
#define EACH12(name, signed_a, signed_b, value)                                                    \
    EACH(name##1, 1, signed_a, signed_b, value)                                                    \
    EACH(name##2, 2, signed_a, signed_b, value)
#define EACH124(name, signed_a, signed_b, value)                                                   \
    EACH12(name, signed_a, signed_b, value)                                                        \
    EACH(name##4, 4, signed_a, signed_b, value)
EACH124(padd, false, false, a + b)
EACH12(padd_sss, true, true, limited(a + b, SIZE, true))
EACH12(padd_uuu, false, false, limited(a + b, SIZE, false))
EACH12(padd_uus, false, true, limited(a + b, SIZE, false))
EACH124(psub, false, false, a - b)
EACH12(psub_sss, true, true, limited(a - b, SIZE, true))
EACH12(psub_uuu, false, false, limited(a - b, SIZE, false))
EACH12(psub_uus, false, true, limited(a - b, SIZE, false))
EACH12(pavg, false, false, half(a + b))
EACH12(pavg_raz, false, false, (a + b + 1) / 2)
EACH12(pavgsub, false, false, half(a - b))
EACH124(pcmp_eq, false, false, a == b ? -1 : 0)
EACH124(pcmp_gt, true, true, a > b ? -1 : 0)
EACH(pmin1_u, 1, false, false, a < b ? a : b)
EACH(pmax1_u, 1, false, false, a > b ? a : b)
EACH(pmin2, 2, true, true, a < b ? a : b)
EACH(pmax2, 2, true, true, a > b ? a : b)
EACH(pshradd2, 2, true, true, limited((a - (a & ((1 << o->p) - 1))) / (1 << o->p) + b, 2, true))

/* An element that the shift saturates is the result whatever is to be added. */
static int64_t shift_added(int64_t a, int64_t b, unsigned count)
{
    int64_t v = a * (1 << count);
    return v != limited(v, 2, true) ? limited(v, 2, true) : limited(v + b, 2, true);
}
EACH(pshladd2, 2, true, true, shift_added(a, b, o->p))

#define SHIFTS(size)                                                                               \
    EACH(pshl##size, size, false, false, o->y >= 8 * SIZE ? 0 : a << o->y)                         \
    EACH(pshl##size##_n, size, false, false, o->p >= 8 * SIZE ? 0 : a << o->p)                     \
    EACH(pshr##size, size, false, true, b >> (o->x >= 8 * SIZE ? 8 * SIZE : o->x))                 \
    EACH(pshr##size##_n, size, false, true, b >> (o->p >= 8 * SIZE ? 8 * SIZE : o->p))             \
    EACH(pshr##size##_u, size, false, false, o->x >= 8 * SIZE ? 0 : b >> o->x)                     \
    EACH(pshr##size##_u_n, size, false, false, o->p >= 8 * SIZE ? 0 : b >> o->p)
SHIFTS(2)
SHIFTS(4)

static int64_t product_part(int64_t product, unsigned code)
{
    static const unsigned counts[] = { 0, 7, 15, 16 };
    return (int64_t)((uint64_t)product >> counts[code]);
}
EACH(pmpyshr2, 2, true, true, product_part(a *b, o->p))
EACH(pmpyshr2_u, 2, false, false, product_part(a *b, o->p))

static uint64_t products(const struct operands *o, unsigned first)
{
    int64_t x[8], y[8];
    split(o->x, 2, true, x);
    split(o->y, 2, true, y);
    int64_t r[8] = { x[first] * y[first], x[first + 2] * y[first + 2] };
    return joined(r, 4);
}
REFERENCE(pmpy2_r, products(o, 0))
REFERENCE(pmpy2_l, products(o, 1))
REFERENCE(mpy4, (o->x % 0x100000000) * (o->y % 0x100000000))
REFERENCE(mpyshl4, (o->x / 0x100000000) * (o->y % 0x100000000) * 0x100000000)

static uint64_t differences(const struct operands *o)
{
    int64_t x[8], y[8], sum = 0;
    split(o->x, 1, false, x);
    split(o->y, 1, false, y);
    for (unsigned k = 0; k < 8; k++)
        sum += x[k] > y[k] ? x[k] - y[k] : y[k] - x[k];
    return (uint64_t)sum;
}
REFERENCE(psad1, differences(o))

/* The picture of the manual, left to right: "x3 y3 x1 y1"; sources and element numbers. */
static uint64_t arranged(const struct operands *o, unsigned size, const char *picture)
{
    int64_t x[8], y[8], r[8];
    split(o->x, size, false, x);
    split(o->y, size, false, y);
    for (unsigned k = 8 / size; k-- > 0; picture += 3)
        r[k] = (picture[0] == 'x' ? x : y)[picture[1] - '0'];
    return joined(r, size);
}
REFERENCE(mix1_l, arranged(o, 1, "x7 y7 x5 y5 x3 y3 x1 y1"))
REFERENCE(mix1_r, arranged(o, 1, "x6 y6 x4 y4 x2 y2 x0 y0"))
REFERENCE(mix2_l, arranged(o, 2, "x3 y3 x1 y1"))
REFERENCE(mix2_r, arranged(o, 2, "x2 y2 x0 y0"))
REFERENCE(mix4_l, arranged(o, 4, "x1 y1"))
REFERENCE(mix4_r, arranged(o, 4, "x0 y0"))
REFERENCE(unpack1_h, arranged(o, 1, "x7 y7 x6 y6 x5 y5 x4 y4"))
REFERENCE(unpack1_l, arranged(o, 1, "x3 y3 x2 y2 x1 y1 x0 y0"))
REFERENCE(unpack2_h, arranged(o, 2, "x3 y3 x2 y2"))
REFERENCE(unpack2_l, arranged(o, 2, "x1 y1 x0 y0"))
REFERENCE(unpack4_h, arranged(o, 4, "x1 y1"))
REFERENCE(unpack4_l, arranged(o, 4, "x0 y0"))

static uint64_t packed(const struct operands *o, unsigned size, bool is_signed)
{
    int64_t x[8], y[8], r[8];
    split(o->x, size, true, x);
    split(o->y, size, true, y);
    for (unsigned k = 0; k < 8 / size; k++) {
        r[k] = limited(x[k], size / 2, is_signed);
        r[8 / size + k] = limited(y[k], size / 2, is_signed);
    }
    return joined(r, size / 2);
}
REFERENCE(pack2_sss, packed(o, 2, true))
REFERENCE(pack2_uss, packed(o, 2, false))
REFERENCE(pack4_sss, packed(o, 4, true))

static uint64_t muxed(const struct operands *o)
{
    switch (o->p) {
    case 0x8: return arranged(o, 1, "x7 x3 x5 x1 x6 x2 x4 x0"); /* @mix  */
    case 0x9: return arranged(o, 1, "x7 x3 x6 x2 x5 x1 x4 x0"); /* @shuf */
    case 0xa: return arranged(o, 1, "x7 x5 x3 x1 x6 x4 x2 x0"); /* @alt  */
    case 0xb: return arranged(o, 1, "x0 x1 x2 x3 x4 x5 x6 x7"); /* @rev  */
    default: return arranged(o, 1, "x0 x0 x0 x0 x0 x0 x0 x0");  /* @brcst */
    }
}
REFERENCE(mux1, muxed(o))
static uint64_t mux2(const struct operands *o)
{
    int64_t x[8], r[8];
    split(o->x, 2, false, x);
    for (unsigned k = 0; k < 4; k++)
        r[k] = x[o->p / (1u << 2 * k) % 4];
    return joined(r, 2);
}

static uint64_t first_zero(uint64_t v, unsigned size, bool left)
{
    int64_t e[8];
    unsigned count = 8 / size;
    split(v, size, false, e);
    for (unsigned k = 0; k < count; k++)
        if (!e[left ? count - 1 - k : k])
            return k;
    return count;
}
REFERENCE(czx1_l, first_zero(o->y, 1, true))
REFERENCE(czx1_r, first_zero(o->y, 1, false))
REFERENCE(czx2_l, first_zero(o->y, 2, true))
REFERENCE(czx2_r, first_zero(o->y, 2, false))

/* ---- the rows ---- */

static const struct {
    const char *name;
    enum ipf_format format;
    reference *value;
} cases[] = {
#define CASE(name, format, value) { name, IPF_FORMAT_##format, value },
    CASE("add", A1, add) CASE("add", A1_plus1, add1)
    CASE("sub", A1, sub) CASE("sub", A1_plus1, sub1)
    CASE("addp4", A1, addp4) CASE("and", A1, and_)
    CASE("andcm", A1, andcm) CASE("or", A1, or_)
    CASE("xor", A1, xor_) CASE("shladd", A2, shladd)
    CASE("shladdp4", A2, shladdp4) CASE("sub", A3, sub_n)
    CASE("and", A3, and_n) CASE("andcm", A3, andcm_n)
    CASE("or", A3, or_n) CASE("xor", A3, xor_n)
    CASE("adds", A4, add_n) CASE("addp4", A4, addp4_n)
    CASE("addl", A5, add_n) CASE("movl", X2, movl)
    CASE("shl", I7, shl) CASE("shr", I5, shr)
    CASE("shr.u", I5, shr_u) CASE("shrp", I10, shrp)
    CASE("extr", I11, extr) CASE("extr.u", I11, extr_u)
    CASE("dep.z", I12, dep_z) CASE("dep.z", I13, dep_z_n)
    CASE("dep", I14, dep_n) CASE("dep", I15, dep)
    CASE("popcnt", I9, popcnt) CASE("clz", I9, clz)
    CASE("zxt1", I29, zxt1) CASE("zxt2", I29, zxt2)
    CASE("zxt4", I29, zxt4) CASE("sxt1", I29, sxt1)
    CASE("sxt2", I29, sxt2) CASE("sxt4", I29, sxt4)
    CASE("czx1.l", I29, czx1_l) CASE("czx1.r", I29, czx1_r)
    CASE("czx2.l", I29, czx2_l) CASE("czx2.r", I29, czx2_r)
    CASE("padd1", A9, padd1) CASE("padd2", A9, padd2)
    CASE("padd4", A9, padd4) CASE("padd1.sss", A9, padd_sss1)
    CASE("padd2.sss", A9, padd_sss2) CASE("padd1.uuu", A9, padd_uuu1)
    CASE("padd2.uuu", A9, padd_uuu2) CASE("padd1.uus", A9, padd_uus1)
    CASE("padd2.uus", A9, padd_uus2) CASE("psub1", A9, psub1)
    CASE("psub2", A9, psub2) CASE("psub4", A9, psub4)
    CASE("psub1.sss", A9, psub_sss1) CASE("psub2.sss", A9, psub_sss2)
    CASE("psub1.uuu", A9, psub_uuu1) CASE("psub2.uuu", A9, psub_uuu2)
    CASE("psub1.uus", A9, psub_uus1) CASE("psub2.uus", A9, psub_uus2)
    CASE("pavg1", A9, pavg1) CASE("pavg2", A9, pavg2)
    CASE("pavg1.raz", A9, pavg_raz1) CASE("pavg2.raz", A9, pavg_raz2)
    CASE("pavgsub1", A9, pavgsub1) CASE("pavgsub2", A9, pavgsub2)
    CASE("pcmp1.eq", A9, pcmp_eq1) CASE("pcmp2.eq", A9, pcmp_eq2)
    CASE("pcmp4.eq", A9, pcmp_eq4) CASE("pcmp1.gt", A9, pcmp_gt1)
    CASE("pcmp2.gt", A9, pcmp_gt2) CASE("pcmp4.gt", A9, pcmp_gt4)
    CASE("pshladd2", A10, pshladd2) CASE("pshradd2", A10, pshradd2)
    CASE("pmpyshr2", I1, pmpyshr2) CASE("pmpyshr2.u", I1, pmpyshr2_u)
    CASE("pmpy2.r", I2, pmpy2_r) CASE("pmpy2.l", I2, pmpy2_l)
    CASE("mpy4", I2, mpy4) CASE("mpyshl4", I2, mpyshl4)
    CASE("mix1.l", I2, mix1_l) CASE("mix1.r", I2, mix1_r)
    CASE("mix2.l", I2, mix2_l) CASE("mix2.r", I2, mix2_r)
    CASE("mix4.l", I2, mix4_l) CASE("mix4.r", I2, mix4_r)
    CASE("pack2.sss", I2, pack2_sss) CASE("pack2.uss", I2, pack2_uss)
    CASE("pack4.sss", I2, pack4_sss) CASE("unpack1.h", I2, unpack1_h)
    CASE("unpack1.l", I2, unpack1_l) CASE("unpack2.h", I2, unpack2_h)
    CASE("unpack2.l", I2, unpack2_l) CASE("unpack4.h", I2, unpack4_h)
    CASE("unpack4.l", I2, unpack4_l) CASE("pmin1.u", I2, pmin1_u)
    CASE("pmax1.u", I2, pmax1_u) CASE("pmin2", I2, pmin2)
    CASE("pmax2", I2, pmax2) CASE("psad1", I2, psad1)
    CASE("mux1", I3, mux1) CASE("mux2", I4, mux2)
    CASE("pshr2", I5, pshr2) CASE("pshr4", I5, pshr4)
    CASE("pshr2.u", I5, pshr2_u) CASE("pshr4.u", I5, pshr4_u)
    CASE("pshr2", I6, pshr2_n) CASE("pshr4", I6, pshr4_n)
    CASE("pshr2.u", I6, pshr2_u_n) CASE("pshr4.u", I6, pshr4_u_n)
    CASE("pshl2", I7, pshl2) CASE("pshl4", I7, pshl4)
    CASE("pshl2", I8, pshl2_n) CASE("pshl4", I8, pshl4_n)
};

static reference *reference_of(const struct ipf_row *row)
{
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++)
        if (!strcmp(cases[k].name, row->name) && cases[k].format == row->format)
            return cases[k].value;
    cr_assert_fail("no case for %s%s", row->name, ipf_format_text((enum ipf_format)row->format));
    return NULL;
}

/* Reserved counts and permutations (SDM vol. 3, "Immediate Formation"). */
static bool is_reserved(const struct ipf_slot *s)
{
    bool count = s->row->format == IPF_FORMAT_A10 && s->small[1] == 4;
    return count || (s->row->format == IPF_FORMAT_I3 && !strchr("\x8\x9\xa\xb", s->small[1]));
}

/* One instruction on random registers, of which some are NaT, its predicate true or false, its
 * target sometimes r0. */
static void run_case(struct guest *g, const struct row *r, reference *value)
{
    struct registers all = guest_randomize(g, 8);
    uint64_t low = random_bits(g) & (BIT(41) - 1);
    uint64_t slot = (random_bits(g) & (BIT(41) - 1) & ~r->mask) | r->match;
    if (random_below(g, 3))
        slot = with_field(slot, 0, 6, 0);
    if (!random_below(g, 16))
        slot = with_field(slot, 6, 7, 0);
    struct ipf_slot s;
    cr_assert(ipf_decode(r->unit, slot, low, &s) && s.row == r->row, "%s", r->row->name);
    const struct ipf_gr *x = &all.r[s.r[2]], *y = &all.r[s.r[3]];
    struct operands o = { x->v, y->v, (uint64_t)s.imm, s.small[1], s.small[2] };
    guest_place(g, r->unit, slot, low);
    guest_step(g);
    if (all.pr >> s.qp & 1 && (!s.r[1] || is_reserved(&s))) {
        assert_fault(g, VECTOR_GENERAL, ILLEGAL, r->row->name);
        return;
    }
    assert_went_on(g, r->row->name);
    if (all.pr >> s.qp & 1)
        all.r[s.r[1]] = (struct ipf_gr){ value(&o), x->nat | y->nat };
    assert_registers(g, &all, r->row->name);
}

Test(ipf_integer, every_row_gives_what_the_manual_says)
{
    struct guest g = guest_new();
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++)
        for (unsigned k = 0; k < TIMES && topic_of(r.row) == INTEGER; k++)
            run_case(&g, &r, reference_of(r.row));
    guest_end(&g);
}

Test(ipf_integer, a_target_beyond_the_frame_is_illegal)
{
    struct guest g = guest_new();
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++) {
        if (topic_of(r.row) != INTEGER)
            continue;
        struct registers all = guest_randomize(&g, 0);
        g.c->cfm.sof = 8;
        guest_execute(&g, &r, encoded(&r, 0, 40, 1, 8));
        assert_fault(&g, VECTOR_GENERAL, ILLEGAL, r.row->name);
        cr_assert_eq(g.c->frame[8].v, all.r[40].v);
        guest_execute(&g, &r, encoded(&r, 0, 39, 1, 8));
        assert_went_on(&g, r.row->name);
    }
    guest_end(&g);
}

/* SDM vol. 3, pshladd2: an element that the shift saturates is not added to. */
Test(ipf_integer, pshladd2_saturates_at_once)
{
    struct guest g = guest_new();
    struct row r = row_named("pshladd2", IPF_FORMAT_A10);
    g.c->cfm.sof = 8;
    *guest_gr(&g, 2) = (struct ipf_gr){ UINT64_C(0x4000c00000010000), 0 };
    *guest_gr(&g, 3) = (struct ipf_gr){ UINT64_C(0xffff000100020003), 0 };
    guest_execute(&g, &r, with_field(encoded(&r, 0, 8, 2, 3), 27, 2, 1));
    assert_went_on(&g, "pshladd2");
    cr_assert_eq(g.c->gr[8].v, UINT64_C(0x7fff800000060003), "%" PRIx64, g.c->gr[8].v);
    guest_end(&g);
}
