// SPDX-License-Identifier: Apache-2.0
#include "ipf/translate.h"

#define VA_OFFSET (BIT(61) - 1)

/* ---- addresses ---- */

/* SDM vol. 2, "Unimplemented Virtual Address Bits" and "Unimplemented Physical Address Bits": bit
 * 63 of a physical address is an attribute.  In a virtual machine one virtual bit fewer exists. */
bool ipf_unimplemented(const struct ipf_cpu *c, uint64_t address, bool is_virtual)
{
    if (!is_virtual)
        return address << 1 >> 1 >> IPF_PA_BITS;
    unsigned msb = c->va_msb - (c->psr & PSR_VM ? 1 : 0);
    uint64_t top = (address & VA_OFFSET) >> msb;
    return top != 0 && top != VA_OFFSET >> msb;
}

/* ---- the rights of pages: SDM vol. 2, "Page Access Rights" ---- */

bool ipf_rights(const struct ipf_translation *t, unsigned level, uint64_t how)
{
    /* At a level above the page's, at the page's level, in this order: X, W, R in bits 2, 1, 0. */
    static const uint8_t above[8] = { 1, 5, 3, 7, 3, 7, 3, 4 };
    static const uint8_t equal[8] = { 1, 5, 3, 7, 1, 5, 7, 4 };
    unsigned allowed = level < t->pl || (level == 0) ? above[t->ar] : equal[t->ar];
    unsigned wanted = (how & ISR_R ? 1 : 0) | (how & ISR_W ? 2 : 0) | (how & ISR_X ? 4 : 0);
    if (t->ar == 7)
        allowed = level == 0 ? 5 : 4;
    else if (level > t->pl)
        allowed = 0;
    return !(wanted & ~allowed);
}

/* ---- protection keys: SDM vol. 2, "Protection Keys" ---- */

enum { PKR_V = 1, PKR_WD = 2, PKR_RD = 4, PKR_XD = 8 };

static const uint64_t *find_key(const struct ipf_cpu *c, const struct ipf_translation *t)
{
    for (unsigned k = 0; k < IPF_KEYS; k++)
        if (c->pkr[k] & PKR_V && bits(c->pkr[k], 31, 8) == t->key)
            return &c->pkr[k];
    return NULL;
}
bool ipf_key_permits(const struct ipf_cpu *c, const struct ipf_translation *t, uint64_t how)
{
    const uint64_t *key = c->psr & PSR_PK ? find_key(c, t) : NULL;
    uint64_t denied =
        (how & ISR_R ? PKR_RD : 0) | (how & ISR_W ? PKR_WD : 0) | (how & ISR_X ? PKR_XD : 0);
    return !key || !(*key & denied);
}
bool ipf_may_read(const struct ipf_cpu *c, const struct ipf_translation *t)
{
    bool key_misses = c->psr & PSR_PK && !find_key(c, t);
    return !key_misses && ipf_key_permits(c, t, ISR_R) && ipf_rights(t, 0, ISR_R);
}

/* ---- the checks of an access, in the order of their priority ---- */

struct access {
    const struct ipf_cpu *c;
    const struct ipf_translation *t; /* NULL: a physical address              */
    uint64_t address, how;
    unsigned size, level;
};

static bool not_present(const struct access *a) { return a->t && !a->t->present; }
static bool nat_page(const struct access *a) { return a->t && a->t->ma == MA_NAT_PAGE; }
static bool key_misses(const struct access *a)
{
    return a->t && a->c->psr & PSR_PK && !find_key(a->c, a->t);
}
static bool key_forbids(const struct access *a)
{
    return a->t && !ipf_key_permits(a->c, a->t, a->how);
}
static bool rights_forbid(const struct access *a)
{
    return a->t && !ipf_rights(a->t, a->level, a->how);
}
static bool clean(const struct access *a)
{
    return a->t && a->how & ISR_W && !a->t->dirty && !(a->c->psr & PSR_DA);
}
static bool not_accessed(const struct access *a)
{
    return a->t && !a->t->accessed && !(a->c->psr & (a->how & ISR_X ? PSR_IA : PSR_DA));
}

/* SDM vol. 2, "Data and Instruction Breakpoint Registers". */
static bool data_breakpoint(const struct access *a)
{
    const struct ipf_cpu *c = a->c;
    if (!c->dbr_on || !(c->psr & PSR_DB) || c->psr & PSR_DD)
        return false;
    for (unsigned k = 0; k < ARRAY_SIZE(c->dbr); k += 2) {
        uint64_t mask = c->dbr[k + 1];
        bool kind = (mask >> 63 && a->how & ISR_R) || (mask >> 62 & 1 && a->how & ISR_W);
        uint64_t compared = (mask & (BIT(56) - 1)) | UINT64_C(0xff) << 56;
        uint64_t last = a->address + (a->size ? a->size - 1 : 0);
        bool within = !((a->address ^ c->dbr[k]) & compared) || !((last ^ c->dbr[k]) & compared) ||
                      (c->dbr[k] > a->address && c->dbr[k] <= last);
        if (kind && mask >> (56 + a->level) & 1 && within)
            return true;
    }
    return false;
}
/* With PSR.ac every unaligned reference faults; without it those that stay within 16 aligned bytes
 * do not (implementation-specific: SDM vol. 2, "Unaligned Reference vector"). */
