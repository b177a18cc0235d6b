// SPDX-License-Identifier: Apache-2.0
#include "aim.h"

#include "base/bits.h"
#include "random.h"
#include "segments.h"
#include "values.h"

enum { MARGIN = 64, SEGMENT_BIT = 16 };

bool is_string(const struct insn_row *row)
{
    return row->map == 0 && ((row->opcode >= 0xa4 && row->opcode <= 0xa7) ||
                             (row->opcode >= 0xaa && row->opcode <= 0xaf) ||
                             (row->opcode >= 0x6c && row->opcode <= 0x6f));
}

/* ---- where things are ---- */

uint64_t aim_base(const struct test_case *t, enum seg s)
{
    if (t->bits < 64)
        return segment_of(t->in.selector[s]).base;
    return s == FS ? t->in.fs_base : s == GS ? t->in.gs_base : 0;
}

static uint64_t register_mask(const struct test_case *t)
{
    return size_mask(t->bits == 64 ? 8 : 4);
}

static bool claim(struct aim *a, unsigned bit)
{
    bool free = !(a->claimed >> bit & 1);
    a->claimed |= 1u << bit;
    return free;
}

/* Gives a register the low `size` bytes of v; those above stay as they are. */
static void set_register(struct test_case *t, unsigned reg, unsigned size, uint64_t v)
{
    uint64_t mask = size_mask(size);
    t->in.gpr[reg] = ((t->in.gpr[reg] & ~mask) | (v & mask)) & register_mask(t);
}

/* Where the memory operand lies in the data area if no register has changed since the case's begin;
 * DATA_SIZE if it is not there. */
static unsigned data_offset(const struct test_case *t, const struct insn *i)
{
    uint64_t base = i->rm < 16 ? t->in.gpr[i->rm] : i->rm == REG_BLOCK_RIP ? case_end(t) : 0;
    uint64_t index = i->index < 16 ? t->in.gpr[i->index] << (i->sib & 3) : 0;
    uint64_t ea = (base + index + (uint64_t)(int64_t)i->disp) & size_mask(insn_asize(i));
    uint64_t linear = (aim_base(t, insn_seg(i)) + ea) & register_mask(t);
    return linear - DATA_BASE < DATA_SIZE - MARGIN ? (unsigned)(linear - DATA_BASE) : DATA_SIZE;
}

static struct poke *poke(struct test_case *t, unsigned offset, unsigned size, uint64_t value)
{
    if (offset + size > DATA_SIZE || t->poke_count == POKES_MAX)
        return NULL;
    struct poke *p = &t->poke[t->poke_count++];
    *p = (struct poke){ .offset = (uint16_t)offset, .size = (uint8_t)size, .value = value };
    return p;
}

/* ---- the state before ---- */

static void set_stack(struct aim *a)
{
    struct segment ss = segment_of(a->t->in.selector[SS]);
    uint64_t sp = a->stack - aim_base(a->t, SS);
    bool small = a->t->bits < 64 && !(ss.access & SEG_DB);
    a->t->in.gpr[RSP] =
        small ? (sp & 0xffff) | (random_next(a->random) & 0xffff0000) : sp & register_mask(a->t);
}

/* selector a with its percentage, else b with its own, else one that any data segment register
 * takes. */
static uint16_t choose_selector(uint64_t *r, uint16_t a, unsigned a_percent, uint16_t b,
                                unsigned b_percent)
{
    static const uint16_t others[] = {
        0,
        SEL_CODE32,
        SEL_CODE64,
        LDT_SELECTOR(LDT_CODE32),
        LDT_SELECTOR(LDT_DATA32),
        LDT_SELECTOR(LDT_WINDOW32),
        LDT_SELECTOR(LDT_SHORT32),
        LDT_SELECTOR(LDT_DOWN32),
        LDT_SELECTOR(LDT_READ_ONLY),
        LDT_SELECTOR(LDT_DATA16),
        LDT_SELECTOR(LDT_DOWN16),
        LDT_SELECTOR(LDT_FAR32),
        LDT_SELECTOR(LDT_WINDOW_CODE),
    };
    unsigned p = random_below(r, 100);
    return p < a_percent               ? a
           : p < a_percent + b_percent ? b
                                       : others[random_below(r, ARRAY_SIZE(others))];
}

