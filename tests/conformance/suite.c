// SPDX-License-Identifier: Apache-2.0
#include "suite.h"

#include "fault.h"
#include "vm.h"

enum { NAME = 128, DETAIL = 240, FILTER = 4096 };

struct rule { const char *id; bool used; };
static struct rule rules[] = {
#define RULE(id, section, sentence) { id, false },
#include "rules.def"
};

static struct {
    char filter[FILTER], line[FILTER], from[NAME];
    unsigned shard, shards;
    bool list, verbose, resumed;
} wish = { .shards = 1 };
static struct { unsigned number, run, passed, failed, skipped; } count;
static struct {
    char name[NAME], detail[DETAIL], needed[NAME];
    bool failed, skipped;
} this;
void *case_jump[5];

/* ---- choosing ---- */

static bool wanted(const char *name)
{
    const char *from = wish.filter;
    if (!*from)
        return true;
    for (const char *to = from;; to++) {
        if (*to && *to != ',')
            continue;
        if (text_fits(name, from, to))
            return true;
        if (!*to)
            return false;
        from = to + 1;
    }
}

/* Rules by the hash of their ids. */
enum { SLOTS = 2048 };
static struct rule *slots[SLOTS];
_Static_assert(COUNT(rules) < SLOTS, "the table has free slots");

static struct rule **slot_of(const char *id)
{
    uint32_t h = 5381;
    for (const char *c = id; *c; c++)
        h = h * 33 + (uint8_t)*c;
    for (h ^= h >> 11;; h++) {
        struct rule **slot = &slots[h % SLOTS];
        if (!*slot || text_equal((*slot)->id, id))
            return slot;
    }
}

static void use_rule(const char *id)
{
    struct rule *r = *slot_of(id);
    if (r) {
        r->used = true;
        return;
    }
    print("not ok %s expected=a row in rules.def observed=none\n", this.name);
    count.failed++;
}

bool case_begin(const char *rule, const char *variant, ...)
{
    va_list arguments;
    unsigned n = text_put(this.name, NAME, "%s/", rule);
    va_start(arguments, variant);
    text_format(this.name + n, NAME - n, variant, arguments);
    va_end(arguments);
    use_rule(rule);
    if (text_equal(this.name, wish.from))
        wish.from[0] = 0;
    if (!wanted(this.name) || count.number++ % wish.shards != wish.shard || *wish.from)
        return false;
    if (wish.list) {
        print("case %s\n", this.name);
        return false;
    }
    if (wish.verbose)
        print("run %s\n", this.name);
    this.failed = this.skipped = false;
    return true;
}

bool case_end(void)
{
    count.run++;
    if (this.failed) {
        count.failed++;
        print("not ok %s %s\n", this.name, this.detail);
    } else if (this.skipped) {
        count.skipped++;
        print("skip %s %s\n", this.name, this.needed);
    } else {
        count.passed++;
        print("ok %s\n", this.name);
    }
    vm_restore_host();
    return false;
}

/* ---- what a case says ---- */

bool case_failed(void) { return this.failed; }

void skip(const char *needed)
{
    this.skipped = true;
    text_put(this.needed, NAME, "%s", needed);
}

bool lacks_that(bool there, const char *needed)
{
    if (!there)
        skip(needed);
    return !there;
}
bool lacks(enum control c) { return lacks_that(can(c), control_name(c)); }

bool expect_text(const char *expected, const char *observed)
{
    if (text_equal(expected, observed))
        return true;
    if (!this.failed)
        text_put(this.detail, DETAIL, "expected=%s observed=%s", expected, observed);
    this.failed = true;
    return false;
}

bool expect(const char *what, uint64_t expected, uint64_t observed)
{
    if (expected == observed)
        return true;
    if (!this.failed)
        text_put(this.detail, DETAIL, "expected=%s:0x%lx observed=%s:0x%lx", what, expected, what,
                 observed);
    this.failed = true;
    return false;
}

static const char *field_text(enum field f)
{
    switch (f) {
#define FIELD(encoding, name, text, exists) case encoding: return text;
#include "fields.def"
    default: return "field";
    }
}
bool expect_field(enum field f, uint64_t expected)
{
    return expect(field_text(f), expected, vmread(f));
}

static const char *result_text(enum outcome o, unsigned n, char text[48])
{
    static const char *const names[] = { "success", "VMfailInvalid", "VMfailValid", "exception",
                                         "flags" };
    text_put(text, 48, o <= FAIL_INVALID ? "%s" : "%s %u", names[o], n);
    return text;
}