static bool unaligned(const struct access *a)
{
    unsigned alignment = a->size == 10 ? 16 : a->size;
    bool strict = a->how & HOW_ATOMIC || a->c->psr & PSR_AC;
    return a->size && a->address & (alignment - 1) && (strict || (a->address & 15) + a->size > 16);
}

/* SDM vol. 2, "Memory Attributes": what forbids speculation; all but WB is uncacheable. */
static bool not_speculative(const struct access *a)
{
    return a->t ? a->t->ma == MA_UC || a->t->ma == MA_UCE : a->address >> 63;
}
static bool uncacheable(const struct access *a)
{
    return a->t ? a->t->ma != MA_WB : a->address >> 63;
}
/* SDM vol. 2, "Unsupported Data Reference vector". */
static bool unsupported(const struct access *a)
{
    bool exported = a->how & HOW_FETCHADD && a->t && a->t->ma == MA_UCE;
    return (a->how & HOW_ATOMIC || a->size == 10) && uncacheable(a) && !exported;
}

/* When speculative loads defer a fault (SDM vol. 2, "Deferral of Speculative Load Faults"): always
 * with PSR.ic = 0; by a bit of DCR, or without one, if the page of the code permits. */
enum { DCR_DM = 8, DCR_DP, DCR_DK, DCR_DX, DCR_DR, DCR_DA, DCR_DD, BY_ED, ALWAYS };

bool ipf_code_defers(const struct ipf_cpu *c)
{
    const struct ipf_translation *t =
        c->psr & PSR_IT ? ipf_tlb_find(c, IPF_INSTRUCTIONS, c->block_ip) : NULL;
    return t && t->ed;
}

static enum ipf_data fails(struct ipf_cpu *c, const struct access *a, unsigned what,
                           unsigned deferral)
{
    uint64_t isr = a->how & HOW_ISR;
    if (a->how & ISR_SP) {
        bool ed = ipf_code_defers(c);
        bool chosen = deferral == BY_ED || (deferral < BY_ED && c->cr[CR_DCR] >> deferral & 1);
        if (deferral == ALWAYS || !(c->psr & PSR_IC) || (ed && chosen))
            return DATA_DEFERRED;
        isr |= ed ? ISR_ED : 0;
    }
    c->fault = (struct ipf_fault){ .what = what, .isr = isr, .address = a->address };
    return DATA_FAULTS;
}

/* ---- the search: SDM vol. 2, "Translation Searching" ---- */

static enum ipf_data misses(struct ipf_cpu *c, const struct access *a, enum ipf_side side,
                            unsigned instruction, unsigned data)
{
    if (side == IPF_INSTRUCTIONS)
        return fails(c, a, instruction, ALWAYS);
    return fails(c, a, c->psr & PSR_IC ? data : INT_DATA_NESTED_TLB, DCR_DM);
}

static enum ipf_data search(struct ipf_cpu *c, enum ipf_side side, struct access *a,
                            struct ipf_translation *room)
{
    a->t = ipf_tlb_find(c, side, a->address);
    if (a->t)
        return DATA_DONE;
    if (!ipf_walker_enabled(c, a->address, a->how))
        return misses(c, a, side, INT_ALTERNATE_INSTRUCTION_TLB, INT_ALTERNATE_DATA_TLB);
    a->t = room;
    switch (ipf_walk(c, side, a->address, room)) {
    case WALK_TABLE_MISSES: return misses(c, a, side, INT_VHPT_INSTRUCTION, INT_VHPT_DATA);
    case WALK_FAILS: return misses(c, a, side, INT_INSTRUCTION_TLB, INT_DATA_TLB);
    default: return DATA_DONE;
    }
}

const struct ipf_translation *ipf_search(struct ipf_cpu *c, enum ipf_side side, uint64_t address,
                                         uint64_t how, struct ipf_translation *room)
{
    struct access a = { .c = c, .address = address, .how = how };
    return search(c, side, &a, room) == DATA_DONE ? a.t : NULL;
}

/* Rows in the order of priority; `nonaccess` has a bit for each non-access operation that is
 * subject to the check, `stops` says that the checks below it have no meaning then (SDM vol. 2,
 * "Exception Qualification"). */
