// SPDX-License-Identifier: Apache-2.0
// Reports as JSON: written for programs and for `conform merge`, which reads them, and for the
// page.
//   { "format": "silverpool-conform", "version": 1,
//     "rules":    { ID: { "title": ..., "sentence": ... }, ... }      those of the cases
//     "machines": [ { "name": ..., "seconds": ..., "info": { ... },
//                     "cases": [ { "case": ID/VARIANT, "order": N, "status": ...,
//                                  "expected": ..., "observed": ..., "needs": ... } ] } ] }
#define _GNU_SOURCE /* memmem */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conform.h"

static const char format[] = "silverpool-conform";
enum { VERSION = 1 };

/* ---- writing ---- */

static json_t *text(const char *s)
{
    json_t *value = json_string(s);
    return value ? value : json_string("(not UTF-8)");
}

static json_t *case_json(const struct conform_case *k, const struct conform_outcome *o)
{
    json_t *out = json_object();
    json_object_set_new(out, "case", text(k->name));
    json_object_set_new(out, "order", json_integer(k->order));
    json_object_set_new(out, "status", text(conform_status_name(o->status)));
    if (o->expected)
        json_object_set_new(out, "expected", text(o->expected));
    if (o->observed)
        json_object_set_new(out, o->status == CONFORM_SKIPPED ? "needs" : "observed",
                            text(o->observed));
    return out;
}

static json_t *column_json(const struct conform_report *r, const struct conform_column *c)
{
    json_t *out = json_object(), *info = json_object(), *cases = json_array();
    for (size_t k = 0; k < c->fact_count; k++)
        json_object_set_new(info, c->facts[k].key, text(c->facts[k].value));
    for (size_t k = 0; k < r->count; k++)
        if (c->outcome[k].status)
            json_array_append_new(cases, case_json(&r->cases[k], &c->outcome[k]));
    json_object_set_new(out, "name", text(c->name));
    json_object_set_new(out, "seconds", json_real(c->seconds));
    json_object_set_new(out, "info", info);
    json_object_set_new(out, "cases", cases);
    return out;
}

static json_t *rules_json(const struct conform_report *r)
{
    json_t *out = json_object();
    for (size_t k = 0; k < r->count; k++) {
        const struct conform_rule *rule = conform_rule(r->cases[k].name);
        if (!rule || json_object_get(out, rule->id))
            continue;
        json_t *about = json_object();
        json_object_set_new(about, "title", text(rule->title));
        json_object_set_new(about, "sentence", text(rule->sentence));
        json_object_set_new(out, rule->id, about);
    }
    return out;
}

static json_t *report_json(const struct conform_report *r)
{
    json_t *out = json_object(), *machines = json_array();
    for (size_t c = 0; c < r->column_count; c++)
        json_array_append_new(machines, column_json(r, &r->columns[c]));
    json_object_set_new(out, "format", text(format));
    json_object_set_new(out, "version", json_integer(VERSION));
    json_object_set_new(out, "rules", rules_json(r));
    json_object_set_new(out, "machines", machines);
    return out;
}

void conform_write_json(FILE *out, const struct conform_report *r)
{
    json_t *report = report_json(r);
    json_dumpf(report, out, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    fputc('\n', out);
    json_decref(report);
}

/* ---- the page ---- */

/* conform.html, put in by conform_data.S; REPORT stands where the report goes. */
extern const char conform_page[], conform_page_end[];

/* "</" would end the script that the report stands in. */
static void write_script_text(FILE *out, const char *json)
{
    for (; *json; json++)
        if (json[0] == '<')
            fputs("\\u003c", out);
        else
            fputc(*json, out);
}

void conform_write_html(FILE *out, const struct conform_report *r)
{
    static const char place[] = "REPORT";
    size_t size = (size_t)(conform_page_end - conform_page);
    const char *at = memmem(conform_page, size, place, strlen(place));
    json_t *report = report_json(r);
    char *json = json_dumps(report, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    fwrite(conform_page, 1, (size_t)(at - conform_page), out);
    write_script_text(out, json ? json : "null");
    at += strlen(place);
    fwrite(at, 1, (size_t)(conform_page_end - at), out);
    free(json);
    json_decref(report);
}

/* ---- reading ---- */

static bool status_of(const char *name, enum conform_status *out)
{
    for (unsigned s = CONFORM_PASSED; name && s < CONFORM_STATUSES; s++)
        if (!strcmp(name, conform_status_name((enum conform_status)s))) {
            *out = (enum conform_status)s;
            return true;
        }
    return false;
}

static struct conform_column *column_named(struct conform_report *r, const char *name)
{
    for (size_t c = 0; c < r->column_count; c++)
        if (!strcmp(r->columns[c].name, name))
            return &r->columns[c];
    return conform_add_column(r, name);
}

static bool read_case(struct conform_report *r, struct conform_column *c, const json_t *in)
{
    enum conform_status status;
    const char *name = json_string_value(json_object_get(in, "case"));
    json_int_t order = json_integer_value(json_object_get(in, "order"));
    const char *observed = json_string_value(json_object_get(in, "observed"));
    if (!name || order < 0 || order > UINT32_MAX ||
        !status_of(json_string_value(json_object_get(in, "status")), &status))
        return false;
    if (status == CONFORM_SKIPPED)
        observed = json_string_value(json_object_get(in, "needs"));
    conform_set(c, conform_find_case(r, name, (unsigned)order), status,
                json_string_value(json_object_get(in, "expected")), observed);
    return true;
}

static bool read_column(struct conform_report *r, const json_t *in)
{
    const char *name = json_string_value(json_object_get(in, "name")), *key;
    json_t *value, *cases = json_object_get(in, "cases");
    size_t k;
    if (!name || !json_is_array(cases))
        return false;
    struct conform_column *c = column_named(r, name);
    c->seconds += json_number_value(json_object_get(in, "seconds"));
    json_object_foreach(json_object_get(in, "info"), key, value) if (json_is_string(value))
        conform_add_fact(c, key, json_string_value(value));
    json_array_foreach(cases, k, value) if (!read_case(r, c, value)) return false;
    return true;
}

bool conform_read_json(struct conform_report *r, const char *file, struct sp_error *e)
{
    json_error_t why;
    json_t *in = json_load_file(file, 0, &why), *machines, *machine;
    size_t k;
    if (!in)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", file, why.text);
    const char *is = json_string_value(json_object_get(in, "format"));
    machines = json_object_get(in, "machines");
    bool ok = is && !strcmp(is, format) && json_is_array(machines) &&
              json_integer_value(json_object_get(in, "version")) == VERSION;
    json_array_foreach(machines, k, machine) ok = ok && read_column(r, machine);
    json_decref(in);
    return ok || sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: not a report of conform --json", file);
}
