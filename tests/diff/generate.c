// SPDX-License-Identifier: Apache-2.0
#include "generate.h"

#include <stdlib.h>
#include <string.h>

#include "aim.h"
#include "base/bits.h"
#include "lists.h"
#include "random.h"
#include "values.h"

enum { NOP = 0x90 };
enum { HAS_MODRM = 1 << 0, RELATIVE = 1 << 1, ABSOLUTE = 1 << 2 };
static const uint8_t operand_kinds[] = {
#define KIND_REGS_MODRM HAS_MODRM
#define KIND_REGS_OPCODE 0
#define KIND_REGS_ACC 0
#define KIND_REGS_NONE 0
#define KIND_OF_IMM(i) ((i) == IMM_JB || (i) == IMM_JZ ? RELATIVE : (i) == IMM_MOFFS ? ABSOLUTE : 0)
#define OPERANDS(name, regs, imm, size, dst, src) KIND_##regs | KIND_OF_IMM(imm),
#include "cpu/operands.def"
};

/* An instruction in the making. */
struct draft {
    uint8_t bytes[32];       /* random beyond what is decided: displacement and immediate */
    unsigned length;
    unsigned tail;           /* where displacement, absolute address or immediate begins  */
    struct insn insn;
    bool defined, address_prefix;
};

bool generator_init(struct generator *g, unsigned bits, uint64_t seed, const char *only)
{
    *g = (struct generator){ .bits = bits, .random = seed * 2 + 1, .only = only };
    g->rows = malloc(insn_row_count * sizeof *g->rows);
    if (!g->rows || !decoder_init(&g->decoder))
        return false;
    for (unsigned k = 0; k < insn_row_count; k++)
        if (only ? !strcmp(insn_rows[k].name, only) : !row_excluded(&insn_rows[k], bits))
            g->rows[g->row_count++] = (uint16_t)k;
    return g->row_count;
}

void generator_free(struct generator *g)
{
    free(g->rows);
    decoder_free(&g->decoder);
}

/* ---- one instruction ---- */

static void put(struct draft *d, uint8_t byte) { d->bytes[d->length++] = byte; }

/* In 64-bit mode only FS and GS count; a 16-bit code segment's bytes are not the same on both
 * sides. */
static void put_segment(struct generator *g, struct draft *d)
{
    static const uint8_t overrides[] = { 0x64, 0x65, 0x26, 0x3e, 0x36, 0x2e };
    unsigned n = g->bits == 64 ? 2 : g->bits == 32 ? 6 : 5;
    if (random_percent(&g->random, g->bits == 64 ? 5 : 15))
        put(d, overrides[random_below(&g->random, n)]);
}

static void put_repeat(struct generator *g, struct draft *d, const struct insn_row *row)
{
    uint32_t mandatory = row->form & (F_NP | F_66 | F_F3 | F_F2);
    if (mandatory == F_F3 || (is_string(row) && random_percent(&g->random, 40)))
        put(d, 0xf3);
    else if (mandatory == F_F2 || (is_string(row) && random_percent(&g->random, 30)))
        put(d, 0xf2);
}

static void put_prefixes(struct generator *g, struct draft *d, const struct insn_row *row)
{
    uint64_t *r = &g->random;
    uint32_t mandatory = row->form & (F_NP | F_66 | F_F3 | F_F2);
    if (random_percent(r, row->attributes & A_LOCK ? 12 : 1))
        put(d, 0xf0);
    d->address_prefix = random_percent(r, g->bits < 64 || is_string(row) ? 15 : 5);
    if (d->address_prefix)
        put(d, 0x67);
    put_segment(g, d);
    if (mandatory ? mandatory == F_66 : random_percent(r, 20))
        put(d, 0x66);
    put_repeat(g, d, row);
    if (g->bits != 64)
        return;
    bool w = row->form & F_W1 || (!(row->form & F_W0) && random_percent(r, 35));
    if (w || random_percent(r, 40))
        put(d, (uint8_t)(0x40 | w << 3 | (random_next(r) >> 40 & (random_percent(r, 50) ? 7 : 0))));
}

static void put_opcode(struct draft *d, const struct insn_row *row)
{
    if (row->map)
        put(d, 0x0f);
    if (row->map > 1)
        put(d, row->map == 2 ? 0x38 : 0x3a);
    put(d, row->opcode);
}

