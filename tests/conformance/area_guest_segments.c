// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Checks on Guest Segment Registers": exit reason 33, exit qualification 0.  What is valid
// is said by one predicate over the whole guest-state area; the cases are what one register can be.
#include "areas.h"
#include "values.h"

enum { ES, CS, SS, DS, FS, GS, LDTR, TR, SEGMENTS };
enum { S = 1 << 4, PRESENT = 1 << 7, L = 1 << 13, DB = 1 << 14, G = 1 << 15, UNUSABLE = 1 << 16 };
enum { RESERVED = (int)0xfffe0f00, CODE = 8, TYPE = 15 };

struct segment { uint64_t selector, base, limit, access; };
struct guest { struct segment s[SEGMENTS]; bool v86, unrestricted, wide, protected; };

static void view(struct guest *g)
{
    for (unsigned s = 0; s < SEGMENTS; s++)
        g->s[s] = (struct segment){ vmread(GUEST_ES_SELECTOR + 2 * s), vmread(GUEST_ES_BASE + 2 * s),
                                    vmread(GUEST_ES_LIMIT + 2 * s),
                                    vmread(GUEST_ES_ACCESS_RIGHTS + 2 * s) };
    g->v86 = vmread(GUEST_RFLAGS) & FLAG_VM;
    g->unrestricted = can(UNRESTRICTED_GUEST) &&
                      vmread(PROC2_CONTROLS) & BIT(UNRESTRICTED_GUEST & 0xff);
    g->wide = vmread(ENTRY_CONTROLS) & BIT(IA32E_GUEST & 0xff);
    g->protected = vmread(GUEST_CR0) & CR0_PE;
}

static unsigned rpl(const struct segment *s) { return s->selector & 3; }
static unsigned dpl(const struct segment *s) { return s->access >> 5 & 3; }
static unsigned type(const struct segment *s) { return s->access & TYPE; }
static bool usable(const struct segment *s) { return !(s->access & UNUSABLE); }

static bool selectors_valid(const struct guest *g)
{
    const struct segment *s = g->s;
    return !(s[TR].selector & 4) && (!usable(&s[LDTR]) || !(s[LDTR].selector & 4)) &&
           (g->v86 || g->unrestricted || rpl(&s[SS]) == rpl(&s[CS]));
}

static bool v86_valid(const struct guest *g)
{
    for (unsigned k = 0; k < LDTR; k++)
        if (g->s[k].base != g->s[k].selector << 4 || g->s[k].limit != 0xffff ||
            g->s[k].access != 0xf3)
            return false;
    return true;
}

static bool bases_valid(const struct guest *g)
{
    const struct segment *s = g->s;
    bool high = false;
    for (unsigned k = ES; k <= DS; k++)
        high |= (k == CS || usable(&s[k])) && s[k].base >> 32;
    return !high && is_canonical(s[TR].base) && is_canonical(s[FS].base) &&
           is_canonical(s[GS].base) && (!usable(&s[LDTR]) || is_canonical(s[LDTR].base));
}

/* What any usable segment has to fulfil. */
static bool common_valid(const struct segment *s, bool system)
{
    return !(s->access & S) == system && s->access & PRESENT && !(s->access & (uint32_t)RESERVED) &&
           (!(s->access & G) || (s->limit & 0xfff) == 0xfff) &&
           (s->access & G || !(s->limit >> 20));
}

static bool code_valid(const struct guest *g)
{
    const struct segment *cs = &g->s[CS], *ss = &g->s[SS];
    bool privilege;
    switch (type(cs)) {
    case 3: privilege = g->unrestricted && dpl(cs) == 0; break;
    case 9: case 11: privilege = dpl(cs) == dpl(ss); break;
    case 13: case 15: privilege = dpl(cs) <= dpl(ss); break;
    default: return false;
    }
    return privilege && common_valid(cs, false) &&
           !(g->wide && cs->access & L && cs->access & DB);
}

