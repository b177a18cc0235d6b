// SPDX-License-Identifier: Apache-2.0
// VMCS dumps as KVM and Xen print them.  The templates of dump_lines.def are looked for at every
// word, so that time stamps, "kvm_intel: ", "(XEN) ", quotation marks and lines wrapped by mail
// programs do not matter.
#define _GNU_SOURCE /* memmem() */
#include <ctype.h>
#include <string.h>

#include "debug/dump.h"

enum section { G = 1, H = 2, C = 4 };
enum { VALUES_MAX = 4 };

static const struct line {
    unsigned sections;
    const char *template, *fields;
} lines[] = {
#define LINE(sections, template, fields) { sections, template, fields },
#include "debug/dump_lines.def"
};

static const struct {
    const char *text;
    enum section section;
} headers[] = {
    { "*** Guest State ***", G },
    { "*** Host State ***", H },
    { "*** Control State ***", C },
};

/* ---- matching ---- */

static bool is_space(const struct dump_reader *r, size_t at)
{
    return at < r->size && isspace((unsigned char)r->text[at]);
}
static bool is_word(const struct dump_reader *r, size_t at)
{
    return at < r->size && (isalnum((unsigned char)r->text[at]) || r->text[at] == '_');
}

/* Past white space; in a new line also past the marks of quotation and of Xen's console. */
static size_t skip_space(const struct dump_reader *r, size_t at)
{
    static const char mark[] = "(XEN)";
    while (is_space(r, at)) {
        bool wraps = r->text[at++] == '\n';
        while (wraps && at < r->size && r->text[at] == '>')
            at++;
        if (wraps && r->size - at >= strlen(mark) && !memcmp(r->text + at, mark, strlen(mark)))
            at += strlen(mark);
    }
    return at;
}

/* A number of at least `least` digits.  Returns the offset after it, 0 if there is none, or only a
 * part of one. */
static size_t read_number(const struct dump_reader *r, size_t at, unsigned least, unsigned base,
                          uint64_t *out)
{
    unsigned digits = 0;
    if (base == 16 && r->size - at > 2 && r->text[at] == '0' && r->text[at + 1] == 'x')
        at += 2;
    *out = 0;
    for (; is_word(r, at) && digits <= 16; at++, digits++) {
        int c = tolower((unsigned char)r->text[at]);
        if (!(base == 16 ? isxdigit(c) : isdigit(c)))
            return 0;
        *out = *out * base + (unsigned)(isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    return digits >= least && digits && digits <= 16 ? at : 0;
}

/* Matches as much of the template as is there.  Returns the offset after the last value, 0 if there
 * is not even one. */
static size_t match(const struct dump_reader *r, size_t at, const char *t, uint64_t *values,
                    unsigned *count)
{
    size_t after = 0;
    bool whole = *t == '!';
    *count = 0;
    for (t += whole; *t; t++) {
        size_t from = at;
        if (*t == '%' || *t == '#') {
            unsigned least = 0, base = *t == '%' ? 16 : 10;
            for (; base == 16 && isdigit((unsigned char)t[1]); t++)
                least = 10 * least + (unsigned)(t[1] - '0');
            after = at = *count < VALUES_MAX && at < r->size
                             ? read_number(r, at, least, base, &values[*count])
                             : 0;
            if (!at)
                break;
            ++*count;
        } else if (*t == ' ' || *t == '~') {
            at = skip_space(r, at);
            if (*t == ' ' && at == from)
                break;
        } else if (at >= r->size || r->text[at++] != *t) {
            break;
        }
    }
    return whole && *t ? 0 : after;
}

/* ---- a dump ---- */

/* Sets the fields of one line.  `names` is a list separated by spaces. */
static bool set_fields(struct dump_reader *r, struct vmcs_dump *dump, size_t at, const char *names,
                       const uint64_t *values, unsigned count, struct sp_error *e)
{
    for (unsigned k = 0; k < count && *names; k++) {
        char name[64];
        size_t n = strcspn(names, " ");
        memcpy(name, names, n);
        name[n] = 0;
        names += n + strspn(names + n, " ");
        int f = dump_field(name);
        if (f >= 0 && !dump_set(dump, (enum vmcs_field)f, values[k]))
            return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: line %u: %#llx does not fit %s", r->name,
                           dump_line(r, at), (unsigned long long)values[k], name);
    }
    return true;
}

static enum section header_at(const struct dump_reader *r, size_t at)
{
    for (size_t k = 0; k < ARRAY_SIZE(headers); k++) {
        size_t n = strlen(headers[k].text);
        if (r->size - at >= n && !memcmp(r->text + at, headers[k].text, n))
            return headers[k].section;
    }
    return 0;
}

/* Takes the line that begins at `at`, if one does; returns the offset to go on from, 0 on error. */
static size_t take_line(struct dump_reader *r, struct vmcs_dump *dump, enum section section,
                        size_t at, struct sp_error *e)
{
    uint64_t values[VALUES_MAX];
    unsigned count;
    for (size_t k = 0; k < ARRAY_SIZE(lines); k++) {
        const struct line *l = &lines[k];
        char first = l->template[*l->template == '!'];
        if (!(l->sections & section) || r->text[at] != first)
            continue;
        size_t after = match(r, at, l->template, values, &count);
        if (after)
            return set_fields(r, dump, at, l->fields, values, count, e) ? after : 0;
    }
    return at + 1;
}

static bool has_fields(const struct vmcs_dump *dump)
{
    return memchr(dump->known, true, sizeof dump->known) != NULL;
}

/* A header that does not come after the one before begins the next dump.  What stands before the
 * first header is guest state if that header is the host's, and can be anything if it is another.
 */
bool dump_next_text(struct dump_reader *r, struct vmcs_dump *dump, struct sp_error *e)
{
    enum section section = G;
    bool headed = false;
    size_t start = r->at;
    dump->line = dump_line(r, r->at);
    while (r->at < r->size) {
        if (r->at && is_word(r, r->at - 1) && is_word(r, r->at)) {
            r->at++;
            continue;
        }
        enum section header = header_at(r, r->at);
        if (header && (headed ? header <= section : header != H)) {
            if (headed && has_fields(dump))
                break;
            *dump = (struct vmcs_dump){ .line = dump_line(r, r->at) };
            start = r->at;
        }
        if (header) {
            section = header;
            headed = true;
            r->at += strlen(headers[0].text) - 1;
            continue;
        }
        size_t next = take_line(r, dump, section, r->at, e);
        if (!next)
            return false;
        r->at = next;
    }
    dump->form = memmem(r->text + start, r->at - start, "(XEN)", 5) ? DUMP_XEN : DUMP_KVM;
    return headed && has_fields(dump);
}
