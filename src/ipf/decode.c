// SPDX-License-Identifier: Apache-2.0
#include "ipf/decode.h"

#include <stddef.h>
#include <string.h>
#include <threads.h>

#include "base/bits.h"
#include "ipf/op.h"

struct ipf_bundle ipf_bundle(uint64_t low, uint64_t high)
{
    return (struct ipf_bundle){
        .template = low & 0x1f,
        .slot = { bits(low, 45, 5), low >> 46 | (high & 0x7fffff) << 18, high >> 23 },
    };
}

/* SDM vol. 3, table "Template Field Encoding and Instruction Slot Mapping"; two numbers a row: bit
 * 0 is the stop at the end. */
const struct ipf_template *ipf_template(uint8_t number)
{
#define UNITS(a, b, c, stops)                                                                      \
    { { IPF_##a, IPF_##b, IPF_##c }, stops }, { { IPF_##a, IPF_##b, IPF_##c }, (stops) | 4 }
#define RESERVED UNITS(L, L, L, 0)
    static const struct ipf_template templates[32] = {
        UNITS(M, I, I, 0), UNITS(M, I, I, 2), UNITS(M, L, X, 0), RESERVED,
        UNITS(M, M, I, 0), UNITS(M, M, I, 1), UNITS(M, F, I, 0), UNITS(M, M, F, 0),
        UNITS(M, I, B, 0), UNITS(M, B, B, 0), RESERVED,          UNITS(B, B, B, 0),
        UNITS(M, M, B, 0), RESERVED,          UNITS(M, F, B, 0), RESERVED,
    };
#undef RESERVED
#undef UNITS
    return &templates[number & 0x1f];
}

/* ---- formats ---- */

enum { PIECES = 6, L = 64 };
enum small_kind { PLAIN, PLUS1, PLUS32, COMPLEMENT };
struct piece {
    uint8_t lsb, length;
};
struct format {
    const char *text;
    struct piece r[5];
    struct piece piece[PIECES];
    struct piece small[3];
    uint8_t small_kind[3];
    uint8_t unit, shift;
    uint8_t target; /* what r1 is: enum ipf_target */
    bool is_signed, unpredicated, updates;
};

static const struct format formats[] = {
#define S true
#define U false
#define R(n, lsb, length) .r[n] = { lsb, length }
#define IMM(sign, left, ...) .is_signed = sign, .shift = left, .piece = { __VA_ARGS__ }
#define UPDATES .updates = true
#define UNPREDICATED .unpredicated = true
#define SMALL(n, lsb, length, kind) .small[n] = { lsb, length }, .small_kind[n] = kind
#define FORMAT(name, units, ...)                                                                   \
    [IPF_FORMAT_##name] = { .unit = IPF_##units, FORMAT_(__VA_ARGS__) },
#define FORMAT_(...) .text = __VA_ARGS__
#include "ipf/format.def"
#undef S
#undef U
};

const char *ipf_format_text(enum ipf_format format) { return formats[format].text; }

/* ---- rows ---- */

static const struct ipf_row rows[] = {
#define SLOT(format, name, handler, arg, fields) { name, handler, IPF_FORMAT_##format, arg },
#include "ipf/insn.def"
};
enum { ROWS = sizeof rows / sizeof rows[0] };
static const uint64_t masks[ROWS] = {
#define FIELD(lsb, length, value) (BIT(length) - 1) << (lsb)
#define SLOT(format, name, handler, arg, fields) fields,
#include "ipf/insn.def"
#undef FIELD
};
static const uint64_t matches[ROWS] = {
#define FIELD(lsb, length, value) (uint64_t)(value) << (lsb)
#define SLOT(format, name, handler, arg, fields) fields,
#include "ipf/insn.def"
#undef FIELD
};

bool ipf_row_at(unsigned n, const struct ipf_row **row, enum ipf_unit *unit, uint64_t *mask,
                uint64_t *match)
{
    if (n >= ROWS)
        return false;
    *row = &rows[n];
    *unit = (enum ipf_unit)formats[rows[n].format].unit;
    *mask = masks[n];
    *match = matches[n];
    return true;
}

/* The rows of a unit by major opcode (bits 40:37), which every row names: lists in the order of the
 * table. */
enum { MAJORS = 16, MAJOR_SHIFT = 37, LAST = UINT16_MAX };
static uint16_t first_row[IPF_L + 1][MAJORS], next_row[IPF_L + 1][ROWS];
static once_flag rows_listed = ONCE_FLAG_INIT;

static void list_rows(void)
{
    memset(first_row, 0xff, sizeof first_row);
    for (unsigned n = ROWS; n--;)
        for (enum ipf_unit unit = IPF_A; unit < IPF_L; unit++) {
            enum ipf_unit of = (enum ipf_unit)formats[rows[n].format].unit;
            uint16_t *first = &first_row[unit][matches[n] >> MAJOR_SHIFT];
            if (of != unit && (of != IPF_A || (unit != IPF_M && unit != IPF_I)))
                continue;
            next_row[unit][n] = *first;
            *first = (uint16_t)n;
        }
}

static const struct ipf_row *find(enum ipf_unit unit, uint64_t slot)
{
    call_once(&rows_listed, list_rows);
    for (unsigned n = first_row[unit][slot >> MAJOR_SHIFT & 15]; n != LAST; n = next_row[unit][n])
        if ((slot & masks[n]) == matches[n])
            return &rows[n];
    return NULL;
}

/* ---- operands ---- */

static uint64_t piece_of(struct piece p, uint64_t slot, uint64_t low)
{
    uint64_t from = p.lsb >= L ? low >> (p.lsb - L) : slot >> p.lsb;
    return from & (BIT(p.length) - 1);
}

static int64_t immediate(const struct format *f, uint64_t slot, uint64_t low)
{
    uint64_t value = 0;
    unsigned width = 0;
    for (unsigned k = 0; k < PIECES && f->piece[k].length; k++) {
        value |= piece_of(f->piece[k], slot, low) << width;
        width += f->piece[k].length;
    }
    if (f->is_signed && width)
        value = (uint64_t)((int64_t)(value << (64 - width)) >> (64 - width));
    return (int64_t)(value << f->shift);
}

static uint8_t small(const struct format *f, unsigned n, uint64_t slot)
{
    struct piece p = f->small[n];
    uint64_t value = piece_of(p, slot, 0);
    switch (f->small_kind[n]) {
    case PLUS1: return (uint8_t)(value + 1);
    case PLUS32: return (uint8_t)(value + 32);
    case COMPLEMENT: return (uint8_t)(BIT(p.length) - 1 - value);
    default: return (uint8_t)value;
    }
}

bool ipf_decode(enum ipf_unit unit, uint64_t slot, uint64_t low, struct ipf_slot *out)
{
    *out = (struct ipf_slot){ .row = find(unit, slot), .bits = slot, .qp = slot & 0x3f };
    if (!out->row)
        return false;
    const struct format *f = &formats[out->row->format];
    out->qp = f->unpredicated ? 0 : out->qp;
    for (unsigned n = 1; n <= 4; n++)
        out->r[n] = (uint8_t)piece_of(f->r[n], slot, low);
    for (unsigned n = 1; n <= 2; n++)
        out->small[n] = small(f, n, slot);
    out->imm = immediate(f, slot, low);
    out->target = (enum ipf_target)f->target;
    out->updates = f->updates;
    return true;
}