static bool stack_valid(const struct guest *g)
{
    const struct segment *ss = &g->s[SS];
    bool zero = type(&g->s[CS]) == 3 || !g->protected;
    if ((!g->unrestricted && dpl(ss) != rpl(ss)) || (zero && dpl(ss)))
        return false;
    return !usable(ss) || ((type(ss) == 3 || type(ss) == 7) && common_valid(ss, false));
}

static bool data_valid(const struct guest *g, const struct segment *s)
{
    if (!usable(s))
        return true;
    bool readable = !(type(s) & CODE) || type(s) & 2;
    return type(s) & 1 && readable && common_valid(s, false) &&
           (g->unrestricted || type(s) > 11 || dpl(s) >= rpl(s));
}

static bool system_valid(const struct guest *g)
{
    const struct segment *tr = &g->s[TR], *ldtr = &g->s[LDTR];
    return usable(tr) && (type(tr) == 11 || (type(tr) == 3 && !g->wide)) &&
           common_valid(tr, true) &&
           (!usable(ldtr) || (type(ldtr) == 2 && common_valid(ldtr, true)));
}

static bool segments_valid(void)
{
    struct guest g;
    view(&g);
    if (!selectors_valid(&g) || !bases_valid(&g) || !system_valid(&g))
        return false;
    if (g.v86)
        return v86_valid(&g);
    return code_valid(&g) && stack_valid(&g) && data_valid(&g, &g.s[ES]) &&
           data_valid(&g, &g.s[DS]) && data_valid(&g, &g.s[FS]) && data_valid(&g, &g.s[GS]);
}

/* ---- the cases ---- */

static const char *const names[SEGMENTS] = { "es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr" };
static enum field part(enum field first, unsigned s) { return first + 2 * s; }

/* The case: the mode's guest, one field of the segment another. */
static void with(enum mode m, unsigned s, const char *what, enum field first, uint64_t value)
{
    char rule[40];
    text_put(rule, sizeof rule, "guest.segment.%s.%s", names[s], what);
    CASE(rule, "%s-0x%lx", mode_name(m), value)
    {
        if (lacks_mode(m))
            continue;
        vm_reset(m);
        if (s == LDTR && first != GUEST_ES_ACCESS_RIGHTS)
            vmwrite(GUEST_LDTR_ACCESS_RIGHTS, 0x82);
        vmwrite(part(first, s), value);
        expect_guest(segments_valid(), 0);
    }
}

static uint64_t access_of(enum mode m, unsigned s)
{
    if (s == LDTR)
        return 0x82;
    vm_reset(m);
    return vmread(part(GUEST_ES_ACCESS_RIGHTS, s));
}

static void access_rights(enum mode m, unsigned s)
{
    uint64_t access = access_of(m, s);
    for (unsigned t = 0; t < 16; t++)
        with(m, s, "type", GUEST_ES_ACCESS_RIGHTS, (access & ~(uint64_t)TYPE) | t);
    for (uint64_t d = 0; d < 4; d++)
        with(m, s, "dpl", GUEST_ES_ACCESS_RIGHTS, (access & ~UINT64_C(0x60)) | d << 5);
    with(m, s, "s", GUEST_ES_ACCESS_RIGHTS, access ^ S);
    with(m, s, "present", GUEST_ES_ACCESS_RIGHTS, access ^ PRESENT);
    with(m, s, "unusable", GUEST_ES_ACCESS_RIGHTS, access | UNUSABLE);
    with(m, s, "unusable", GUEST_ES_ACCESS_RIGHTS, UNUSABLE);
    for (unsigned bit = 8; bit < 32; bit++)
        if ((uint32_t)RESERVED >> bit & 1)
            with(m, s, "reserved", GUEST_ES_ACCESS_RIGHTS, access | BIT(bit));
    with(m, s, "available", GUEST_ES_ACCESS_RIGHTS, access ^ BIT(12));
    with(m, s, "d-l", GUEST_ES_ACCESS_RIGHTS, access ^ L);
    with(m, s, "d-l", GUEST_ES_ACCESS_RIGHTS, access ^ DB);
    with(m, s, "d-l", GUEST_ES_ACCESS_RIGHTS, access | L | DB);
    with(m, s, "d-l", GUEST_ES_ACCESS_RIGHTS, access & ~(uint64_t)(L | DB));
}