static void random_selectors(struct test_case *t, uint64_t *r)
{
    static const uint16_t stacks[] = {
        LDT_SELECTOR(LDT_DATA32),  LDT_SELECTOR(LDT_WINDOW32),
        LDT_SELECTOR(LDT_DATA16),  SEL_DATA32,
        LDT_SELECTOR(LDT_SHORT32), LDT_SELECTOR(LDT_DOWN32),
        LDT_SELECTOR(LDT_DOWN16),  LDT_SELECTOR(LDT_FAR32),
    };
    bool word = t->bits == 16;
    uint16_t usual = word ? LDT_SELECTOR(LDT_DATA16) : SEL_DATA32;
    uint16_t *s = t->in.selector;
    s[CS] = word                    ? LDT_SELECTOR(LDT_CODE16)
            : random_percent(r, 80) ? SEL_CODE32
                                    : LDT_SELECTOR(LDT_CODE32);
    s[SS] = random_percent(r, 75) ? usual : stacks[random_below(r, ARRAY_SIZE(stacks))];
    s[DS] = choose_selector(r, usual, 75, LDT_SELECTOR(LDT_WINDOW32), 10);
    s[ES] = choose_selector(r, usual, 75, LDT_SELECTOR(LDT_WINDOW32), 10);
    s[FS] = choose_selector(r, usual, 25, LDT_SELECTOR(LDT_FAR32), 40);
    s[GS] = choose_selector(r, usual, 25, LDT_SELECTOR(LDT_WINDOW32), 40);
}

static void random_registers(struct aim *a)
{
    static const uint8_t pointers[] = { RBX, RSI, RDI, RBP };
    struct test_case *t = a->t;
    uint64_t *r = a->random;
    for (unsigned k = 0; k < 16; k++)
        t->in.gpr[k] = k >= 8 && t->bits < 64 ? 0 : value_integer(r) & register_mask(t);
    for (unsigned k = 0; k < ARRAY_SIZE(pointers); k++)
        if (random_percent(r, 80))
            set_register(t, pointers[k], t->bits / 8u,
                         DATA_BASE + random_below(r, DATA_SIZE - 512) - aim_base(t, DS));
    a->stack = DATA_BASE + 512 + random_below(r, DATA_SIZE - 1024);
    if (random_percent(r, 70))
        a->stack &= ~UINT64_C(15);
    if (random_percent(r, 2))
        a->stack = DATA_BASE + random_below(r, 2) * (DATA_SIZE - 16) + random_below(r, 16);
    set_stack(a);
}

void aim_begin(struct aim *a, struct test_case *t, uint64_t *r)
{
    const uint64_t flags = FLAGS_STATUS | FLAG_ID;
    *a = (struct aim){ .t = t, .random = r };
    t->in.fs_base = random_percent(r, 50) ? 0 : random_below(r, 0x10000);
    t->in.gs_base = random_percent(r, 50) ? 0 : random_below(r, 0x10000);
    if (t->bits < 64)
        random_selectors(t, r);
    random_registers(a);
    t->in.rflags = 0x202 | (random_next(r) & flags) | (random_percent(r, 10) ? FLAG_DF : 0) |
                   (random_percent(r, 4) ? FLAG_AC : 0);
    t->pattern = random_below(r, (PATTERN_SIZE - DATA_SIZE) / 64) * 64;
    t->start = (uint16_t)random_below(r, CODE_SIZE - 128);
    value_fx(r, t->in.fx);
}

/* ---- memory operands ---- */

void aim_segment(struct aim *a, const struct insn *i)
{
    struct test_case *t = a->t;
    enum seg s = insn_seg(i);
    if (insn_asize(i) != 2 || s == CS || aim_base(t, s) >= DATA_BASE - 0x8000 ||
        !claim(a, SEGMENT_BIT + s))
        return;
    t->in.selector[s] = LDT_SELECTOR(random_percent(a->random, 50) ? LDT_WINDOW32 : LDT_DATA16);
    if (s == SS)
        set_stack(a);
}

