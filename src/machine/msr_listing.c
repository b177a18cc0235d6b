// SPDX-License-Identifier: Apache-2.0
#include "machine/msr_listing.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmx/vmx.h"

enum { FIRST_MSR = 0x480, FILE_MAX = 1 << 20, WORD_MAX = 63 };

/* A line, read word by word: letters, digits and "_"; "`" groups digits and is left out. */
struct line {
    const char *at, *end;
    char word[WORD_MAX + 1];
    unsigned words; /* read so far */
};

static bool in_word(char c) { return isalnum((unsigned char)c) || c == '_' || c == '`'; }

static bool next_word(struct line *l)
{
    size_t n = 0;
    while (l->at < l->end && !in_word(*l->at))
        l->at++;
    if (l->at == l->end)
        return false;
    for (; l->at < l->end && in_word(*l->at); l->at++)
        if (n < WORD_MAX && *l->at != '`')
            l->word[n++] = *l->at;
    l->word[n] = 0;
    l->words++;
    return true;
}

/* "0x1f", "1f" or "1fh". */
static bool hexadecimal(const char *s, uint64_t *out)
{
    s += 2 * !strncasecmp(s, "0x", 2);
    size_t digits = strspn(s, "0123456789abcdefABCDEF");
    if (!digits || digits > 16 || (s[digits] && strcasecmp(s + digits, "h")))
        return false;
    *out = strtoull(s, NULL, 16);
    return true;
}

/* The index of the capability MSR that a word names, or -1.  A number without 0x is one only at the
 * start of the line: elsewhere it may be anything. */
static int msr_of(const struct line *l)
{
    const char *name = l->word + 4 * !strncasecmp(l->word, "MSR_", 4);
    uint64_t number;
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        if (!strcasecmp(name, vmx_capability_name(k)))
            return (int)k;
    bool plain = strncasecmp(l->word, "0x", 2);
    if ((plain && l->words > 1) || !hexadecimal(l->word, &number) || number < FIRST_MSR ||
        number >= FIRST_MSR + VMX_CAPABILITY_MSRS)
        return -1;
    return (int)(number - FIRST_MSR);
}

/* The next number, but not the MSR's own, which stands between name and value in some listings. */
static bool find_value(struct line *l, unsigned msr, uint64_t *value)
{
    while (next_word(l))
        if (hexadecimal(l->word, value) && *value != FIRST_MSR + msr)
            return true;
    return false;
}

static bool parse_line(struct vmx_listing *out, struct line *l, unsigned number, const char *file,
                       struct sp_error *e)
{
    int msr = -1;
    uint64_t value;
    while (msr < 0 && next_word(l))
        msr = msr_of(l);
    if (msr < 0 || !find_value(l, (unsigned)msr, &value))
        return true;
    if (out->known[msr] && out->value[msr] != value)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s:%u: %s has another value than before", file,
                       number, vmx_capability_name((unsigned)msr));
    out->known[msr] = true;
    out->value[msr] = value;
    return true;
}

bool msr_listing_parse(struct vmx_listing *out, const char *text, size_t n, const char *file,
                       struct sp_error *e)
{
    bool any = false;
    unsigned number = 0;
    memset(out, 0, sizeof *out);
    for (const char *end = text + n, *next; text < end; text = next) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        struct line l = { .at = text, .end = newline ? newline : end };
        next = newline ? newline + 1 : end;
        if (!parse_line(out, &l, ++number, file, e))
            return false;
    }
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        any |= out->known[k];
    return any || sp_fail(e, SP_EXIT_BAD_IMAGE,
                          "%s: no line gives the value of a VMX capability MSR "
                          "(such as \"0x480: 00da040000000004\")",
                          file);
}

bool msr_listing_read(struct vmx_listing *out, const char *file, struct sp_error *e)
{
    FILE *f = fopen(file, "r");
    char *text = f ? malloc(FILE_MAX) : NULL;
    bool ok = false;
    if (!text) {
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", file, strerror(errno));
    } else {
        size_t n = fread(text, 1, FILE_MAX, f);
        if (ferror(f))
            sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", file, strerror(errno));
        else if (!feof(f) && fgetc(f) != EOF)
            sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: longer than 1 MiB, which no listing of MSRs is",
                    file);
        else
            ok = msr_listing_parse(out, text, n, file, e);
    }
    free(text);
    if (f)
        fclose(f);
    return ok;
}
