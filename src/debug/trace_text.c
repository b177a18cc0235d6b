// SPDX-License-Identifier: Apache-2.0
#include "debug/trace_text.h"

#include <string.h>

static const char world_letter[] = {
    [TRACE_NO_VMX] = '-', [TRACE_ROOT] = 'r', [TRACE_NONROOT] = 'n'
};
static const char *const status_text[] = {
    [TRACE_RETIRED] = "",
    [TRACE_PARTIAL] = " (goes on)",
    [TRACE_FAULTED] = " (faults)",
    [TRACE_EXITED] = " (exits)",
    [TRACE_DELIVERED] = " (between instructions)",
    [TRACE_SYNC] = "",
};

static void put_symbol(const struct trace_text *t, uint64_t address, struct bytes *b)
{
    uint64_t distance;
    const char *name = trace_symbol(t, address, &distance);
    if (!name)
        return;
    text_put(b, " <");
    text_put(b, name);
    if (distance) {
        text_put(b, "+0x");
        text_hex(b, distance, 1);
    }
    text_put(b, ">");
}

static void put_head(const struct trace_text *t, const struct trace_event *event, struct bytes *b)
{
    if (t->times) {
        text_number(b, event->time);
        text_put(b, " ");
    }
    text_number(b, event->cpu);
    text_put(b, " ");
}

/* ---- instructions ---- */

static void put_mode(const struct trace_insn *i, struct bytes *b)
{
    char rest[2] = { world_letter[i->world], (char)('0' + (i->cpl & 3)) };
    text_number(b, i->bits);
    bytes_put(b, rest, 2);
    text_put(b, " ");
}

static void put_register_value(uint64_t low, uint64_t high, struct bytes *b)
{
    text_put(b, "0x");
    if (high)
        text_hex(b, high, 1);
    text_hex(b, low, high ? 16 : 1);
}

static void put_registers(const struct trace_text *t, const struct trace_insn *i, struct bytes *b)
{
    for (unsigned k = 0; k < i->registers_n; k++) {
        const struct trace_register *r = &i->registers[k];
        text_put(b, " ");
        text_put(b, t->header->registers[r->id].name);
        text_put(b, "=");
        put_register_value(r->value[0], r->value[1], b);
    }
}

static void put_accesses(const struct trace_text *t, const struct trace_insn *i, struct bytes *b)
{
    for (unsigned k = 0; k < i->accesses_n; k++) {
        const struct trace_access *a = &i->accesses[k];
        text_put(b, a->system ? " s" : " ");
        text_put(b, a->write ? "w" : "r");
        text_number(b, a->size);
        text_put(b, "[0x");
        text_hex(b, a->linear, 1);
        if (t->physical) {
            text_put(b, " phys 0x");
            text_hex(b, a->physical, 1);
        }
        text_put(b, "]=");
        text_value(b, a->bytes, a->size);
    }
}

static void put_insn(const struct trace_text *t, const struct trace_insn *i, struct bytes *b)
{
    enum { BYTES_COLUMN = 14 }; /* digits: most instructions are not longer */
    put_mode(i, b);
    text_hex(b, i->address, 16);
    if (i->bits == 128) {
        text_put(b, ".");
        text_number(b, i->slot);
    }
    text_put(b, " ");
    text_byte_string(b, i->bytes, i->length);
    for (unsigned k = 2u * i->length; k < BYTES_COLUMN; k++)
        text_put(b, " ");
    text_put(b, " ");
    if (i->length)
        trace_put_disasm(t, i, b);
    else
        text_put(b, "-");
    put_symbol(t, i->address, b);
    put_registers(t, i, b);
    put_accesses(t, i, b);
    text_put(b, status_text[i->status]);
}

/* ---- other events ---- */

/* VM entries and exits have many fields, and of these most are 0. */
static bool is_long(const struct trace_event *event)
{
    return event->kind == TRACE_EVENT_VM_ENTRY || event->kind == TRACE_EVENT_VM_EXIT;
}

static void put_field(const struct trace_text *t, const struct trace_event *event, unsigned n,
                      struct bytes *b)
{
    const char *name = trace_kinds[event->kind].field[n];
    uint64_t value = event->field[n];
    const char *word = trace_field_word(event, name, value);
    if (!value && !word && is_long(event))
        return;
    text_put(b, " ");
    text_put(b, name);
    text_put(b, "=0x");
    text_hex(b, value, 1);
    if (word) {
        text_put(b, "(");
        text_put(b, word);
        text_put(b, ")");
    }
    if (trace_field_is_code(name))
        put_symbol(t, value, b);
}

void trace_text_event(const struct trace_text *t, const struct trace_event *event, struct bytes *b)
{
    put_head(t, event, b);
    if (event->kind == TRACE_EVENT_INSN) {
        put_insn(t, &event->insn, b);
    } else {
        text_put(b, trace_kinds[event->kind].name);
        for (unsigned n = 0; n < trace_kinds[event->kind].fields; n++)
            put_field(t, event, n, b);
    }
    text_put(b, "\n");
}
