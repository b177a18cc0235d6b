// SPDX-License-Identifier: Apache-2.0
#include "debug/vmcs_print.h"

#include <inttypes.h>

#include "cpu/cpu.h"
#include "debug/dump.h"
#include "debug/explain_json.h"
#include "debug/vmcs_decode.h"
#include "vmx/entry.h"
#include "vmx/vmx.h"

enum { DECODED = 1024 };

/* ---- for people ---- */

static void print_field(FILE *out, const struct vmcs *v, enum vmcs_field f)
{
    char text[DECODED];
    const struct vmcs_field_row *row = &vmcs_fields[f];
    fprintf(out, "  %-29s %04x  %0*" PRIx64, row->name, row->encoding,
            (int)(2 * vmcs_width(row->encoding)), v->f[f]);
    if (*vmcs_decode(v, f, text, sizeof text))
        fprintf(out, "  %s", text);
    fputs("\n", out);
}

static void print_group(FILE *out, const struct cpu *c, const struct vmcs *v, enum vmcs_type type)
{
    static const char *const titles[] = {
        [VMCS_CONTROL] = "controls",
        [VMCS_EXIT_INFORMATION] = "VM-exit information",
        [VMCS_GUEST] = "guest state",
        [VMCS_HOST] = "host state",
    };
    fprintf(out, "%s\n", titles[type]);
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        if (vmcs_type(vmcs_fields[f].encoding) == type && vmcs_field_exists(c, f))
            print_field(out, v, (enum vmcs_field)f);
}

bool vmcs_print(FILE *out, struct cpu *c, const char *about)
{
    struct entry e;
    if (!vmx_view(c, &e))
        return false;
    fprintf(out, "VMCS %#" PRIx64 " of processor %u, %s: %s\n", e.vmcs_pointer, c->index,
            e.v->launched ? "launched" : "clear", about);
    if (c->vmx_nonroot)
        fprintf(out, "  (the guest runs: its state here is that of the last VM entry)\n");
    print_group(out, c, e.v, VMCS_CONTROL);
    print_group(out, c, e.v, VMCS_GUEST);
    print_group(out, c, e.v, VMCS_HOST);
    print_group(out, c, e.v, VMCS_EXIT_INFORMATION);
    return true;
}

/* ---- JSON ---- */

static json_t *hex(uint64_t v) { return json_sprintf("0x%" PRIx64, v); }

static json_t *fields_json(const struct cpu *c, const struct vmcs *v, json_t *decoded)
{
    char text[DECODED];
    json_t *fields = json_object();
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++) {
        if (!vmcs_field_exists(c, f))
            continue;
        json_object_set_new(fields, vmcs_fields[f].name, hex(v->f[f]));
        if (*vmcs_decode(v, (enum vmcs_field)f, text, sizeof text))
            json_object_set_new(decoded, vmcs_fields[f].name, json_string(text));
    }
    return fields;
}

static json_t *msrs_json(const struct cpu *c)
{
    json_t *msrs = json_object();
    const uint64_t *cap = c->model->vmx_capability;
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        if (vmx_capability_exists(cap, k))
            json_object_set_new(msrs, vmx_capability_name(k), hex(cap[k]));
    return msrs;
}

static json_t *outside_json(const struct entry *e)
{
    json_t *outside = json_object();
    const uint64_t values[OUTSIDE_COUNT] = {
        [OUTSIDE_LONG_MODE] = e->long_mode,
        [OUTSIDE_VMCS_POINTER] = e->vmcs_pointer,
        [OUTSIDE_VTPR] = e->vtpr,
        [OUTSIDE_LINK_REVISION] = e->link_revision,
        [OUTSIDE_PDPTE0] = e->pdpte[0], e->pdpte[1], e->pdpte[2], e->pdpte[3],
    };
    for (unsigned o = 0; o < OUTSIDE_COUNT; o++)
        json_object_set_new(outside, outside_name((enum outside)o),
                            o == OUTSIDE_LONG_MODE ? json_boolean(values[o]) : hex(values[o]));
    return outside;
}

json_t *vmcs_json(struct cpu *c, const char *about)
{
    struct entry e;
    if (!vmx_view(c, &e))
        return NULL;
    json_t *decoded = json_object(), *fields = fields_json(c, e.v, decoded);
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "about", explain_text_json(about), "cpu",
                     c->model->name, "fields", fields, "msrs", msrs_json(c), "outside",
                     outside_json(&e), "decoded", decoded);
}