/* Makes the memory operand's registers hit the data area. */
static void aim_memory(struct aim *a, const struct insn *i)
{
    struct test_case *t = a->t;
    uint64_t *r = a->random, target = DATA_BASE + random_below(r, DATA_SIZE - 64);
    unsigned n = insn_asize(i);
    if (random_percent(r, 60))
        target &= ~UINT64_C(63);
    if (random_percent(r, 2))
        target = DATA_BASE + DATA_SIZE - random_below(r, 32);
    if (!insn_is_mem(i))
        return;
    if (i->index < 16 && claim(a, i->index))
        t->in.gpr[i->index] = (uint64_t)(int64_t)(int8_t)random_next(r) & size_mask(n);
    if (i->rm < 16 && claim(a, i->rm)) {
        uint64_t index = i->index < 16 ? t->in.gpr[i->index] << (i->sib & 3) : 0;
        set_register(t, i->rm, t->bits == 64 ? 8 : n,
                     target - aim_base(t, insn_seg(i)) - index - (uint64_t)(int64_t)i->disp);
    }
}

/* ---- operands in fixed registers, and values with a meaning ---- */

/* One index register of a string instruction; a quarter begin near an end of the area. */
static void aim_index(struct aim *a, unsigned reg, enum seg s, unsigned asize)
{
    uint64_t *r = a->random, target = DATA_BASE + random_below(r, DATA_SIZE);
    if (random_percent(r, 25))
        target = DATA_BASE + random_below(r, 2) * (DATA_SIZE - MARGIN) + random_below(r, MARGIN);
    if (random_percent(r, 90) && claim(a, reg))
        set_register(a->t, reg, random_percent(r, 70) ? 8 : asize, target - aim_base(a->t, s));
}

static void aim_string(struct aim *a, const struct insn *i)
{
    struct test_case *t = a->t;
    unsigned asize = insn_asize(i);
    struct insn destination = *i;
    destination.sib = (uint8_t)((i->sib & ~(7 << 2)) | ES << 2);
    aim_segment(a, i);
    aim_segment(a, &destination);
    aim_index(a, RSI, insn_seg(i), asize);
    aim_index(a, RDI, ES, asize);
    if (random_percent(a->random, 90) && claim(a, RCX))
        set_register(t, RCX, random_percent(a->random, 70) ? 8 : asize,
                     random_below(a->random, 40));
    if (random_percent(a->random, 25))
        t->in.rflags ^= FLAG_DF;
}

/* An operand that is a selector: in a register, in memory, or on the stack. */
static void aim_selector(struct aim *a, const struct insn *i)
{
    const struct insn_row *row = &insn_rows[i->row];
    uint16_t selector = value_selector(a->random);
    bool far = !strcmp(row->name, "les") || !strcmp(row->name, "lds") ||
               !strcmp(row->name, "lss") || !strcmp(row->name, "lfs") || !strcmp(row->name, "lgs");
    if (!strncmp(row->name, "pop ", 4))
        poke(a->t, (unsigned)(a->stack - DATA_BASE), 2, selector);
    else if (insn_is_mem(i))
        poke(a->t, data_offset(a->t, i) + (far ? i->size : 0), 2, selector);
    else if (i->rm < 8 && i->rm != RSP)
        set_register(a->t, i->rm, 2, selector);
}

static bool takes_selector(const struct insn_row *row)
{
    static const char *const names[] = { "lar",    "lsl",    "verr",   "verw",   "arpl",
                                         "les",    "lds",    "lss",    "lfs",    "lgs",
                                         "pop es", "pop ss", "pop ds", "pop fs", "pop gs" };
    if (row->map == 0 && row->opcode == 0x8e)
        return true;
    for (unsigned k = 0; k < ARRAY_SIZE(names); k++)
        if (!strcmp(row->name, names[k]))
            return true;
    return false;
}

static void aim_bound(struct aim *a, const struct insn *i)
{
    unsigned offset = data_offset(a->t, i);
    uint64_t index = a->t->in.gpr[i->reg & 7];
    poke(a->t, offset, i->size, index - random_below(a->random, 16));
    poke(a->t, offset + i->size, i->size, index + random_below(a->random, 16) - 2);
}

/* A bit offset in a register may point anywhere: keep most of them near. */
static void aim_bit_offset(struct aim *a, const struct insn *i)
{
    const struct insn_row *row = &insn_rows[i->row];
    if (row->map == 1 && row->name[0] == 'b' && row->name[1] == 't' && i->reg < 16 &&
        i->reg != i->rm && random_percent(a->random, 80))
        set_register(a->t, i->reg, 8, (uint64_t)(int64_t)((int)random_below(a->random, 512) - 256));
}

