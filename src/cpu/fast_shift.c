// SPDX-License-Identifier: Apache-2.0
// Fast forms of shifts and rotates of registers by an immediate count.
#include "cpu/fast_shift.h"

#include "cpu/fast_alu.h"
#include "cpu/run.h"

/* ---- forms: OPERANDS, the result r, the end ---- */

#define OPERANDS(T, W, x) T a = (T)(x); unsigned k = i->imm & (W - 1);
/* Shifts by a constant 1..width-1.  OF as on silicon for every count: as if it were 1. */
#define SHIFTED(T, S, cf_, of_)                                             \
    uint64_t cf = cf_, of = of_;                                            \
    aux = cf << 1 | (cf ^ of);                                              \
    res = (uint64_t)(S)r;                                                   \
    SET(T, i->rm, r);                                                       \
    NEXT;
#define SHIFTS(n, T, S, W)                                                  \
    SHIFTS_OF(n, , T, S, W, c->gpr[i->rm])                                  \
    SHIFTS_OF(n, _rm, T, S, W, last)
#define SHIFTS_OF(n, suffix, T, S, W, x)                                    \
    static RUN(shl##n##suffix)                                              \
    {                                                                       \
        OPERANDS(T, W, x) T r = (T)(a << k);                                   \
        SHIFTED(T, S, a >> (W - k) & 1, (T)(a ^ a << 1) >> (W - 1))         \
    }                                                                       \
    static RUN(shr##n##suffix)                                              \
    {                                                                       \
        OPERANDS(T, W, x) T r = a >> k;                                        \
        SHIFTED(T, S, a >> (k - 1) & 1, a >> (W - 1))                       \
    }                                                                       \
    static RUN(sar##n##suffix)                                              \
    {                                                                       \
        OPERANDS(T, W, x) T r = (T)((S)a >> k);                                \
        SHIFTED(T, S, (uint64_t)((S)a >> (k - 1)) & 1, 0)                   \
    }
/* Rotates by a constant 2..width-1: CF alone changes (op_shift.c says when OF does). */
#define ROTATED(T, cf_)                                                     \
    uint64_t cf = cf_, of = lazy_of(aux);                                   \
    aux = (aux & ~(uint64_t)(AUX_CF | AUX_CIN)) | cf << 1 | (cf ^ of);      \
    SET(T, i->rm, r);                                                       \
    NEXT;
#define ROTATES(n, T, W)                                                    \
    ROTATES_OF(n, , T, W, c->gpr[i->rm])                                    \
    ROTATES_OF(n, _rm, T, W, last)
#define ROTATES_OF(n, suffix, T, W, x)                                      \
    static RUN(rol##n##suffix)                                              \
    {                                                                       \
        OPERANDS(T, W, x) T r = (T)(a << k | a >> (W - k));                    \
        ROTATED(T, r & 1)                                                   \
    }                                                                       \
    static RUN(ror##n##suffix)                                              \
    {                                                                       \
        OPERANDS(T, W, x) T r = (T)(a >> k | a << (W - k));                    \
        ROTATED(T, r >> (W - 1))                                            \
    }
/* The same where nobody can see the flags. */
#define QUIET(name, n, T, W, result)                                        \
    static RUN(name##n##_quiet) { OPERANDS(T, W, c->gpr[i->rm]) SET(T, i->rm, result); NEXT; }      \
    static RUN(name##n##_quiet_rm) { OPERANDS(T, W, last) SET(T, i->rm, result); NEXT; }
#define ALL_QUIET(n, T, S, W)                                               \
    QUIET(shl, n, T, W, a << k)                                             \
    QUIET(shr, n, T, W, a >> k)                                             \
    QUIET(sar, n, T, W, (S)a >> k)                                          \
    QUIET(rol, n, T, W, a << k | a >> (W - k))                              \
    QUIET(ror, n, T, W, a >> k | a << (W - k))
SHIFTS(8, uint64_t, int64_t, 64)
SHIFTS(4, uint32_t, int32_t, 32)
ROTATES(8, uint64_t, 64)
ROTATES(4, uint32_t, 32)
ALL_QUIET(8, uint64_t, int64_t, 64)
ALL_QUIET(4, uint32_t, int32_t, 32)

/* ---- choosing ---- */

#define FORMS(name, all)                                                    \
    { { name##8, name##4 }, { name##8_quiet, name##4_quiet }, { name##8_rm, name##4_rm },           \
      { name##8_quiet_rm, name##4_quiet_rm }, all }
/* By ModRM.reg: the forms for 8 and 4 bytes; with _rm, what is shifted comes in `last`. */
static const struct {
    run_fn *loud[2], *quiet[2], *loud_rm[2], *quiet_rm[2];
    bool all;                          /* writes all flags */
} forms[8] = {
    [0] = FORMS(rol, false),
    [1] = FORMS(ror, false),
    [4] = FORMS(shl, true),
    [5] = FORMS(shr, true),
    [7] = FORMS(sar, true),
};

run_fn *fast_shift_form(const struct insn *i)
{
    unsigned width = 8 * i->size, k = i->imm & (width - 1), kind = i->modrm >> 3 & 7;
    if (insn_is_mem(i) || width < 32 || k == 0 || (i->imm & (width == 64 ? 63 : 31)) != k)
        return NULL;
    if (k == 1 && !forms[kind].all)     /* sets OF, too */
        return NULL;
    return forms[kind].loud[i->size == 4];
}

run_fn *fast_shift_quiet(run_fn *form, bool *all)
{
    for (unsigned kind = 0; kind < ARRAY_SIZE(forms); kind++)
        for (unsigned narrow = 0; narrow < 2; narrow++)
            if (form && forms[kind].loud[narrow] == form) {
                *all = forms[kind].all;
                return forms[kind].quiet[narrow];
            }
    return NULL;
}

run_fn *fast_shift_forward(run_fn *form)
{
    for (unsigned kind = 0; kind < ARRAY_SIZE(forms); kind++)
        for (unsigned narrow = 0; narrow < 2 && form; narrow++) {
            if (forms[kind].loud[narrow] == form)
                return forms[kind].loud_rm[narrow];
            if (forms[kind].quiet[narrow] == form)
                return forms[kind].quiet_rm[narrow];
        }
    return NULL;
}
