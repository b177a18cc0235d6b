// SPDX-License-Identifier: Apache-2.0
// The English report of a failed VM entry.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "vmx/entry.h"
#include "vmx/vmx.h"

struct out { char *buf; size_t size, length; };

__attribute__((format(printf, 2, 3))) static void put(struct out *o, const char *format, ...)
{
    va_list a;
    size_t at = o->length < o->size ? o->length : o->size;
    va_start(a, format);
    int n = vsnprintf(o->buf + at, o->size - at, format, a);
    va_end(a);
    o->length += n > 0 ? (size_t)n : 0;
}

static void put_heading(struct out *o, const struct entry_failure *f)
{
    put(o, "%s failed: ", f->resume ? "VMRESUME" : "VMLAUNCH");
    switch (f->kind) {
    case ENTRY_FAIL_INSTRUCTION:
        put(o, "%s", vmx_error_text(f->error));
        if (f->error)
            put(o, " (VM-instruction error %" PRIu32 ")", f->error);
        else
            put(o, " (VMfailInvalid)");
        break;
    case ENTRY_FAIL_CONTROLS:
    case ENTRY_FAIL_HOST:
        put(o, "%s (VM-instruction error %" PRIu32 ")", vmx_error_text(f->error), f->error);
        break;
    case ENTRY_FAIL_GUEST:
        put(o, "invalid guest state (VM exit, reason %" PRIu32 ", qualification %" PRIu64 ")",
            f->error, f->qualification);
        break;
    case ENTRY_FAIL_MSR:
        put(o, "MSR loading (VM exit, reason %" PRIu32 "): entry %" PRIu64 ", MSR %" PRIX32
            "H, value %" PRIX64 "H", f->error, f->qualification, f->msr_index, f->msr_value);
        break;
    }
    put(o, "\n  at RIP %016" PRIX64 "H\n", f->rip);
}

static void put_required(struct out *o, const struct broken_check *b)
{
    uint64_t missing = b->required.ones & ~b->value[0], extra = b->required.zeros & b->value[0];
    if (missing)
        put(o, "; required: bits %" PRIX64 "H = 1", missing);
    if (extra)
        put(o, "%s bits %" PRIX64 "H = 0", missing ? "," : "; required:", extra);
}

static void put_check(struct out *o, const struct broken_check *b, bool first)
{
    const struct entry_check *k = b->check;
    put(o, "%s %s: SDM vol. 3C, %s \"%s\"\n    %s\n", first ? "->" : "  ", k->id,
        b->section->number, b->section->title, k->sentence);
    for (unsigned n = 0; n < k->fields; n++) {
        const struct vmcs_field_row *row = &vmcs_fields[k->field[n]];
        put(o, "      %s (%04XH)", row->name, row->encoding);
        if (b->unknown >> n & 1)
            put(o, " is not known");
        else
            put(o, " = %0*" PRIX64 "H", 2 * (int)vmcs_width(row->encoding), b->value[n]);
        if (n == 0 && k->bits)
            put_required(o, b);
        put(o, "\n");
    }
}

size_t entry_explain_check(const struct broken_check *b, bool first, char *buf, size_t size)
{
    struct out o = { buf, size, 0 };
    put_check(&o, b, first);
    return o.length;
}

size_t entry_explain(const struct entry_failure *f, char *buf, size_t size)
{
    struct out o = { buf, size, 0 };
    unsigned n = f->broken_count < BROKEN_MAX ? f->broken_count : BROKEN_MAX;
    put_heading(&o, f);
    if (f->broken_count > 1)
        put(&o, "  %u checks are broken; the processor reports the one marked ->\n",
            f->broken_count);
    if (n)
        put_check(&o, &f->broken[f->first], true);
    for (unsigned k = 0; k < n; k++)
        if (k != f->first)
            put_check(&o, &f->broken[k], false);
    if (f->broken_count > n)
        put(&o, "   and %u more\n", f->broken_count - n);
    return o.length;
}
