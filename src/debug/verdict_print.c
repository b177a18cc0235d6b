// SPDX-License-Identifier: Apache-2.0
#include "debug/verdict_print.h"

#include "debug/explain_json.h"

static const char *const form_names[] = {
    [DUMP_KVM] = "KVM",
    [DUMP_XEN] = "Xen",
    [DUMP_JSON] = "JSON",
};

static unsigned known_fields(const struct vmcs_dump *dump)
{
    unsigned n = 0;
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        n += dump->known[f];
    return n;
}
static bool lists_msrs(const struct vmcs_dump *dump)
{
    bool any = false;
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        any |= dump->caps.known[k];
    return any;
}

/* ---- for people ---- */

static const char *outside_text(enum outside o)
{
    static const char *const texts[OUTSIDE_COUNT] = {
        "whether VMLAUNCH executed in IA-32e mode",
        "the address of the current VMCS",
        "byte 80H of the virtual-APIC page",
        "the first dword of the VMCS that is linked",
        "PDPTE0 in memory",
        "PDPTE1 in memory",
        "PDPTE2 in memory",
        "PDPTE3 in memory",
    };
    return texts[o];
}

static void print_broken(FILE *out, const struct check_verdict *v, bool first)
{
    char text[2048];
    entry_explain_check(&v->broken, first, text, sizeof text);
    fputs(text, out);
}

static void print_undecided(FILE *out, const struct check_verdict *v)
{
    const char *comma = "";
    fprintf(out, "?? %s: SDM vol. 3C, %s \"%s\"\n    %s\n      missing: ", v->broken.check->id,
            v->broken.section->number, v->broken.section->title, v->broken.check->sentence);
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        if (v->missing[f]) {
            fprintf(out, "%s%s (%04XH)", comma, vmcs_fields[f].name, vmcs_fields[f].encoding);
            comma = ", ";
        }
    for (unsigned o = 0; o < OUTSIDE_COUNT; o++)
        if (v->missing_outside[o]) {
            fprintf(out, "%s%s", comma, outside_text(o));
            comma = ", ";
        }
    fputs("\n", out);
}

static void print_outcome(FILE *out, const struct verdicts *v)
{
    const struct check_verdict *first = &v->check[v->first];
    fprintf(out, "  %u check%s broken; the processor reports the one marked -> (", v->broken,
            v->broken == 1 ? " is" : "s are");
    if (first->kind == ENTRY_FAIL_GUEST)
        fprintf(out, "VM exit, reason 33, qualification %u)\n",
                first->broken.section->qualification);
    else
        fprintf(out, "VM-instruction error %u)\n", verdict_error(first));
    if (v->doubts)
        fprintf(out, "  (or one of %u before it that %s undecided)\n", v->doubts,
                v->doubts == 1 ? "is" : "are");
}

void verdicts_print(FILE *out, const struct verdict_source *from, const struct verdicts *v,
                    bool verbose)
{
    fprintf(out, "%s: line %u: %s dump of %u fields; checks of -cpu %s%s\n", from->file,
            from->dump->line, form_names[from->dump->form], known_fields(from->dump), from->cpu,
            lists_msrs(from->dump) ? " with the capability MSRs listed" : "");
    if (v->broken)
        print_outcome(out, v);
    else
        fprintf(out, "  no violation\n");
    for (unsigned n = 0; n < v->count; n++)
        if (v->check[n].verdict == VERDICT_BROKEN)
            print_broken(out, &v->check[n], n == v->first);
    for (unsigned n = 0; verbose && n < v->count; n++)
        if (v->check[n].verdict == VERDICT_UNDECIDED)
            print_undecided(out, &v->check[n]);
    fprintf(out, "  %u checks: %u hold, %u broken, %u undecided%s\n", v->count,
            v->count - v->broken - v->undecided, v->broken, v->undecided,
            v->undecided && !verbose ? ", for want of what -v lists" : "");
}

/* ---- JSON ---- */

static json_t *missing_json(const struct check_verdict *v)
{
    json_t *list = json_array();
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        if (v->missing[f])
            json_array_append_new(list, json_string(vmcs_fields[f].name));
    for (unsigned o = 0; o < OUTSIDE_COUNT; o++)
        if (v->missing_outside[o])
            json_array_append_new(list, json_string(outside_name(o)));
    return list;
}

void verdicts_print_json(FILE *out, const struct verdict_source *from, const struct verdicts *v)
{
    json_t *broken = json_array(), *undecided = json_array();
    for (unsigned n = 0; n < v->count; n++) {
        const struct check_verdict *c = &v->check[n];
        if (c->verdict == VERDICT_BROKEN) {
            json_t *check = explain_check_json(&c->broken, n == v->first);
            json_object_set_new(check, "error", json_integer(verdict_error(c)));
            json_array_append_new(broken, check);
        } else if (c->verdict == VERDICT_UNDECIDED) {
            json_array_append_new(undecided, json_pack("{s:s, s:o}", "id", c->broken.check->id,
                                                       "missing", missing_json(c)));
        }
    }
    explain_json_line(out, json_pack("{s:o, s:i, s:s, s:i, s:s, s:i, s:o, s:o}", "file",
                                     explain_text_json(from->file), "line", (int)from->dump->line,
                                     "form", form_names[from->dump->form], "fields",
                                     (int)known_fields(from->dump), "cpu", from->cpu, "checks",
                                     (int)v->count, "broken", broken, "undecided", undecided));
}
