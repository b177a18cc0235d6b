// SPDX-License-Identifier: Apache-2.0
#include "debug/explain_json.h"

#include <inttypes.h>

#include "cpu/cpu.h"
#include "vmx/vmx.h"

/* Numbers are text: JSON's own lose bits above 2^53 in many readers. */
static json_t *hex(uint64_t v) { return json_sprintf("0x%" PRIx64, v); }

json_t *explain_text_json(const char *text)
{
    char ascii[256];
    size_t n = 0;
    json_t *o = json_string(text);
    if (o)
        return o;
    for (; text[n] && n + 1 < sizeof ascii; n++)
        ascii[n] = (unsigned char)text[n] < 0x80 ? text[n] : '?';
    ascii[n] = 0;
    return json_string(ascii);
}

static json_t *field_json(const struct broken_check *b, unsigned n)
{
    const struct vmcs_field_row *row = &vmcs_fields[b->check->field[n]];
    json_t *o = json_pack("{s:s, s:o}", "name", row->name, "encoding", hex(row->encoding));
    json_object_set_new(o, "value", b->unknown >> n & 1 ? json_null() : hex(b->value[n]));
    return o;
}

json_t *explain_check_json(const struct broken_check *b, bool first)
{
    json_t *fields = json_array();
    for (unsigned n = 0; n < b->check->fields; n++)
        json_array_append_new(fields, field_json(b, n));
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:b, s:o}", "id", b->check->id, "section",
                          b->section->number, "title", b->section->title, "sentence",
                          b->check->sentence, "first", first, "fields", fields);
    if (b->check->bits)
        json_object_set_new(o, "required",
                            json_pack("{s:o, s:o}", "ones", hex(b->required.ones), "zeros",
                                      hex(b->required.zeros)));
    return o;
}

void explain_json_line(FILE *out, json_t *object)
{
    if (object && !json_dumpf(object, out, JSON_COMPACT))
        fputs("\n", out);
    json_decref(object);
}

static const char *outcome(enum entry_failure_kind kind)
{
    return kind == ENTRY_FAIL_GUEST || kind == ENTRY_FAIL_MSR ? "VM exit" : "VMfail";
}

void explain_entry_failure_json(FILE *out, struct cpu *c, const struct entry_failure *f,
                                const struct symbols *symbols)
{
    char where[256];
    json_t *broken = json_array();
    for (unsigned n = 0; n < f->broken_count && n < BROKEN_MAX; n++)
        json_array_append_new(broken, explain_check_json(&f->broken[n], n == f->first));
    json_t *o = json_pack("{s:s, s:i, s:s, s:o, s:o, s:s, s:i, s:i, s:o}", "event",
                          "vm_entry_failure", "cpu", (int)c->index, "instruction",
                          f->resume ? "VMRESUME" : "VMLAUNCH", "rip", hex(f->rip), "where",
                          explain_text_json(symbols_print(symbols, f->rip, where, sizeof where)),
                          "outcome", outcome(f->kind), "error", (int)f->error, "broken_count",
                          (int)f->broken_count, "broken", broken);
    if (f->kind == ENTRY_FAIL_GUEST || f->kind == ENTRY_FAIL_MSR)
        json_object_set_new(o, "qualification", json_integer((json_int_t)f->qualification));
    else
        json_object_set_new(o, "text", json_string(vmx_error_text(f->error)));
    if (f->kind == ENTRY_FAIL_MSR) {
        json_object_set_new(o, "msr", hex(f->msr_index));
        json_object_set_new(o, "msr_value", hex(f->msr_value));
    }
    explain_json_line(out, o);
}

void explain_triple_fault_json(FILE *out, const struct explain_log *log, struct cpu *c,
                               const struct symbols *symbols)
{
    char what[96], where[256], code[96];
    json_t *events = json_array();
    for (uint64_t k = log->count > 3 ? log->count - 3 : 0; k < log->count; k++) {
        const struct explain_event *n = &log->last[k % EXPLAIN_EVENTS];
        disasm_print(&n->code, n->rip, code, sizeof code);
        json_array_append_new(
            events,
            json_pack("{s:s, s:o, s:o, s:s, s:o, s:b}", "exception",
                      explain_exception(&n->event, what, sizeof what), "rip", hex(n->rip), "where",
                      explain_text_json(symbols_print(symbols, n->rip, where, sizeof where)),
                      "instruction", code, "rsp", hex(n->rsp), "guest", (int)n->guest));
    }
    json_t *o = json_pack("{s:s, s:i, s:o}", "event", "triple_fault", "cpu", (int)c->index,
                          "exceptions", events);
    const struct {
        const char *name;
        uint64_t value;
    } registers[] = {
        { "idt_base", c->idtr.base },
        { "idt_limit", c->idtr.limit },
        { "gdt_base", c->gdtr.base },
        { "gdt_limit", c->gdtr.limit },
        { "cr0", c->cr0 },
        { "cr2", c->cr2 },
        { "cr3", c->cr3 },
        { "cr4", c->cr4 },
    };
    for (size_t k = 0; k < ARRAY_SIZE(registers); k++)
        json_object_set_new(o, registers[k].name, hex(registers[k].value));
    explain_json_line(out, o);
}