bool expect_result(enum outcome wanted, unsigned wanted_number, struct result r)
{
    char expected[48], observed[48];
    enum outcome o = outcome(r);
    unsigned n = o == FAULTED ? r.fault : o == OTHER_FLAGS ? (unsigned)r.flags & FLAGS_STATUS :
                 o == FAIL_VALID ? (unsigned)vmread(VM_INSTRUCTION_ERROR) : 0;
    return expect_text(result_text(wanted, wanted_number, expected), result_text(o, n, observed));
}

void case_abandon(void)
{
    vm_restore_host();
    __builtin_longjmp(case_jump, 1);
}

void case_faulted(void)
{
    char observed[80];
    text_put(observed, sizeof observed, "host exception %u, error code 0x%x, at 0x%lx, cr2 0x%lx",
             fault.vector, fault.error, fault.rip, fault.address);
    expect_text("no exception in the host", observed);
}

/* ---- the command line ---- */

static const char *word_after(const char *word, unsigned *length)
{
    while (*word == ' ')
        word++;
    for (*length = 0; word[*length] && word[*length] != ' '; ++*length)
        ;
    return *length ? word : 0;
}

static unsigned number(const char **at)
{
    unsigned n = 0;
    while (**at >= '0' && **at <= '9')
        n = n * 10 + (unsigned)(*(*at)++ - '0');
    return n;
}

/* What follows `prefix` in the word, or null. */
static const char *value_of(const char *word, const char *prefix)
{
    while (*prefix && *word == *prefix)
        word++, prefix++;
    return *prefix ? 0 : word;
}

static void configure_word(const char *word)
{
    const char *value;
    if ((value = value_of(word, "filter=")))
        text_put(wish.filter, FILTER, "%s", value);
    if ((value = value_of(word, "from=")))
        wish.resumed = text_put(wish.from, NAME, "%s", value);
    if ((value = value_of(word, "shard="))) {
        unsigned shard = number(&value);
        value += *value == '/';
        unsigned shards = number(&value);
        if (shard && shard <= shards)
            wish.shard = shard - 1, wish.shards = shards;
    }
    wish.list |= text_equal(word, "list");
    wish.verbose |= text_equal(word, "verbose");
}

void suite_configure(const char *command_line)
{
    unsigned n;
    for (unsigned r = 0; r < COUNT(rules); r++)
        *slot_of(rules[r].id) = &rules[r];
    text_put(wish.line, FILTER, "%s", command_line);
    for (const char *w = wish.line; (w = word_after(w, &n)); w += n) {
        static char word[FILTER];
        copy(word, w, n);
        word[n] = 0;
        configure_word(word);
    }
}

bool suite_word(const char *wanted_word)
{
    unsigned n;
    for (const char *w = wish.line; (w = word_after(w, &n)); w += n)
        if (text_fits(wanted_word, w, w + n))
            return true;
    return false;
}

/* ---- head and end ---- */

void suite_head(void)
{
    struct cpuid id = cpuid(0, 0);
    uint32_t vendor[4] = { id.b, id.d, id.c, 0 };
    print("conform 1\ninfo vendor %s\ninfo signature 0x%x\n", (const char *)vendor, cap.leaf1.a);
    print("info vmx-basic 0x%lx\ninfo vmcs-revision 0x%lx\n", cap.basic, cap.basic & 0x7fffffff);
    print("info vmx-misc 0x%lx\ninfo vmx-ept-vpid-cap 0x%lx\n", cap.misc, cap.ept_vpid);
    for (enum word w = 0; w < WORDS; w++)
        print("info controls-%s 0x%lx 0x%lx\n", word_name(w), cap.allowed0[w], cap.allowed1[w]);
    print("info physical-address-width %u\ninfo linear-address-width %u\n", cap.physical_bits,
          cap.linear_bits);
    print("info rules %u\n", (unsigned)COUNT(rules));
}

unsigned suite_finish(void)
{
    bool whole = !*wish.filter && !wish.resumed;
    CASE("conform.rules", "each-has-a-case")
    {
        for (unsigned r = 0; whole && r < COUNT(rules); r++)
            if (!rules[r].used)
                expect_text("a case", rules[r].id);
    }
    print("done %u %u %u %u\n", count.run, count.passed, count.failed, count.skipped);
    return count.failed;
}
