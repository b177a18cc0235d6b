// SPDX-License-Identifier: Apache-2.0
#include "ipf/disasm.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"

/* ---- registers ---- */

const char *ipf_ar_name(unsigned number)
{
    static const char *const names[128] = {
        [0] = "ar.k0",    [1] = "ar.k1",     [2] = "ar.k2",        [3] = "ar.k3",
        [4] = "ar.k4",    [5] = "ar.k5",     [6] = "ar.k6",        [7] = "ar.k7",
        [16] = "ar.rsc",  [17] = "ar.bsp",   [18] = "ar.bspstore", [19] = "ar.rnat",
        [21] = "ar.fcr",  [24] = "ar.eflag", [25] = "ar.csd",      [26] = "ar.ssd",
        [27] = "ar.cflg", [28] = "ar.fsr",   [29] = "ar.fir",      [30] = "ar.fdr",
        [32] = "ar.ccv",  [36] = "ar.unat",  [40] = "ar.fpsr",     [44] = "ar.itc",
        [45] = "ar.ruc",  [64] = "ar.pfs",   [65] = "ar.lc",       [66] = "ar.ec",
    };
    return number < ARRAY_SIZE(names) ? names[number] : NULL;
}

const char *ipf_cr_name(unsigned number)
{
    static const char *const names[128] = {
        [0] = "cr.dcr",   [1] = "cr.itm",   [2] = "cr.iva",   [8] = "cr.pta",   [16] = "cr.ipsr",
        [17] = "cr.isr",  [19] = "cr.iip",  [20] = "cr.ifa",  [21] = "cr.itir", [22] = "cr.iipa",
        [23] = "cr.ifs",  [24] = "cr.iim",  [25] = "cr.iha",  [26] = "cr.iib0", [27] = "cr.iib1",
        [64] = "cr.lid",  [65] = "cr.ivr",  [66] = "cr.tpr",  [67] = "cr.eoi",  [68] = "cr.irr0",
        [69] = "cr.irr1", [70] = "cr.irr2", [71] = "cr.irr3", [72] = "cr.itv",  [73] = "cr.pmv",
        [74] = "cr.cmcv", [80] = "cr.lrr0", [81] = "cr.lrr1",
    };
    return number < ARRAY_SIZE(names) ? names[number] : NULL;
}

/* ---- completers: fields of the slot that are no operands ---- */

struct completer {
    char letter;
    uint8_t lsb, length;
    const char *names[8];
};
static const struct completer completers[] = {
    { 'H', 28, 2, { "", ".nt1", "", ".nta" } },             /* loads, stores, semaphores */
    { 'L', 28, 2, { "", ".nt1", ".nt2", ".nta" } },         /* lfetch                    */
    { 'W', 33, 2, { ".sptk", ".spnt", ".dptk", ".dpnt" } }, /* whether hint              */
    { 'V', 32, 3, { "", ".sptk", "", ".spnt", "", ".dptk", "", ".dpnt" } },
    { 'F', 12, 1, { ".few", ".many" } },            /* sequential prefetch       */
    { 'D', 35, 1, { "", ".clr" } },                 /* cache deallocation        */
    { 'P', 34, 2, { ".s0", ".s1", ".s2", ".s3" } }, /* status field              */
    { 'M', 20, 2, { ".sptk", "", ".dptk", "" } },   /* whether hint of mov b=r   */
    { 'I', 23, 1, { "", ".imp" } },                 /* importance                */
    { 'w', 3, 2, { ".sptk", ".loop", ".dptk", ".exit" } },
    { 'i', 35, 1, { "", ".imp" } },
};

static const char *completer(char letter, uint64_t slot)
{
    for (size_t k = 0; k < ARRAY_SIZE(completers); k++)
        if (completers[k].letter == letter)
            return completers[k].names[slot >> completers[k].lsb & (BIT(completers[k].length) - 1)];
    return NULL;
}

/* ---- operands ---- */

struct line {
    char *text;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *l, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t at = l->length < l->size ? l->length : l->size;
    int n = vsnprintf(l->text ? l->text + at : NULL, l->size - at, format, arguments);
    va_end(arguments);
    l->length += n > 0 ? (size_t)n : 0;
}