#define NA(kind) (1 << NA_##kind)
#define NA_LIKE_LOAD (NA(LFETCH) | NA(PROBE_FAULT))
static const struct {
    bool (*broken)(const struct access *a);
    uint8_t what, deferral, nonaccess;
    bool stops;
} data_checks[] = {
    { not_present, INT_PAGE_NOT_PRESENT, DCR_DP, 0xff & ~NA(TAK), true },
    { nat_page, INT_NAT_PAGE, ALWAYS, 0xff & ~NA(TAK), true },
    { key_misses, INT_DATA_KEY_MISS, DCR_DK, NA_LIKE_LOAD | NA(PROBE), false },
    { key_forbids, INT_KEY_PERMISSION, DCR_DX, NA_LIKE_LOAD, false },
    { rights_forbid, INT_DATA_ACCESS_RIGHTS, DCR_DR, NA_LIKE_LOAD | NA(FC), false },
    { clean, INT_DIRTY_BIT, ALWAYS, NA_LIKE_LOAD, false },
    { not_accessed, INT_DATA_ACCESS_BIT, DCR_DA, NA_LIKE_LOAD, false },
    { data_breakpoint, INT_DEBUG, DCR_DD, NA_LIKE_LOAD, false },
    { unaligned, INT_UNALIGNED, BY_ED, 0, false },
    { unsupported, INT_UNSUPPORTED_DATA, BY_ED, 0, false },
};

/* A fault that is not deferred is raised although one of higher priority was deferred. */
static enum ipf_data check_data(struct ipf_cpu *c, const struct access *a)
{
    enum ipf_data result = DATA_DONE;
    for (unsigned k = 0; k < ARRAY_SIZE(data_checks); k++) {
        bool subject = !(a->how & ISR_NA) || data_checks[k].nonaccess >> (a->how & 15) & 1;
        if (!subject || !data_checks[k].broken(a))
            continue;
        result = fails(c, a, data_checks[k].what, data_checks[k].deferral);
        if (result == DATA_FAULTS || data_checks[k].stops)
            break;
    }
    return result;
}

/* The checks, and the address if they pass. */
static enum ipf_data finish(struct ipf_cpu *c, const struct access *a, uint64_t *pa)
{
    enum ipf_data result = check_data(c, a);
    if (result == DATA_DONE && a->how & (ISR_SP | HOW_ADVANCED) && not_speculative(a))
        return DATA_DEFERRED;
    uint64_t at = a->t ? a->t->pa | (a->address & ~a->t->mask & VA_OFFSET) : a->address;
    *pa = (at & ~PA_UNCACHED) | (uncacheable(a) ? PA_UNCACHED : 0);
    return result;
}

enum ipf_data ipf_translate_virtual(struct ipf_cpu *c, uint64_t address, unsigned size,
                                    uint64_t how, unsigned level, uint64_t *pa)
{
    struct access a = { c, NULL, address, how, size, level };
    struct ipf_translation room;
    if (ipf_unimplemented(c, address, true))
        return fails(c, &a, INT_UNIMPLEMENTED_DATA_ADDRESS, ALWAYS);
    enum ipf_data result = search(c, IPF_DATA, &a, &room);
    return result == DATA_DONE ? finish(c, &a, pa) : result;
}

static enum ipf_data translate_physical(struct ipf_cpu *c, uint64_t address, unsigned size,
                                        uint64_t how, unsigned level, uint64_t *pa)
{
    struct access a = { c, NULL, address, how, size, level };
    if (ipf_unimplemented(c, address, false))
        return fails(c, &a, INT_UNIMPLEMENTED_DATA_ADDRESS, ALWAYS);
    return finish(c, &a, pa);
}

enum ipf_data ipf_translate(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t how,
                            unsigned level, uint64_t *pa)
{
    bool is_virtual = c->psr & (how & ISR_RS ? PSR_RT : PSR_DT);
    return is_virtual ? ipf_translate_virtual(c, address, size, how, level, pa)
                      : translate_physical(c, address, size, how, level, pa);
}

/* ---- instructions ---- */

static const struct {
    bool (*broken)(const struct access *a);
    uint8_t what;
} code_checks[] = {
    { not_present, INT_PAGE_NOT_PRESENT },
    { nat_page, INT_NAT_PAGE },
    { key_misses, INT_INSTRUCTION_KEY_MISS },
    { key_forbids, INT_KEY_PERMISSION },
    { rights_forbid, INT_INSTRUCTION_ACCESS_RIGHTS },
    { not_accessed, INT_INSTRUCTION_ACCESS_BIT },
};

enum ipf_data ipf_translate_code(struct ipf_cpu *c, uint64_t ip, uint64_t *pa)
{
    struct access a = { c, NULL, ip, ISR_X, 0, c->psr >> PSR_CPL_SHIFT & 3 };
    struct ipf_translation room;
    bool is_virtual = c->psr & PSR_IT;
    if (ipf_unimplemented(c, ip, is_virtual)) {
        c->fault = (struct ipf_fault){ INT_UNIMPLEMENTED_INSTRUCTION_ADDRESS, 0, ip };
        return DATA_FAULTS;
    }
    if (is_virtual && search(c, IPF_INSTRUCTIONS, &a, &room) != DATA_DONE)
        return DATA_FAULTS;
    for (unsigned k = 0; k < ARRAY_SIZE(code_checks); k++)
        if (code_checks[k].broken(&a))
            return fails(c, &a, code_checks[k].what, ALWAYS);
    *pa = a.t ? a.t->pa | (ip & ~a.t->mask & VA_OFFSET) : ip & ~BIT(63);
    return DATA_DONE;
}
