// SPDX-License-Identifier: Apache-2.0
#include "generate.h"

#include <stdlib.h>
#include <string.h>

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
    bool defined;
};

bool generator_init(struct generator *g, uint64_t seed, const char *only)
{
    *g = (struct generator){ .random = seed * 2 + 1, .only = only };
    g->rows = malloc(insn_row_count * sizeof *g->rows);
    if (!g->rows || !decoder_init(&g->decoder))
        return false;
    for (unsigned k = 0; k < insn_row_count; k++)
        if (only ? !strcmp(insn_rows[k].name, only) : !row_excluded(&insn_rows[k]))
            g->rows[g->row_count++] = (uint16_t)k;
    return g->row_count;
}

void generator_free(struct generator *g)
{
    free(g->rows);
    decoder_free(&g->decoder);
}

/* ---- one instruction ---- */

static bool is_string(const struct insn_row *row)
{
    static const char *const names[] = { "movs", "cmps", "stos", "lods", "scas", "ins", "outs" };
    for (unsigned k = 0; k < ARRAY_SIZE(names); k++)
        if (!strncmp(row->name, names[k], strlen(names[k])) && row->map == 0)
            return true;
    return false;
}

static void put(struct draft *d, uint8_t byte)
{
    d->bytes[d->length++] = byte;
}

static void put_prefixes(struct generator *g, struct draft *d, const struct insn_row *row)
{
    uint64_t *r = &g->random;
    uint32_t mandatory = row->form & (F_NP | F_66 | F_F3 | F_F2);
    if (random_percent(r, row->attributes & A_LOCK ? 12 : 1))
        put(d, 0xf0);
    if (random_percent(r, 5))
        put(d, 0x67);
    if (random_percent(r, 5))
        put(d, random_percent(r, 50) ? 0x64 : 0x65);
    if (mandatory ? mandatory == F_66 : random_percent(r, 20))
        put(d, 0x66);
    if (mandatory == F_F3 || (is_string(row) && random_percent(r, 30)))
        put(d, 0xf3);
    else if (mandatory == F_F2 || (is_string(row) && random_percent(r, 20)))
        put(d, 0xf2);
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
    if (mod != 3 && rm == 4)
        put(d, (uint8_t)(r >> 40));
}

/* Points RIP-relative and absolute operands at the data area. */
static void aim_displacement(struct generator *g, struct draft *d, const struct insn_row *row,
                             uint64_t at)
{
    unsigned margin = random_percent(&g->random, 3) ? 0 : 64;
    uint64_t target = DATA_BASE + random_below(&g->random, DATA_SIZE - margin);
    uint32_t disp;
    bool memory = insn_is_mem(&d->insn);
    if (operand_kinds[row->operands] & ABSOLUTE)
        memcpy(d->bytes + d->tail, &target, insn_asize(&d->insn));
    disp = (uint32_t)(d->insn.rm == REG_BLOCK_RIP ? target - (at + d->insn.len) : target);
    if (memory && d->insn.rm >= REG_ZERO)
        memcpy(d->bytes + d->tail, &disp, 4);
}

static bool draft_insn(struct generator *g, struct draft *d, const struct insn_row *row,
                       uint64_t at)
{
    enum decode_result result;
    for (unsigned k = 0; k < sizeof d->bytes; k += 8)
        memcpy(d->bytes + k, &(uint64_t){ value_integer(&g->random) }, 8);
    d->length = 0;
    put_prefixes(g, d, row);
    put_opcode(d, row);
    put_modrm(g, d, row);
    d->tail = d->length;
    result = decode(&g->decoder, d->bytes, sizeof d->bytes, 64, &d->insn);
    if (result == DECODE_TOO_LONG || result == DECODE_TRUNCATED)
        return false;
    d->defined = result == DECODE_OK;
    if (d->insn.row >= insn_row_count || row_excluded(&insn_rows[d->insn.row]))
        return false;                    /* an unlucky prefix made it another instruction */
    if (operand_kinds[row->operands] & RELATIVE)
        memset(d->bytes + d->tail, 0, 4);
    aim_displacement(g, d, row, at);
    d->length = d->insn.len;
    return !d->defined ||
           decode(&g->decoder, d->bytes, sizeof d->bytes, 64, &d->insn) == DECODE_OK;
}

/* ---- the state before ---- */

/* The registers that an instruction's memory operand needs to hit the data area; `set` has a bit
 * for each register that an earlier instruction of the sequence has claimed. */
static void aim_registers(struct generator *g, struct test_case *t, const struct insn *i,
                          uint32_t *set)
{
    uint64_t *r = &g->random;
    uint64_t target = DATA_BASE + random_below(r, DATA_SIZE - 64), seg;
    if (random_percent(r, 60))
        target &= ~UINT64_C(63);
    if (random_percent(r, 2))
        target = DATA_BASE + DATA_SIZE - random_below(r, 32);
    if (!insn_is_mem(i))
        return;
    if (i->index < 16 && !(*set >> i->index & 1)) {
        t->in.gpr[i->index] = (uint64_t)(int64_t)(int8_t)random_next(r) & size_mask(insn_asize(i));
        *set |= 1u << i->index;
    }
    if (i->rm < 16 && !(*set >> i->rm & 1)) {
        seg = insn_seg(i) == FS ? t->in.fs_base : insn_seg(i) == GS ? t->in.gs_base : 0;
        uint64_t index = i->index < 16 ? t->in.gpr[i->index] << (i->sib & 3) : 0;
        t->in.gpr[i->rm] = target - seg - index - (uint64_t)(int64_t)i->disp;
        *set |= 1u << i->rm;
    }
}