static void granularity(enum mode m, unsigned s)
{
    static const uint32_t limits[] = { 0, 0xffe, 0xfff, 0x1000, 0xffff, 0xfffff, 0x100000, 0x100fff,
                                       0xfff00fff, 0xfffff000, 0xfffffffe, 0xffffffff };
    char rule[40];
    uint64_t access = access_of(m, s);
    text_put(rule, sizeof rule, "guest.segment.%s.granularity", names[s]);
    for (unsigned k = 0; k < COUNT(limits); k++)
        for (unsigned g = 0; g < 2; g++)
            CASE(rule, "%s-limit-0x%x-g-%u", mode_name(m), limits[k], g)
            {
                if (lacks_mode(m))
                    continue;
                vm_reset(m);
                vmwrite(part(GUEST_ES_LIMIT, s), limits[k]);
                vmwrite(part(GUEST_ES_ACCESS_RIGHTS, s), g ? access | G : access & ~(uint64_t)G);
                expect_guest(segments_valid(), 0);
            }
}

static void selector_and_base(enum mode m, unsigned s)
{
    char name[32];
    for (unsigned k = 0; k < 8; k++)
        with(m, s, "selector", GUEST_ES_SELECTOR, 0x50 + k);
    with(m, s, "selector", GUEST_ES_SELECTOR, 0);
    for (unsigned k = 0; k < CANONICAL_VALUES; k++) {
        uint64_t v = canonical_value(k, name);
        if (k && (s != CS || v >> 32))
            with(m, s, "base", GUEST_ES_BASE, v);
    }
    for (unsigned bit = 32; bit < 47; bit++)
        with(m, s, "base", GUEST_ES_BASE, BIT(bit));
}

/* RPL and DPL together, and a register that is unusable and wrong in all else. */
static void privilege(enum mode m, unsigned s)
{
    char rule[40];
    uint64_t access = access_of(m, s) & ~UINT64_C(0x60);
    text_put(rule, sizeof rule, "guest.segment.%s.privilege", names[s]);
    for (uint64_t r = 0; r < 4; r++)
        for (uint64_t d = 0; d < 4; d++)
            CASE(rule, "%s-rpl-%lu-dpl-%lu", mode_name(m), r, d)
            {
                if (lacks_mode(m))
                    continue;
                vm_reset(m);
                vmwrite(part(GUEST_ES_SELECTOR, s), SEL_USER_DATA | r);
                vmwrite(part(GUEST_ES_ACCESS_RIGHTS, s), access | d << 5);
                expect_guest(segments_valid(), 0);
            }
    if (s == CS || s >= LDTR)
        return;
    for (unsigned t = 8; t < 16; t++)
        for (uint64_t r = 0; r < 4; r += 3)
            CASE(rule, "%s-type-%u-rpl-%lu", mode_name(m), t, r)
            {
                if (lacks_mode(m))
                    continue;
                vm_reset(m);
                vmwrite(part(GUEST_ES_SELECTOR, s), SEL_USER_DATA | r);
                vmwrite(part(GUEST_ES_ACCESS_RIGHTS, s), (access & ~(uint64_t)TYPE) | t);
                expect_guest(segments_valid(), 0);
            }
}

