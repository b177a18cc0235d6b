// SPDX-License-Identifier: Apache-2.0
// The table of state components and what follows from it: the layout of XSAVE areas, CPUID leaf
// 0DH, XINUSE.
#include "cpu/xstate.h"

#include <string.h>

#include "cpu/cet.h"
#include "cpu/fxsave.h"
#include "cpu/uintr.h"
#include "cpu/x87.h"

/* ---- the components ---- */

/* SDM vol. 1, "PKRU State": the register, and 4 bytes that are not used. */
static void save_PKRU(const struct cpu *c, void *image)
{
    uint64_t v = c->pkru;
    memcpy(image, &v, sizeof v);
}
static bool legal_PKRU(const struct cpu *c, const void *image) { return true; }
static void load_PKRU(struct cpu *c, const void *image)
{
    uint32_t v;
    memcpy(&v, image, sizeof v);
    cpu_load_pkru(c, v);
}

enum { KIND_USER, KIND_SUPERVISOR };
const struct xstate_component xstate_components[64] = {
    [63] = { .size = 0 },            /* not a component: the bit tells XCOMP_BV's format */
#define XSTATE(number, name, kind, bytes, at, alignment, cpuid)                                    \
    [number] = { FEAT_##cpuid, KIND_##kind, (alignment) == 64, bytes, at,                          \
                 save_##name, legal_##name, load_##name },
#include "cpu/xstate.def"
};

static uint64_t extended(const struct cpu *c, bool supervisor)
{
    uint64_t components = 0;
    for (unsigned n = 2; n < 63; n++) {
        const struct xstate_component *s = &xstate_components[n];
        if (s->size && s->supervisor == supervisor && cpu_has(c, (enum feature)s->feature))
            components |= BIT(n);
    }
    return components;
}

uint64_t xstate_user(const struct cpu *c) { return STATE_LEGACY | extended(c, false); }
uint64_t xstate_supervisor(const struct cpu *c)
{
    return cpu_has(c, FEAT_XSAVES) ? extended(c, true) : 0;
}

/* ---- XINUSE ---- */

static bool x87_in_use(const struct cpu *c)
{
    const struct fpu *f = &c->fpu;
    bool used = f->control != FCW_INITIAL || fpu_status_word(f) || f->tag || f->opcode || f->ip ||
                f->dp || f->cs || f->ds;
    for (unsigned k = 0; k < 8; k++)
        used |= f->st[k].frac || f->st[k].sexp;
    return used;
}

static bool all_zero(const void *image, size_t n)
{
    const uint8_t *b = image;
    for (size_t k = 0; k < n; k++)
        if (b[k])
            return false;
    return true;
}

uint64_t xstate_in_use(const struct cpu *c, uint64_t components)
{
    uint64_t used = 0;
    if (components & STATE_X87 && x87_in_use(c))
        used |= STATE_X87;
    if (components & STATE_SSE && !all_zero(c->fpu.xmm, xmm_bytes(c)))
        used |= STATE_SSE;
    EACH_EXTENDED(n, components) {
        uint8_t image[1 + XSTATE_BYTES];
        xstate_components[n].save(c, image);
        if (!all_zero(image, xstate_components[n].size))
            used |= BIT(n);
    }
    return used;
}

/* ---- layout ---- */

unsigned xstate_place(uint64_t xcomp_bv, unsigned number)
{
    unsigned at = EXTENDED_AT;
    if (!(xcomp_bv & COMPACTED))
        return xstate_components[number].offset;
    for (unsigned n = 2; n <= number; n++) {
        const struct xstate_component *s = &xstate_components[n];
        if (s->aligned && xcomp_bv & BIT(n))
            at = (at + 63) & ~63u;
        if (n < number && xcomp_bv & BIT(n))
            at += s->size;
    }
    return at;
}

unsigned xstate_area_size(uint64_t components)
{
    unsigned size = EXTENDED_AT;
    EACH_EXTENDED(n, components) {
        unsigned end = xstate_place(components, n) + xstate_components[n].size;
        size = end > size ? end : size;
    }
    return size;
}

/* ---- CPUID ---- */

enum { EAX, EBX, ECX, EDX };

static void describe_component(uint32_t out[4], const struct xstate_component *s)
{
    out[EAX] = s->size;
    out[EBX] = s->offset;
    out[ECX] = (uint32_t)s->supervisor | (uint32_t)s->aligned << 1;
}

/* The bits of EAX of sub-leaf 1 are features. */
void xstate_cpuid(const struct cpu *c, uint32_t subleaf, uint32_t out[4])
{
    uint64_t user = xstate_user(c), supervisor = xstate_supervisor(c);
    if (!cpu_has(c, FEAT_XSAVE))
        return;
    if (subleaf == 0) {
        out[EAX] = (uint32_t)user;
        out[EDX] = (uint32_t)(user >> 32);
        out[EBX] = xstate_area_size(c->xcr0);
        out[ECX] = xstate_area_size(user);
    } else if (subleaf == 1) {
        if (cpu_has(c, FEAT_XSAVEC))
            out[EBX] = xstate_area_size(c->xcr0 | c->msr.xss | COMPACTED);
        out[ECX] = (uint32_t)supervisor;
        out[EDX] = (uint32_t)(supervisor >> 32);
    } else if (subleaf < 63 && (user | supervisor) & BIT(subleaf)) {
        describe_component(out, &xstate_components[subleaf]);
    }
}