static void put_named(struct line *l, const char *name, const char *file, unsigned number)
{
    if (name)
        put(l, "%s", name);
    else
        put(l, "%s%u", file, number);
}

/* %r %f %p %b: a register of that file; %a %c: by name; %n: its number, %o: times 8 (alloc). */
static void put_register(struct line *l, char kind, unsigned number)
{
    switch (kind) {
    case 'a': put_named(l, ipf_ar_name(number), "ar", number); break;
    case 'c': put_named(l, ipf_cr_name(number), "cr", number); break;
    case 'n': put(l, "%u", number); break;
    case 'N': put(l, "0x%x", number); break;
    case 'o': put(l, "%u", number * 8); break;
    default: put(l, "%c%u", kind, number); break;
    }
}

/* Small immediates with an encoding of their own. */
static void put_encoded(struct line *l, char kind, const struct ipf_slot *s)
{
    static const uint8_t pmpyshr[4] = { 0, 7, 15, 16 };
    static const int8_t increments[8] = { 16, 8, 4, 1, -16, -8, -4, -1 };
    static const char *const permutations[16] = {
        [0] = "@brcst", [8] = "@mix", [9] = "@shuf", [10] = "@alt", [11] = "@rev",
    };
    const char *permutation = permutations[s->small[1] & 15];
    if (kind == 'y')
        put(l, "%u", pmpyshr[s->small[1] & 3]);
    else if (kind == 'z')
        put(l, "%d", increments[s->small[1] & 7]);
    else if (permutation)
        put(l, "%s", permutation);
    else
        put(l, "0x%x", s->small[1]);
}

static const char *put_operand(struct line *l, const char *code, const struct ipf_slot *s,
                               uint64_t ip)
{
    const char *hint = completer(*code, s->bits);
    unsigned n = code[1] >= '1' && code[1] <= '4' ? (unsigned)(code[1] - '0') : 0;
    if (hint) {
        put(l, "%s", hint);
        return code + 1;
    }
    switch (*code) {
    case 'd': put(l, "%" PRId64, s->imm); return code + 1;
    case 'h': put(l, "0x%" PRIx64, s->imm); return code + 1;
    case 't': put(l, "0x%" PRIx64, ip + (uint64_t)s->imm); return code + 1;
    case 'u': {
        int64_t tag = (int64_t)((uint64_t)(s->small[2] << 7 | s->small[1]) << 55) >> 51;
        put(l, "0x%" PRIx64, ip + (uint64_t)tag);
        return code + 1;
    }
    case 'x':
    case 'y':
    case 'z': put_encoded(l, *code, s); return code + 1;
    case 's': put(l, "%u", s->small[n]); return code + 2;
    case 'S': put(l, "0x%x", s->small[n]); return code + 2;
    default: put_register(l, *code, s->r[n]); return code + 2;
    }
}

/* ---- pseudo-operations: how the assembler writes special cases ---- */

enum condition { ALWAYS, WHOLE_REST /* position + length = 64 */, SAME /* r2 = r3 */ };
struct pseudo {
    uint8_t format;
    const char *from, *to; /* mnemonics, up to their completers */
    const char *text;
    uint64_t mask, match;
    enum condition condition;
};

