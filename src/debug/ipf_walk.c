// SPDX-License-Identifier: Apache-2.0
#include "debug/ipf_walk.h"

#include "ipf/translate.h"

enum { PKR_V = 1, PKR_WD = 2, PKR_RD = 4, PKR_XD = 8 };

/* ---- what decided ---- */

enum step { TLB_MISS, WALK, PAGE, KEY, RIGHTS };
static const struct {
    uint8_t what;
    enum step step;
    const char *why;
} decided[] = {
    { INT_VHPT_INSTRUCTION, WALK, "" },
    { INT_VHPT_DATA, WALK, "" },
    { INT_INSTRUCTION_TLB, WALK, "" },
    { INT_DATA_TLB, WALK, "" },
    { INT_ALTERNATE_INSTRUCTION_TLB, TLB_MISS, "" },
    { INT_ALTERNATE_DATA_TLB, TLB_MISS, "" },
    { INT_DATA_NESTED_TLB, TLB_MISS, "" },
    { INT_PAGE_NOT_PRESENT, PAGE, "p is 0: not present" },
    { INT_NAT_PAGE, PAGE, "ma is NaTPage" },
    { INT_DIRTY_BIT, PAGE, "d is 0: not dirty" },
    { INT_INSTRUCTION_ACCESS_BIT, PAGE, "a is 0: not accessed" },
    { INT_DATA_ACCESS_BIT, PAGE, "a is 0: not accessed" },
    { INT_INSTRUCTION_KEY_MISS, KEY, "no valid key register holds it" },
    { INT_DATA_KEY_MISS, KEY, "no valid key register holds it" },
    { INT_KEY_PERMISSION, KEY, "it forbids the access" },
    { INT_INSTRUCTION_ACCESS_RIGHTS, RIGHTS, "forbidden" },
    { INT_DATA_ACCESS_RIGHTS, RIGHTS, "forbidden" },
};

bool ipf_walk_explains(const struct ipf_event *e)
{
    for (size_t k = 0; k < ARRAY_SIZE(decided); k++)
        if (decided[k].what == e->what)
            return true;
    return false;
}

static const char *why(const struct ipf_event *e, enum step step)
{
    for (size_t k = 0; k < ARRAY_SIZE(decided); k++)
        if (decided[k].what == e->what && decided[k].step == step)
            return decided[k].why;
    return NULL;
}
static void end_line(FILE *out, const struct ipf_event *e, enum step step)
{
    const char *text = why(e, step);
    fprintf(out, text ? "  <-- %s\n" : "\n", text);
}

/* ---- one line each ---- */

struct way {
    FILE *out;
    const struct ipf_cpu *c;
    const struct ipf_event *e;
    uint64_t psr, address, how;
    enum ipf_side side;
    unsigned level;
};

static const char *size_text(unsigned ps, char *out, size_t size)
{
    unsigned unit = ps >= 30 ? 30 : ps >= 20 ? 20 : ps >= 10 ? 10 : 0;
    snprintf(out, size, "%llu%s", 1ull << (ps - unit) % 64,
             unit ? &"K\0M\0G"[(unit - 10) / 5] : "");
    return out;
}

static void print_access(const struct way *w)
{
    static const char *const nonaccess[] = { "tpa", "fc", "probe", "tak", "lfetch", "probe.fault" };
    fprintf(w->out, "  %s",
            w->how & ISR_X    ? "fetch"
            : w->how & ISR_RS ? "register stack engine:"
                              : "data");
    fprintf(w->out, "%s%s", w->how & ISR_R ? " read" : "", w->how & ISR_W ? " write" : "");
    if (w->how & ISR_NA && (w->how & 15) < ARRAY_SIZE(nonaccess))
        fprintf(w->out, " (%s)", nonaccess[w->how & 15]);
    fprintf(w->out, "%s of %#llx at level %u\n", w->how & ISR_SP ? " (speculative)" : "",
            (unsigned long long)w->address, w->level);
}

static void print_region(const struct way *w)
{
    char size[24];
    uint64_t rr = w->c->rr[w->address >> 61];
    fprintf(w->out, "    RR%u        = 0x%016llx  rid %#x, preferred page size %s, ve %u\n",
            (unsigned)(w->address >> 61), (unsigned long long)rr, ipf_rid(w->c, w->address),
            size_text(bits(rr, 7, 2), size, sizeof size), (unsigned)(rr & 1));
}

/* Why the walker stands still (SDM vol. 2, "VHPT Walker"); NULL: it does not. */
static const char *walker_off(const struct way *w)
{
    bool fetch = w->how & ISR_X;
    if (!(w->c->cr[CR_PTA] & 1))
        return "PTA.ve is 0: the VHPT walker is off";
    if (!(w->c->rr[w->address >> 61] & 1))
        return "RR.ve is 0: the VHPT walker is off for this region";
    if (fetch && !(w->psr & PSR_IC))
        return "PSR.ic is 0: the VHPT walker is off for instructions";
    if (!fetch && !(w->psr & (w->how & ISR_RS ? PSR_RT : PSR_DT)))
        return "PSR.dt or PSR.rt is 0: the VHPT walker is off for data";
    return NULL;
}