/* Operands in fixed registers: strings, counts, divisions, lengths. */
static void aim_implicit(struct generator *g, struct test_case *t, const struct insn_row *row)
{
    uint64_t *r = &g->random;
    if (is_string(row) && random_percent(r, 90))
        t->in.gpr[RCX] = random_below(r, 40);
    if (strstr(row->name, "div") && random_percent(r, 70))
        t->in.gpr[RDX] = random_percent(r, 50) ? 0 : t->in.gpr[RDX] & 0xff;
    if (!strncmp(row->name, "pcmpes", 6) && random_percent(r, 80)) {
        t->in.gpr[RAX] = (uint64_t)(int64_t)((int)random_below(r, 40) - 20);
        t->in.gpr[RDX] = (uint64_t)(int64_t)((int)random_below(r, 40) - 20);
    }
}

static void random_state(struct generator *g, struct test_case *t)
{
    static const uint8_t pointers[] = { RBX, RSI, RDI, RBP };
    uint64_t *r = &g->random;
    const uint64_t flags = FLAGS_STATUS | FLAG_ID;
    for (unsigned k = 0; k < 16; k++)
        t->in.gpr[k] = value_integer(r);
    for (unsigned k = 0; k < ARRAY_SIZE(pointers); k++)
        if (random_percent(r, 80))
            t->in.gpr[pointers[k]] = DATA_BASE + random_below(r, DATA_SIZE - 512);
    t->in.gpr[RSP] = DATA_BASE + 512 + random_below(r, DATA_SIZE - 1024);
    if (random_percent(r, 70))
        t->in.gpr[RSP] &= ~UINT64_C(15);
    t->in.fs_base = random_percent(r, 50) ? 0 : random_below(r, 0x10000);
    t->in.gs_base = random_percent(r, 50) ? 0 : random_below(r, 0x10000);
    t->in.rflags = 0x202 | (random_next(r) & flags) | (random_percent(r, 10) ? FLAG_DF : 0) |
                   (random_percent(r, 4) ? FLAG_AC : 0);
    t->pattern = random_below(r, (PATTERN_SIZE - DATA_SIZE) / 64) * 64;
    t->start = (uint16_t)random_below(r, CODE_SIZE - 128);
    value_fx(r, t->in.fx);
}

/* A bit offset in a register may point anywhere: keep most of them near. */
static void aim_bit_offset(struct generator *g, struct test_case *t, const struct insn *i)
{
    const struct insn_row *row = &insn_rows[i->row];
    if (row->map == 1 && row->name[0] == 'b' && row->name[1] == 't' && i->reg < 16 &&
        i->reg != i->rm && random_percent(&g->random, 80))
        t->in.gpr[i->reg] = (uint64_t)(int64_t)((int)random_below(&g->random, 512) - 256);
}

/* A relative branch skips the next instruction, or does not matter. */
static void link_branch(struct generator *g, struct test_case *t, unsigned tail, unsigned size)
{
    uint8_t next = t->length;
    if (tail + size == next || !random_percent(&g->random, 50))
        return;
    t->code[tail] = (uint8_t)(next - (tail + size));
}

void generate_case(struct generator *g, struct test_case *t)
{
    bool one = random_percent(&g->random, 60);
    unsigned wanted = one ? 1 : 2 + random_below(&g->random, SEQUENCE_MAX - 1);
    unsigned branch_tail = 0, branch_size = 0;
    uint32_t set = 0;
    bool last = false;
    memset(t, 0, offsetof(struct test_case, code));
    t->count = t->length = 0;
    random_state(g, t);
    while (t->count < wanted && !last) {
        const struct insn_row *row = &insn_rows[g->rows[random_below(&g->random, g->row_count)]];
        struct draft d;
        if (!draft_insn(g, &d, row, (uint64_t)CODE_BASE + t->start + t->length))
            continue;
        row = &insn_rows[d.insn.row];
        aim_implicit(g, t, row);
        if (d.defined) {
            aim_bit_offset(g, t, &d.insn);
            aim_registers(g, t, &d.insn, &set);
        }
        last = !d.defined || row_open(row);
        t->row[t->count] = d.insn.row;
        t->offset[t->count++] = t->length;
        memcpy(t->code + t->length, d.bytes, d.length);
        t->length = (uint8_t)(t->length + d.length);
        if (branch_size)
            link_branch(g, t, branch_tail, branch_size);
        branch_size = operand_kinds[row->operands] & RELATIVE && d.defined ? d.length - d.tail : 0;
        branch_tail = t->length - branch_size;
    }
    if (!strcmp(insn_rows[t->row[t->count - 1]].name, "popf"))
        t->code[t->length++] = NOP;      /* to be trapped behind, if TF was set */
}