/* CS of each type and DPL over a stack of each. */
static void code_privilege(enum mode m)
{
    static const uint8_t types[] = { 3, 9, 11, 13, 15 };
    for (unsigned k = 0; k < COUNT(types); k++)
        for (uint64_t c = 0; c < 4; c++)
            for (uint64_t d = 0; d < 4; d++)
                CASE("guest.segment.cs.dpl-ss-dpl", "%s-type-%u-cs-%lu-ss-%lu", mode_name(m),
                     types[k], c, d)
                {
                    if (lacks_mode(m))
                        continue;
                    vm_reset(m);
                    uint64_t cs = vmread(GUEST_CS_ACCESS_RIGHTS), ss = vmread(GUEST_SS_ACCESS_RIGHTS);
                    vmwrite(GUEST_CS_ACCESS_RIGHTS, (cs & ~UINT64_C(0x6f)) | types[k] | c << 5);
                    vmwrite(GUEST_SS_ACCESS_RIGHTS, (ss & ~UINT64_C(0x60)) | d << 5);
                    vmwrite(GUEST_CS_SELECTOR, (vmread(GUEST_CS_SELECTOR) & ~UINT64_C(3)) | d);
                    vmwrite(GUEST_SS_SELECTOR, (vmread(GUEST_SS_SELECTOR) & ~UINT64_C(3)) | d);
                    expect_guest(segments_valid(), 0);
                }
}

/* CS and SS agree with each other, and not with their selectors. */
static void stack_privilege(enum mode m)
{
    for (uint64_t d = 0; d < 4; d++)
        for (uint64_t r = 0; r < 4; r++)
            CASE("guest.segment.ss.dpl-rpl", "%s-dpl-%lu-rpl-%lu", mode_name(m), d, r)
            {
                if (lacks_mode(m))
                    continue;
                vm_reset(m);
                for (unsigned s = 1; s <= 2; s++) {
                    uint64_t rights = vmread(GUEST_ES_ACCESS_RIGHTS + 2 * s);
                    uint64_t selector = vmread(GUEST_ES_SELECTOR + 2 * s);
                    vmwrite(GUEST_ES_ACCESS_RIGHTS + 2 * s, (rights & ~UINT64_C(0x60)) | d << 5);
                    vmwrite(GUEST_ES_SELECTOR + 2 * s, (selector & ~UINT64_C(3)) | r);
                }
                expect_guest(segments_valid(), 0);
            }
}

static void v86(unsigned s)
{
    static const uint64_t bases[] = { 0, 1, 0xfff0, 0xffff, 0x10010, 0xffff0, 0x100010000 };
    static const uint64_t limits[] = { 0, 0xfffe, 0xffff, 0x10000, 0xfffff, 0xffffffff };
    for (unsigned k = 0; k < COUNT(bases); k++)
        with(MODE_V86, s, "v86-base", GUEST_ES_BASE, bases[k]);
    for (unsigned k = 0; k < COUNT(limits); k++)
        with(MODE_V86, s, "v86-limit", GUEST_ES_LIMIT, limits[k]);
    for (unsigned bit = 0; bit < 32; bit++)
        with(MODE_V86, s, "v86-access-rights", GUEST_ES_ACCESS_RIGHTS, 0xf3 ^ BIT(bit));
    if (s != CS)
        for (unsigned k = 0; k < 4; k++)
            with(MODE_V86, s, "v86-base", GUEST_ES_SELECTOR, GUEST_CODE / 16 + k);
}

void area_guest_segments(void)
{
    static const enum mode modes[] = { MODE_64, MODE_32, MODE_REAL };
    for (unsigned k = 0; k < COUNT(modes); k++) {
        for (unsigned s = 0; s < SEGMENTS; s++) {
            access_rights(modes[k], s);
            granularity(modes[k], s);
            selector_and_base(modes[k], s);
            privilege(modes[k], s);
        }
        code_privilege(modes[k]);
        stack_privilege(modes[k]);
    }
    code_privilege(MODE_FLAT);
    for (unsigned s = 0; s < LDTR; s++)
        v86(s);
    access_rights(MODE_V86, LDTR);
    access_rights(MODE_V86, TR);
}
