// SPDX-License-Identifier: Apache-2.0
#include "debug/trace_query.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmx/vmx.h"

/* ---- reading conditions ---- */

static bool number(const char **text, uint64_t *out)
{
    char *rest;
    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    *out = strtoull(*text, &rest, 0);
    *text = rest;
    return !errno;
}

bool trace_range_parse(const char *text, struct trace_range *range)
{
    uint64_t last;
    if (!number(&text, &range->first))
        return false;
    range->last = range->first;
    range->given = true;
    if (!*text)
        return true;
    char kind = *text++;
    if ((kind != '-' && kind != '+') || !number(&text, &last) || *text)
        return false;
    range->last = kind == '-' ? last : range->first + last - 1;
    return range->last >= range->first;
}

static bool is_word(const char *word, size_t n, const char *name)
{
    return strlen(name) == n && !memcmp(word, name, n);
}

/* The kinds that a name stands for: one kind, or those of a class. */
static uint32_t kinds_of(const char *word, size_t n)
{
    uint32_t kinds = 0;
    for (unsigned k = 0; k < TRACE_KINDS; k++)
        if (is_word(word, n, trace_kinds[k].name))
            return 1u << k;
    for (unsigned c = 0; c < TRACE_CLASSES; c++)
        for (unsigned k = 0; k < TRACE_KINDS && is_word(word, n, trace_class_name(c)); k++)
            if (trace_kinds[k].class_bit == 1u << c)
                kinds |= 1u << k;
    return kinds;
}

bool trace_kinds_parse(const char *text, uint32_t *kinds)
{
    for (*kinds = 0;; text++) {
        size_t n = strcspn(text, ",");
        uint32_t found = kinds_of(text, n);
        if (!found)
            return false;
        *kinds |= found;
        text += n;
        if (!*text)
            return true;
    }
}

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (toupper((unsigned char)*a) != *b && !(strchr(" -", *a) && *b == '_'))
            return false;
    return *a == *b;
}

bool trace_exit_parse(const char *text, struct trace_range *range)
{
    if (trace_range_parse(text, range))
        return true;
    for (uint32_t reason = 0; reason < EXIT_REASONS; reason++)
        if (same_name(text, trace_exit_name(reason))) {
            *range = (struct trace_range){ reason, reason, true };
            return true;
        }
    return false;
}

unsigned trace_world_parse(const char *text)
{
    for (unsigned k = 0; k <= TRACE_NONROOT; k++)
        if (!strcmp(text, trace_world_names[k]))
            return 1u << k;
    return 0;
}

/* ---- finding ---- */

static bool inside(const struct trace_range *range, uint64_t value)
{
    return value >= range->first && value <= range->last;
}

/* Whether a code address of the event satisfies `test`. */
static bool
any_code(const struct trace_query *q, const struct trace_text *t, const struct trace_event *event,
         bool (*test)(const struct trace_query *q, const struct trace_text *t, uint64_t address))
{
    const struct trace_kind_row *row = &trace_kinds[event->kind];
    if (event->kind == TRACE_EVENT_INSN)
        return test(q, t, event->insn.address);
    for (unsigned k = 0; k < row->fields; k++)
        if (trace_field_is_code(row->field[k]) && test(q, t, event->field[k]))
            return true;
    return false;
}

static bool at_address(const struct trace_query *q, const struct trace_text *t, uint64_t address)
{
    return inside(&q->address, address);
}

static bool at_symbol(const struct trace_query *q, const struct trace_text *t, uint64_t address)
{
    uint64_t distance;
    const char *name = trace_symbol(t, address, &distance);
    return name && !strcmp(name, q->symbol);
}

static bool touches(const struct trace_query *q, const struct trace_insn *i)
{
    for (unsigned k = 0; k < i->accesses_n; k++) {
        const struct trace_access *a = &i->accesses[k];
        if ((a->write || !q->writes) && a->size && a->linear <= q->memory.last &&
            a->linear + (a->size - 1) >= q->memory.first)
            return true;
    }
    return false;
}

static bool writes_register(const struct trace_query *q, const struct trace_text *t,
                            const struct trace_insn *i)
{
    for (unsigned k = 0; k < i->registers_n; k++) {
        const struct trace_register *r = &i->registers[k];
        if (!strcasecmp(t->header->registers[r->id].name, q->reg) &&
            (!q->reg_value || (r->value[0] == q->value && !r->value[1])))
            return true;
    }
    return false;
}

bool trace_query_matches(const struct trace_query *q, const struct trace_text *t,
                         const struct trace_event *event)
{
    bool insn = event->kind == TRACE_EVENT_INSN;
    if (q->cpu >= 0 && event->cpu != (uint32_t)q->cpu)
        return false;
    if (q->kinds && !(q->kinds >> event->kind & 1))
        return false;
    if (q->exit.given &&
        !(event->kind == TRACE_EVENT_VM_EXIT && inside(&q->exit, event->vm_exit.reason & 0xffff)))
        return false;
    if (q->worlds && insn && !(q->worlds >> event->insn.world & 1))
        return false;
    if (q->memory.given && !(insn && touches(q, &event->insn)))
        return false;
    if (*q->reg && !(insn && writes_register(q, t, &event->insn)))
        return false;
    if (q->address.given && !any_code(q, t, event, at_address))
        return false;
    return !q->symbol || any_code(q, t, event, at_symbol);
}