static void print_page(const struct way *w, const char *name, unsigned number,
                       const struct ipf_translation *t)
{
    static const char *const attributes[] = { "WB", "1", "2", "3", "UC", "UCE", "WC", "NaTPage" };
    char size[24];
    fprintf(w->out, "    %s", name);
    int n = number < IPF_TR ? fprintf(w->out, "%u", number) : 0;
    fprintf(w->out, "%*s %#llx + %s -> %#llx  rid %#x key %#x ar %u pl %u ma %s%s%s%s%s", 6 - n, "",
            (unsigned long long)t->va, size_text(t->ps, size, sizeof size),
            (unsigned long long)t->pa, t->rid, t->key, t->ar, t->pl, attributes[t->ma & 7],
            t->present ? " p" : "", t->accessed ? " a" : "", t->dirty ? " d" : "",
            t->ed ? " ed" : "");
    end_line(w->out, w->e, PAGE);
}

static void print_key(const struct way *w, const struct ipf_translation *t)
{
    if (!(w->psr & PSR_PK))
        return;
    for (unsigned k = 0; k < IPF_KEYS; k++) {
        uint64_t pkr = w->c->pkr[k];
        if (!(pkr & PKR_V) || bits(pkr, 31, 8) != t->key)
            continue;
        fprintf(w->out, "    PKR%-2u      = 0x%016llx  key %#x%s%s%s", k, (unsigned long long)pkr,
                t->key, pkr & PKR_RD ? " rd" : "", pkr & PKR_WD ? " wd" : "",
                pkr & PKR_XD ? " xd" : "");
        end_line(w->out, w->e, KEY);
        return;
    }
    fprintf(w->out, "    key %#x", t->key);
    end_line(w->out, w->e, KEY);
}

static void print_rights(const struct way *w, const struct ipf_translation *t)
{
    fprintf(w->out, "    rights     ar %u pl %u give level %u: %s%s%s", t->ar, t->pl, w->level,
            ipf_rights(t, w->level, ISR_R) ? "R" : "-", ipf_rights(t, w->level, ISR_W) ? "W" : "-",
            ipf_rights(t, w->level, ISR_X) ? "X" : "-");
    end_line(w->out, w->e, RIGHTS);
}

/* The entry; what the walker would take from it, into *room. */
static const struct ipf_translation *print_vhpt(const struct way *w, struct ipf_translation *room)
{
    struct ipf_vhpt_entry v;
    enum ipf_walk result = ipf_vhpt_look(w->c, w->address, &v);
    fprintf(w->out, "    PTA        = 0x%016llx  %s format\n", (unsigned long long)w->c->cr[CR_PTA],
            v.is_long ? "long" : "short");
    fprintf(w->out, "    VHPT       at %#llx", (unsigned long long)v.at);
    if (v.readable)
        fprintf(w->out, " (physical %#llx) = 0x%016llx, itir %#llx", (unsigned long long)v.pa,
                (unsigned long long)v.pte, (unsigned long long)v.itir);
    if (v.readable && v.is_long)
        fprintf(w->out, ", tag %#llx (wanted %#llx)", (unsigned long long)v.tag,
                (unsigned long long)ipf_ttag(w->c, w->address));
    fprintf(w->out, v.verdict ? "  <-- %s\n" : "\n", v.verdict);
    if (result != WALK_FINDS)
        return NULL;
    *room = ipf_translation(v.pte, v.itir, w->address, ipf_rid(w->c, w->address));
    return room;
}

static const struct ipf_translation *search(const struct way *w, struct ipf_translation *room)
{
    const char *name = w->side == IPF_DATA ? "D" : "I", *off = walker_off(w);
    const struct ipf_tlb *tlb = &w->c->tlb[w->side];
    const struct ipf_translation *t = ipf_tlb_find(w->c, w->side, w->address);
    bool is_register = t >= tlb->tr && t < tlb->tr + IPF_TR;
    char text[8];
    snprintf(text, sizeof text, is_register ? "%sTR" : "%sTC", name);
    if (!t) {
        fprintf(w->out, "    %sTLB       no translation%s%s\n", name, off ? "  <-- " : "",
                off ? off : "");
        t = off ? NULL : print_vhpt(w, room);
        snprintf(text, sizeof text, "entry");
    }
    if (t)
        print_page(w, text, is_register ? (unsigned)(t - tlb->tr) : IPF_TR, t);
    return t;
}

/* ---- the way ---- */

static unsigned level_of(const struct ipf_cpu *c, uint64_t psr, uint64_t how)
{
    return how & ISR_RS ? c->ar[AR_RSC] >> 2 & 3 : psr >> PSR_CPL_SHIFT & 3;
}

void ipf_walk_print(FILE *out, const struct ipf_cpu *c, uint64_t psr, const struct ipf_event *e)
{
    struct ipf_translation room;
    bool fetch = e->isr & ISR_X || e->what == INT_INSTRUCTION_ACCESS_BIT;
    struct way w = {
        .out = out,
        .c = c,
        .e = e,
        .psr = psr,
        .address = e->value,
        .how = e->isr,
        .side = fetch ? IPF_INSTRUCTIONS : IPF_DATA,
        .level = level_of(c, psr, e->isr),
    };
    print_access(&w);
    print_region(&w);
    const struct ipf_translation *t = search(&w, &room);
    if (t) {
        print_key(&w, t);
        print_rights(&w, t);
    }
    if (e->what == INT_DATA_NESTED_TLB)
        fprintf(out, "    PSR.ic is 0: a Data Nested TLB fault\n");
}
