// SPDX-License-Identifier: Apache-2.0
// Events as lines of JSON.
#include <string.h>

#include "debug/trace_text.h"

static const char *const statuses[] = {
    [TRACE_RETIRED] = "retired", [TRACE_PARTIAL] = "partial",   [TRACE_FAULTED] = "faulted",
    [TRACE_EXITED] = "exited",   [TRACE_DELIVERED] = "between", [TRACE_SYNC] = "",
};

static void put_key(struct bytes *b, const char *name)
{
    text_put(b, ",\"");
    text_put(b, name);
    text_put(b, "\":");
}

static void put_number(struct bytes *b, const char *name, uint64_t value)
{
    put_key(b, name);
    text_number(b, value);
}

static void put_hex(struct bytes *b, const char *name, uint64_t value)
{
    put_key(b, name);
    text_put(b, "\"0x");
    text_hex(b, value, 1);
    text_put(b, "\"");
}

static void put_string(struct bytes *b, const char *name, const char *text)
{
    put_key(b, name);
    text_json_string(b, text);
}

static void put_symbol(const struct trace_text *t, uint64_t address, struct bytes *b)
{
    uint64_t distance;
    const char *name = trace_symbol(t, address, &distance);
    if (!name)
        return;
    put_string(b, "symbol", name);
    put_number(b, "offset", distance);
}

static void put_registers(const struct trace_text *t, const struct trace_insn *i, struct bytes *b)
{
    text_put(b, ",\"registers\":{");
    for (unsigned k = 0; k < i->registers_n; k++) {
        const struct trace_register *r = &i->registers[k];
        text_put(b, k ? "," : "");
        text_json_string(b, t->header->registers[r->id].name);
        text_put(b, ":\"0x");
        if (r->value[1])
            text_hex(b, r->value[1], 1);
        text_hex(b, r->value[0], r->value[1] ? 16 : 1);
        text_put(b, "\"");
    }
    text_put(b, "}");
}

static void put_accesses(const struct trace_insn *i, struct bytes *b)
{
    text_put(b, ",\"memory\":[");
    for (unsigned k = 0; k < i->accesses_n; k++) {
        const struct trace_access *a = &i->accesses[k];
        text_put(b, k ? ",{" : "{");
        text_put(b, a->write ? "\"write\":true" : "\"write\":false");
        if (a->system)
            text_put(b, ",\"system\":true");
        put_hex(b, "linear", a->linear);
        put_hex(b, "physical", a->physical);
        put_number(b, "size", a->size);
        text_put(b, ",\"bytes\":\"");
        text_byte_string(b, a->bytes, a->size);
        text_put(b, "\"}");
    }
    text_put(b, "]");
}

static void put_insn(const struct trace_text *t, const struct trace_insn *i, struct bytes *b)
{
    put_hex(b, "address", i->address);
    put_hex(b, "rip", i->rip);
    put_hex(b, "physical", i->physical);
    put_number(b, "bits", i->bits);
    put_number(b, "cpl", i->cpl);
    if (i->bits == 128)
        put_number(b, "slot", i->slot);
    put_string(b, "operation", trace_world_names[i->world]);
    text_put(b, ",\"bytes\":\"");
    text_byte_string(b, i->bytes, i->length);
    text_put(b, "\",\"text\":\"");
    if (i->length)
        trace_put_disasm(t, i, b); /* neither quotes nor backslashes are in it */
    text_put(b, "\"");
    put_symbol(t, i->address, b);
    if (*statuses[i->status])
        put_string(b, "status", statuses[i->status]);
    if (i->registers)
        put_registers(t, i, b);
    if (i->accesses)
        put_accesses(i, b);
}

void trace_json_event(const struct trace_text *t, const struct trace_event *event, struct bytes *b)
{
    const struct trace_kind_row *row = &trace_kinds[event->kind];
    text_put(b, "{\"event\":\"");
    text_put(b, row->name);
    text_put(b, "\"");
    put_number(b, "cpu", event->cpu);
    put_number(b, "time", event->time);
    put_number(b, "index", event->index);
    if (event->kind == TRACE_EVENT_INSN)
        put_insn(t, &event->insn, b);
    for (unsigned n = 0; n < row->fields; n++) {
        const char *word = trace_field_word(event, row->field[n], event->field[n]);
        put_hex(b, row->field[n], event->field[n]);
        if (word) {
            text_put(b, ",\"");
            text_put(b, row->field[n]);
            text_put(b, "_name\":");
            text_json_string(b, word);
        }
    }
    text_put(b, "}\n");
}
