// SPDX-License-Identifier: Apache-2.0
// What the readers of VMCS dumps share.
#define _GNU_SOURCE /* memmem() */
#include "debug/dump.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmx/vmx.h"

const char *outside_name(enum outside o)
{
    static const char *const names[OUTSIDE_COUNT] = {
        "ia32e_mode", "vmcs_pointer", "vtpr",   "link_revision",
        "pdpte0",     "pdpte1",       "pdpte2", "pdpte3",
    };
    return names[o];
}

/* ---- names ---- */

static bool hexadecimal(const char *s, uint64_t *out)
{
    char *end;
    size_t digits = strspn(s[0] == '0' && tolower((unsigned char)s[1]) == 'x' ? s + 2 : s,
                           "0123456789abcdefABCDEF");
    *out = strtoull(s, &end, 16);
    return digits && digits <= 16 && !*end;
}

int dump_field(const char *name)
{
    uint64_t encoding;
    bool high;
    for (int f = 0; f < VMCS_FIELD_COUNT; f++)
        if (!strcasecmp(vmcs_fields[f].name, name))
            return f;
    if (strncasecmp(name, "0x", 2) || !hexadecimal(name, &encoding))
        return -1;
    int f = vmcs_find(encoding, &high);
    return f >= 0 && high ? -1 : f;
}

int dump_capability(const char *name)
{
    uint64_t index;
    for (int k = 0; k < VMX_CAPABILITY_MSRS; k++)
        if (!strcasecmp(vmx_capability_name((unsigned)k), name))
            return k;
    if (!hexadecimal(name, &index) || index < 0x480 || index >= 0x480 + VMX_CAPABILITY_MSRS)
        return -1;
    return (int)(index - 0x480);
}

bool dump_set(struct vmcs_dump *dump, enum vmcs_field f, uint64_t value)
{
    if (value & ~size_mask(vmcs_width(vmcs_fields[f].encoding)))
        return false;
    if (!dump->known[f])
        dump->v.f[f] = value;
    dump->known[f] = true;
    return true;
}

unsigned dump_line(struct dump_reader *r, size_t at)
{
    for (; r->counted < at && r->counted < r->size; r->counted++)
        r->newlines += r->text[r->counted] == '\n';
    return r->newlines + 1;
}

/* ---- files ---- */

static bool open_json(struct dump_reader *r, struct sp_error *e)
{
    json_error_t error;
    r->root = json_loadb(r->text, r->size, JSON_REJECT_DUPLICATES, &error);
    if (!r->root)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: line %d: %s", r->name, error.line, error.text);
    if (json_is_object(r->root) || json_is_array(r->root))
        return true;
    dump_close(r);
    return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: line 1: expected a JSON object", r->name);
}

bool dump_open(struct dump_reader *r, const char *name, const char *text, size_t size,
               struct sp_error *e)
{
    static const char *const headers[] = { "*** Guest State ***", "*** Host State ***",
                                           "*** Control State ***" };
    size_t at = 0;
    *r = (struct dump_reader){ .name = name, .text = text, .size = size };
    while (at < size && isspace((unsigned char)text[at]))
        at++;
    /* "[" may also begin a line of dmesg. */
    if (at < size && (text[at] == '{' || (text[at] == '[' && memchr(text + at, '{', size - at))))
        if (!memmem(text, size, headers[0], strlen(headers[0])))
            return open_json(r, e);
    for (size_t k = 0; k < ARRAY_SIZE(headers); k++)
        if (memmem(text, size, headers[k], strlen(headers[k])))
            return true;
    return sp_fail(e, SP_EXIT_BAD_IMAGE,
                   "%s: %zu bytes without a VMCS dump of KVM, of Xen, or in JSON", name, size);
}

/* Two host addresses above 4 GiB are what no software outside IA-32e mode would write. */
static void infer_long_mode(struct vmcs_dump *dump)
{
    static const enum vmcs_field addresses[] = {
        HOST_RIP, HOST_RSP, HOST_GDTR_BASE, HOST_IDTR_BASE, HOST_TR_BASE,
    };
    unsigned wide = 0;
    for (size_t k = 0; k < ARRAY_SIZE(addresses); k++)
        wide += dump->known[addresses[k]] && dump->v.f[addresses[k]] >> 32;
    if (wide < 2 || dump->outside_known[OUTSIDE_LONG_MODE])
        return;
    dump->outside_known[OUTSIDE_LONG_MODE] = true;
    dump->outside[OUTSIDE_LONG_MODE] = 1;
}

bool dump_next(struct dump_reader *r, struct vmcs_dump *dump, struct sp_error *e)
{
    e->code = 0;
    *dump = (struct vmcs_dump){ 0 };
    if (r->root ? dump_next_json(r, dump, e) : dump_next_text(r, dump, e)) {
        infer_long_mode(dump);
        return r->found++ < DUMPS_MAX ||
               sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: holds more than %u dumps", r->name, DUMPS_MAX);
    }
    if (!e->code && !r->found)
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: line 1: a VMCS dump without a single field", r->name);
    return false;
}

void dump_close(struct dump_reader *r)
{
    json_decref(r->root);
    r->root = NULL;
}
