// SPDX-License-Identifier: Apache-2.0
// Names for what stands in traces, and the small change of writing lines.
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "debug/trace_text.h"
#include "ipf/disasm.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

/* ---- names ---- */

const char *const trace_world_names[] = {
    [TRACE_NO_VMX] = "none", [TRACE_ROOT] = "root", [TRACE_NONROOT] = "non-root"
};

const char *trace_vector_name(uint64_t vector)
{
    static const char *const names[] = {
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", NULL,  "#TS",
        "#NP", "#SS", "#GP", "#PF", NULL,  "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
    };
    return vector < ARRAY_SIZE(names) ? names[vector] : NULL;
}

const char *trace_exit_name(uint64_t reason) { return vmx_exit_name((uint32_t)reason & 0xffff); }

/* NULL: there is none. */
static const char *vmcs_field_name(uint64_t encoding)
{
    bool high;
    int field = vmcs_find(encoding, &high);
    return field < 0 ? NULL : vmcs_fields[field].name;
}

const char *trace_field_word(const struct trace_event *event, const char *field, uint64_t value)
{
    if (event->kind == TRACE_EVENT_EXCEPTION && !strcmp(field, "vector"))
        return trace_vector_name(value);
    if (event->kind == TRACE_EVENT_VM_EXIT && !strcmp(field, "reason"))
        return trace_exit_name(value);
    if (event->kind == TRACE_EVENT_VM_ENTRY_FAILURE && !strcmp(field, "reason") && value)
        return trace_exit_name(value);
    if (event->kind == TRACE_EVENT_VMCS_READ || event->kind == TRACE_EVENT_VMCS_WRITE)
        return strcmp(field, "encoding") ? NULL : vmcs_field_name(value);
    if (event->kind && !strcmp(field, trace_kinds[event->kind].field[0]))
        return trace_ipf_word(event->kind, value);
    return NULL;
}

bool trace_field_is_code(const char *field)
{
    static const char *const names[] = { "from", "to", "rip", "guest_rip", "host_rip", "iip" };
    for (size_t k = 0; k < ARRAY_SIZE(names); k++)
        if (!strcmp(field, names[k]))
            return true;
    return false;
}

const char *trace_symbol(const struct trace_text *t, uint64_t address, uint64_t *distance)
{
    const char *name = NULL;
    for (unsigned k = 0; k < t->symbols_n && !name; k++)
        name = symbols_find(t->symbols[k], address, distance);
    return name;
}

static void put_slot(const struct trace_insn *i, struct bytes *b)
{
    struct ipf_slot slot;
    uint64_t half[2];
    char text[200] = "(reserved)";
    memcpy(half, i->bytes, sizeof half);
    struct ipf_bundle bundle = ipf_bundle(half[0], half[1]);
    const struct ipf_template *t = ipf_template(bundle.template);
    unsigned n = i->slot < 3 && t->unit[i->slot] != IPF_L ? i->slot : 2; /* L+X is slot 1's */
    if (t->unit[0] != IPF_L &&
        ipf_decode((enum ipf_unit)t->unit[n], bundle.slot[n], bundle.slot[1], &slot))
        ipf_print(text, sizeof text, &slot, i->address);
    size_t end = strlen(text);
    while (end && text[end - 1] == ' ')
        end--;
    bytes_put(b, text, end);
}

void trace_put_disasm(const struct trace_text *t, const struct trace_insn *i, struct bytes *b)
{
    if (i->bits == 128)
        put_slot(i, b);
    else
        text_put(b, disasm_cached(t->disasm, i->bytes, i->length, i->bits, i->rip));
}

/* ---- text ---- */

void text_put(struct bytes *b, const char *text) { bytes_put(b, text, strlen(text)); }

void text_hex(struct bytes *b, uint64_t value, unsigned digits)
{
    char text[16];
    unsigned n = 0;
    do {
        text[15 - n++] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (n < 16 && (value || n < digits));
    bytes_put(b, text + 16 - n, n);
}

void text_number(struct bytes *b, uint64_t value)
{
    char text[20];
    unsigned n = 0;
    do {
        text[19 - n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    bytes_put(b, text + 20 - n, n);
}

void text_byte_string(struct bytes *b, const uint8_t *bytes, size_t n)
{
    for (size_t k = 0; k < n; k++)
        text_hex(b, bytes[k], 2);
}

void text_value(struct bytes *b, const uint8_t *bytes, size_t n)
{
    while (n > 1 && !bytes[n - 1])
        n--;
    text_put(b, "0x");
    text_hex(b, n ? bytes[n - 1] : 0, 1);
    for (size_t k = n; k > 1; k--)
        text_hex(b, bytes[k - 2], 2);
}

void text_json_string(struct bytes *b, const char *text)
{
    text_put(b, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            bytes_put(b, "\\", 1);
            bytes_put(b, text, 1);
        } else if (c < ' ' || c == '<' || c > 126) { /* '<': inside a page's script, too */
            text_put(b, "\\u");
            text_hex(b, c, 4);
        } else {
            bytes_put(b, text, 1);
        }
    }
    text_put(b, "\"");
}
