// SPDX-License-Identifier: Apache-2.0
// Reports as text: TAP 13 (testanything.org) and JUnit XML.
#include <stdlib.h>
#include <string.h>

#include "cli/conform.h"

/* ---- TAP ---- */

/* A YAML scalar in double quotes. */
static void tap_value(FILE *out, const char *key, const char *value)
{
    fprintf(out, "  %s: \"", key);
    for (; *value; value++)
        if (*value == '"' || *value == '\\')
            fprintf(out, "\\%c", *value);
        else
            fputc((unsigned char)*value < ' ' ? ' ' : *value, out);
    fprintf(out, "\"\n");
}

static void tap_details(FILE *out, const char *name, const struct conform_outcome *o)
{
    const struct conform_rule *rule = conform_rule(name);
    fprintf(out, "  ---\n");
    if (o->expected)
        tap_value(out, "expected", o->expected);
    tap_value(out, o->status == CONFORM_DIED ? "died" : "observed", o->observed ? o->observed : "");
    if (rule) {
        tap_value(out, "rule", rule->sentence);
        tap_value(out, "section", rule->title);
    }
    fprintf(out, "  ...\n");
}

static void tap_case(FILE *out, size_t number, const char *column, const char *name,
                     const struct conform_outcome *o)
{
    bool fails = o->status == CONFORM_FAILED || o->status == CONFORM_DIED;
    fprintf(out, "%s %zu - %s%s%s", fails ? "not ok" : "ok", number, column, *column ? ": " : "",
            name);
    if (o->status == CONFORM_SKIPPED)
        fprintf(out, " # SKIP %s", o->observed ? o->observed : "");
    fprintf(out, "\n");
    if (fails)
        tap_details(out, name, o);
}

void conform_write_tap(FILE *out, const struct conform_report *r)
{
    size_t number = 0;
    fprintf(out, "TAP version 13\n1..%zu\n",
            r->count * r->column_count - conform_total(r, CONFORM_NOT_RUN));
    for (size_t c = 0; c < r->column_count; c++) {
        const struct conform_column *column = &r->columns[c];
        for (size_t k = 0; k < r->count; k++)
            if (column->outcome[k].status)
                tap_case(out, ++number, r->column_count > 1 ? column->name : "", r->cases[k].name,
                         &column->outcome[k]);
    }
}

/* ---- JUnit ---- */

static void xml_text(FILE *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc((unsigned char)*text < ' ' || *text & 0x80 ? '?' : *text, out);
        }
}

static void xml_attribute(FILE *out, const char *name, const char *value)
{
    fprintf(out, " %s=\"", name);
    xml_text(out, value);
    fputc('"', out);
}

static void junit_failure(FILE *out, const char *name, const struct conform_outcome *o)
{
    const struct conform_rule *rule = conform_rule(name);
    const char *kind = o->status == CONFORM_DIED ? "error" : "failure";
    fprintf(out, "      <%s type=\"%s\"", kind, conform_status_name(o->status));
    xml_attribute(out, "message", o->observed ? o->observed : "");
    fprintf(out, ">");
    if (o->expected) {
        fprintf(out, "expected: ");
        xml_text(out, o->expected);
        fprintf(out, "\n");
    }
    if (rule) {
        xml_text(out, rule->sentence);
        fprintf(out, "\nSDM, ");
        xml_text(out, rule->title);
    }
    fprintf(out, "</%s>\n", kind);
}

static void junit_case(FILE *out, const char *name, const struct conform_outcome *o)
{
    char area[64];
    snprintf(area, sizeof area, "%.*s", (int)conform_area_length(name), name);
    fprintf(out, "    <testcase");
    xml_attribute(out, "classname", area);
    xml_attribute(out, "name", name);
    if (o->status == CONFORM_PASSED) {
        fprintf(out, "/>\n");
        return;
    }
    fprintf(out, ">\n");
    if (o->status == CONFORM_SKIPPED) {
        fprintf(out, "      <skipped");
        xml_attribute(out, "message", o->observed ? o->observed : "");
        fprintf(out, "/>\n");
    } else {
        junit_failure(out, name, o);
    }
    fprintf(out, "    </testcase>\n");
}

static void junit_suite(FILE *out, const struct conform_report *r, const struct conform_column *c)
{
    size_t total[CONFORM_STATUSES] = { 0 };
    for (size_t k = 0; k < r->count; k++)
        total[c->outcome[k].status]++;
    fprintf(out, "  <testsuite");
    xml_attribute(out, "name", c->name);
    fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.3f\">\n",
            r->count - total[CONFORM_NOT_RUN], total[CONFORM_FAILED], total[CONFORM_DIED],
            total[CONFORM_SKIPPED], c->seconds);
    fprintf(out, "    <properties>\n");
    for (size_t k = 0; k < c->fact_count; k++) {
        fprintf(out, "      <property");
        xml_attribute(out, "name", c->facts[k].key);
        xml_attribute(out, "value", c->facts[k].value);
        fprintf(out, "/>\n");
    }
    fprintf(out, "    </properties>\n");
    for (size_t k = 0; k < r->count; k++)
        if (c->outcome[k].status)
            junit_case(out, r->cases[k].name, &c->outcome[k]);
    fprintf(out, "  </testsuite>\n");
}

void conform_write_junit(FILE *out, const struct conform_report *r)
{
    fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"conform\">\n");
    for (size_t c = 0; c < r->column_count; c++)
        junit_suite(out, r, &r->columns[c]);
    fprintf(out, "</testsuites>\n");
}
