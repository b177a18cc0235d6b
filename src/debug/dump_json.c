// SPDX-License-Identifier: Apache-2.0
// VMCS dumps in JSON: an object, or a list of objects, with the members
//   "cpu"      a -cpu text
//   "fields"   { "GUEST_CR0": "0x80000031", "0x6804": 8192, ... }
//   "msrs"     { "IA32_VMX_BASIC": "0x...", "0x481": "0x...", ... }
//   "outside"  { "ia32e_mode": true, "vmcs_pointer": "0x...", "vtpr": 0, "link_revision": ...,
//                "pdpte0": ... "pdpte3": ... }
//   "about", "decoded"   what people read: ignored
// Values are hexadecimal text or numbers; null is the same as nothing.
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "debug/dump.h"

/* What every step needs for its messages. */
struct place {
    const struct dump_reader *reader;
    const char *member;
    struct sp_error *error;
};

static bool complain(const struct place *p, const char *what, const char *key)
{
    return sp_fail(p->error, SP_EXIT_BAD_IMAGE, "%s: dump %zu, \"%s\": %.80s: %s", p->reader->name,
                   p->reader->found + 1, p->member, key, what);
}

static bool number(const struct place *p, const char *key, const json_t *value, uint64_t *out)
{
    if (json_is_boolean(value)) {
        *out = json_is_true(value);
        return true;
    }
    if (json_is_integer(value)) {
        *out = (uint64_t)json_integer_value(value);
        return json_integer_value(value) >= 0 || complain(p, "the value is negative", key);
    }
    const char *text = json_string_value(value);
    char *end = NULL;
    errno = 0;
    *out = text ? strtoull(text, &end, 16) : 0;
    if (!text || !*text || *end || errno || !strchr("0123456789abcdefABCDEF", *text))
        return complain(p, "the value is not a hexadecimal text or a number", key);
    return true;
}

static bool set_field(const struct place *p, struct vmcs_dump *dump, const char *key, uint64_t v)
{
    int f = dump_field(key);
    if (f < 0)
        return complain(p, "no such field", key);
    if (dump->known[f])
        return complain(p, "a field that was there before", key);
    return dump_set(dump, (enum vmcs_field)f, v) || complain(p, "the value does not fit it", key);
}
static bool set_msr(const struct place *p, struct vmcs_dump *dump, const char *key, uint64_t v)
{
    int k = dump_capability(key);
    if (k < 0)
        return complain(p, "not a capability MSR", key);
    dump->caps.known[k] = true;
    dump->caps.value[k] = v;
    return true;
}
static bool set_outside(const struct place *p, struct vmcs_dump *dump, const char *key, uint64_t v)
{
    for (unsigned o = 0; o < OUTSIDE_COUNT; o++)
        if (!strcmp(outside_name(o), key)) {
            dump->outside_known[o] = true;
            dump->outside[o] = v;
            return true;
        }
    return complain(p, "no such member", key);
}

static bool each(struct place *p, struct vmcs_dump *dump, json_t *object, const char *member,
                 bool (*set)(const struct place *, struct vmcs_dump *, const char *, uint64_t))
{
    json_t *values = json_object_get(object, member), *value;
    const char *key;
    uint64_t v;
    p->member = member;
    if (values && !json_is_object(values))
        return complain(p, "expected an object", member);
    json_object_foreach(
        values, key, value) if (!json_is_null(value) &&
                                !(number(p, key, value, &v) && set(p, dump, key, v))) return false;
    return true;
}

static bool read_members(struct place *p, struct vmcs_dump *dump, json_t *object)
{
    static const char *const members[] = { "cpu",     "fields", "msrs",
                                           "outside", "about",  "decoded" };
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        bool known = false;
        for (size_t k = 0; k < ARRAY_SIZE(members); k++)
            known |= !strcmp(members[k], key);
        p->member = "dump";
        if (!known)
            return complain(p, "no such member", key);
    }
    const json_t *cpu = json_object_get(object, "cpu");
    const char *text = json_string_value(cpu);
    if (cpu && (!text || strlen(text) >= sizeof dump->cpu))
        return complain(p, "expected a short text", "cpu");
    strcpy(dump->cpu, text ? text : "");
    return each(p, dump, object, "fields", set_field) && each(p, dump, object, "msrs", set_msr) &&
           each(p, dump, object, "outside", set_outside);
}

bool dump_next_json(struct dump_reader *r, struct vmcs_dump *dump, struct sp_error *e)
{
    struct place p = { r, "dump", e };
    json_t *object = json_is_array(r->root) ? json_array_get(r->root, r->next) : r->root;
    if (!object || (object == r->root && r->next))
        return false;
    r->next++;
    dump->form = DUMP_JSON;
    dump->line = 1;
    if (!json_is_object(object))
        return complain(&p, "expected an object", "dump");
    if (!read_members(&p, dump, object))
        return false;
    if (!memchr(dump->known, true, sizeof dump->known))
        return complain(&p, "holds no field", "fields");
    return true;
}