void aim_insn(struct aim *a, const struct insn *i)
{
    const struct insn_row *row = &insn_rows[i->row];
    struct test_case *t = a->t;
    uint64_t *r = a->random;
    if (is_string(row))
        aim_string(a, i);
    if (strstr(row->name, "div") && random_percent(r, 70))
        t->in.gpr[RDX] = random_percent(r, 50) ? 0 : t->in.gpr[RDX] & 0xff;
    if (!strncmp(row->name, "pcmpes", 6) && random_percent(r, 80)) {
        set_register(t, RAX, 8, (uint64_t)(int64_t)((int)random_below(r, 40) - 20));
        set_register(t, RDX, 8, (uint64_t)(int64_t)((int)random_below(r, 40) - 20));
    }
    if ((row->opcode & 0xfc) == 0xe0 && row->map == 0 && random_percent(r, 60) && claim(a, RCX))
        set_register(t, RCX, insn_asize(i), random_below(r, 3)); /* LOOP, JCXZ */
    aim_bit_offset(a, i);
    aim_memory(a, i);
    if (t->bits < 64 && takes_selector(row))
        aim_selector(a, i);
    if (!strcmp(row->name, "bound") && random_percent(r, 80))
        aim_bound(a, i);
}

/* ---- branches ---- */

void aim_link(struct test_case *t, const struct link *link, unsigned target)
{
    uint64_t rip = case_origin(t) + t->start + target;
    int32_t relative = (int32_t)target - (link->at + link->size);
    if (link->kind == LINK_RELATIVE)
        memcpy(t->code + link->at, &relative, link->size);
    else if (link->kind == LINK_REGISTER)
        set_register(t, link->at, t->bits == 64 ? 8 : link->size, rip);
    else if (link->kind == LINK_POKE)
        t->poke[link->at].value = rip;
}

static struct link poke_link(struct aim *a, unsigned offset, unsigned size)
{
    struct poke *p = poke(a->t, offset, size, 0);
    return (struct link){ .kind = p ? LINK_POKE : LINK_NONE,
                          .at = (uint8_t)(p ? p - a->t->poke : 0),
                          .size = (uint8_t)size };
}

/* Data, which cannot be executed; or anything. */
static void send_astray(struct aim *a, const struct link *link)
{
    uint64_t target = random_percent(a->random, 50) ? DATA_BASE + random_below(a->random, DATA_SIZE)
                                                    : value_integer(a->random);
    uint64_t mask = a->t->bits == 16 ? 0xffff : register_mask(a->t);
    if (link->size == 1 || ((target - case_origin(a->t)) & mask) < CODE_SIZE)
        return; /* it might loop for ever */
    aim_link(a->t, link, (unsigned)(target - case_origin(a->t) - a->t->start));
}

static bool is_indirect(const struct insn *i)
{
    const struct insn_row *row = &insn_rows[i->row];
    return row->map == 0 && row->opcode == 0xff && (row->name[0] == 'c' || row->name[0] == 'j');
}

bool aim_loops(const struct aim *a, const struct insn *i)
{
    return is_indirect(i) && !insn_is_mem(i) && a->targets >> i->rm & 1;
}

void aim_branch(struct aim *a, const struct insn *i, unsigned tail, struct link *link)
{
    const struct insn_row *row = &insn_rows[i->row];
    struct test_case *t = a->t;
    *link = (struct link){ .kind = LINK_NONE };
    if (tail)
        *link = (struct link){ .kind = LINK_RELATIVE,
                               .at = (uint8_t)(t->length - tail),
                               .size = (uint8_t)tail };
    else if (is_indirect(i) && insn_is_mem(i))
        *link = poke_link(a, data_offset(t, i), i->size);
    else if (is_indirect(i) && i->rm != RSP && claim(a, i->rm))
        *link = (struct link){ .kind = LINK_REGISTER, .at = i->rm, .size = i->size };
    else if (!strcmp(row->name, "ret"))
        *link = poke_link(a, (unsigned)(a->stack - DATA_BASE), i->size);
    if (link->kind == LINK_NONE)
        return;
    if (link->kind == LINK_REGISTER)
        a->targets |= 1u << link->at;
    aim_link(t, link, t->length);
    if (random_percent(a->random, 4)) {
        send_astray(a, link);
        link->kind = LINK_NONE;
    }
}