static void put_modrm(struct generator *g, struct draft *d, const struct insn_row *row)
{
    uint32_t form = row->form;
    uint64_t r = random_next(&g->random);
    unsigned mod = r >> 8 & 3, reg = r >> 16 & 7, rm = r >> 24 & 7;
    if (!(operand_kinds[row->operands] & HAS_MODRM) &&
        !(form & (F_HAS_EXT | F_HAS_RM | F_MEM | F_REG)))
        return;
    if (form & F_HAS_EXT)
        reg = form >> 11 & 7;
    if (form & F_REG || (!(form & F_MEM) && r >> 32 & 1))
        mod = 3;
    else if (mod == 3)
        mod = 0;
    if (form & F_HAS_RM)
        rm = form >> 15 & 7;
    put(d, (uint8_t)(mod << 6 | reg << 3 | rm));
    bool small = g->bits < 64 && (g->bits == 16) != d->address_prefix;
    if (mod != 3 && rm == 4 && !small)
        put(d, (uint8_t)(r >> 40));
}

/* Points RIP-relative and absolute operands at the data area; `at` is the instruction's offset. */
static void aim_displacement(struct generator *g, struct draft *d, const struct test_case *t)
{
    const struct insn *i = &d->insn;
    uint64_t target =
        DATA_BASE + random_below(&g->random, DATA_SIZE - (random_percent(&g->random, 3) ? 0 : 64));
    uint64_t next = case_end(t) + i->len;
    target -= i->rm == REG_BLOCK_RIP ? next : aim_base(t, insn_seg(i));
    if (operand_kinds[insn_rows[i->row].operands] & ABSOLUTE)
        memcpy(d->bytes + d->tail, &target, insn_asize(i));
    else if (insn_is_mem(i) && i->rm >= REG_ZERO)
        memcpy(d->bytes + d->tail, &target, insn_asize(i) == 2 ? 2 : 4);
}

static bool draft_insn(struct generator *g, struct draft *d, const struct insn_row *row,
                       struct aim *a)
{
    enum decode_result result;
    unsigned bits = a->t->bits;
    for (unsigned k = 0; k < sizeof d->bytes; k += 8)
        memcpy(d->bytes + k, &(uint64_t){ value_integer(&g->random) }, 8);
    d->length = 0;
    put_prefixes(g, d, row);
    put_opcode(d, row);
    put_modrm(g, d, row);
    d->tail = d->length;
    result = decode(&g->decoder, d->bytes, sizeof d->bytes, bits, &d->insn);
    if (result == DECODE_TOO_LONG || result == DECODE_TRUNCATED)
        return false;
    d->defined = result == DECODE_OK;
    if (d->insn.row >= insn_row_count || row_excluded(&insn_rows[d->insn.row], bits))
        return false;                    /* an unlucky prefix made it another instruction */
    if (operand_kinds[row->operands] & RELATIVE)
        memset(d->bytes + d->tail, 0, 4);
    if (operand_kinds[row->operands] & ABSOLUTE || insn_is_mem(&d->insn))
        aim_segment(a, &d->insn);
    aim_displacement(g, d, a->t);
    d->length = d->insn.len;
    return d->defined ? decode(&g->decoder, d->bytes, sizeof d->bytes, bits, &d->insn) == DECODE_OK
                      : true;
}

/* After them comes a NOP: POPF may set TF, MOV SS and POP SS delay the trap. */
static bool needs_nop(const struct insn_row *row)
{
    return !strcmp(row->name, "popf") || !strcmp(row->name, "pop ss") ||
           (row->map == 0 && row->opcode == 0x8e);
}

void generate_case(struct generator *g, struct test_case *t)
{
    uint64_t *r = &g->random;
    unsigned wanted = random_percent(r, 60) ? 1 : 2 + random_below(r, SEQUENCE_MAX - 1);
    bool last = false;
    struct link link = { .kind = LINK_NONE };
    struct aim a;
    memset(t, 0, offsetof(struct test_case, code));
    t->bits = (uint8_t)g->bits;
    aim_begin(&a, t, r);
    while (t->count < wanted && !last) {
        const struct insn_row *row = &insn_rows[g->rows[random_below(r, g->row_count)]];
        struct link skip = link;
        struct draft d;
        if (!draft_insn(g, &d, row, &a) || aim_loops(&a, &d.insn))
            continue;
        row = &insn_rows[d.insn.row];
        if (d.defined)
            aim_insn(&a, &d.insn);
        last = !d.defined || row_open(row);
        t->last = d.insn;
        t->row[t->count] = d.insn.row;
        t->offset[t->count++] = t->length;
        memcpy(t->code + t->length, d.bytes, d.length);
        t->length = (uint8_t)(t->length + d.length);
        if (skip.kind != LINK_NONE && random_percent(r, 50))
            aim_link(t, &skip, t->length);
        link.kind = LINK_NONE;
        if (d.defined)
            aim_branch(&a, &d.insn, operand_kinds[row->operands] & RELATIVE ? d.length - d.tail : 0,
                       &link);
        if (link.kind != LINK_NONE && t->count == wanted && wanted < SEQUENCE_MAX && !last)
            wanted++; /* something to be skipped */
    }
    if (needs_nop(&insn_rows[t->row[t->count - 1]]))
        t->code[t->length++] = NOP;
}