static const struct pseudo *pseudo_of(const struct ipf_slot *s, const char **completers_of)
{
#define FIELD(lsb, length, value) (BIT(length) - 1) << (lsb), (uint64_t)(value) << (lsb)
#define TWO_FIELDS(lsb, value, lsb2, value2)                                                       \
    (UINT64_C(127) << (lsb) | UINT64_C(127) << (lsb2)),                                            \
        ((uint64_t)(value) << (lsb) | (uint64_t)(value2) << (lsb2))
    static const struct pseudo pseudos[] = {
        { IPF_FORMAT_A4, "adds", "mov", " %r1=%r3", BIT(36) | 0x3full << 27 | 0x7full << 13, 0,
          ALWAYS },
        { IPF_FORMAT_A5, "addl", "mov", " %r1=%d", FIELD(20, 2, 0), ALWAYS },
        { IPF_FORMAT_I11, "extr", "shr", " %r1=%r3,%s1", 0, 0, WHOLE_REST },
        { IPF_FORMAT_I12, "dep.z", "shl", " %r1=%r2,%s1", 0, 0, WHOLE_REST },
        { IPF_FORMAT_I21, "mov", "mov", " %b1=%r2", 0xfu << 20, 1u << 20, ALWAYS },
        { IPF_FORMAT_B1, "br.cond", "br", "%F%D %t", UINT64_C(3) << 33 | 0x3f, 0, ALWAYS },
        { IPF_FORMAT_B4, "br.cond", "br", "%F%D %b2", UINT64_C(3) << 33 | 0x3f, 0, ALWAYS },
        { IPF_FORMAT_X3, "brl.cond", "brl", "%F%D %t", UINT64_C(3) << 33 | 0x3f, 0, ALWAYS },
        { IPF_FORMAT_F1, "fma", "fnorm", "%P %f1=%f3", TWO_FIELDS(13, 0, 27, 1), ALWAYS },
        { IPF_FORMAT_F1, "fma", "fmpy", "%P %f1=%f3,%f4", FIELD(13, 7, 0), ALWAYS },
        { IPF_FORMAT_F1, "fma", "fadd", "%P %f1=%f3,%f2", FIELD(27, 7, 1), ALWAYS },
        { IPF_FORMAT_F1, "fms", "fsub", "%P %f1=%f3,%f2", FIELD(27, 7, 1), ALWAYS },
        { IPF_FORMAT_F1, "fnma", "fnmpy", "%P %f1=%f3,%f4", FIELD(13, 7, 0), ALWAYS },
        { IPF_FORMAT_F1_parallel, "fpma", "fpmpy", "%P %f1=%f3,%f4", FIELD(13, 7, 0), ALWAYS },
        { IPF_FORMAT_F1_parallel, "fpnma", "fpnmpy", "%P %f1=%f3,%f4", FIELD(13, 7, 0), ALWAYS },
        { IPF_FORMAT_F2, "xma", "xmpy", " %f1=%f3,%f4", FIELD(13, 7, 0), ALWAYS },
        { IPF_FORMAT_F9, "fmerge.s", "mov", " %f1=%f3", 0, 0, SAME },
        { IPF_FORMAT_F9, "fmerge.s", "fabs", " %f1=%f3", FIELD(13, 7, 0), ALWAYS },
        { IPF_FORMAT_F9, "fmerge.ns", "fneg", " %f1=%f3", 0, 0, SAME },
        { IPF_FORMAT_F9, "fmerge.ns", "fnegabs", " %f1=%f3", FIELD(13, 7, 0), ALWAYS },
        { IPF_FORMAT_F9, "fpmerge.s", "fpabs", " %f1=%f3", FIELD(13, 7, 0), ALWAYS },
        { IPF_FORMAT_F9, "fpmerge.ns", "fpneg", " %f1=%f3", 0, 0, SAME },
        { IPF_FORMAT_F9, "fpmerge.ns", "fpnegabs", " %f1=%f3", FIELD(13, 7, 0), ALWAYS },
    };
#undef FIELD
#undef TWO_FIELDS
    for (size_t k = 0; k < ARRAY_SIZE(pseudos); k++) {
        const struct pseudo *p = &pseudos[k];
        size_t length = strlen(p->from);
        bool holds = p->condition == WHOLE_REST ? s->small[1] + s->small[2] == 64
                     : p->condition == SAME     ? s->r[2] == s->r[3]
                                                : true;
        *completers_of = s->row->name + length;
        if (p->format == s->row->format && !strncmp(s->row->name, p->from, length) &&
            (!**completers_of || **completers_of == '.') && holds &&
            (s->bits & p->mask) == p->match)
            return p;
    }
    return NULL;
}

size_t ipf_print(char *text, size_t size, const struct ipf_slot *slot, uint64_t ip)
{
    struct line l = { text, size, 0 };
    if (size)
        *text = '\0';
    if (slot->qp)
        put(&l, "(p%02u) ", slot->qp);
    const char *completers_of;
    const struct pseudo *p = pseudo_of(slot, &completers_of);
    put(&l, "%s%s", p ? p->to : slot->row->name, p ? completers_of : "");
    for (const char *t = p ? p->text : ipf_format_text((enum ipf_format)slot->row->format); *t;)
        if (*t == '%')
            t = put_operand(&l, t + 1, slot, ip);
        else
            put(&l, "%c", *t++);
    return l.length;
}
