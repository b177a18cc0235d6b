// SPDX-License-Identifier: Apache-2.0
// The public API: the current VMCS.
#define _GNU_SOURCE /* open_memstream() */
#include <stdlib.h>

#include "api/internal.h"
#include "cpu/cpu.h"
#include "debug/explain_json.h"
#include "debug/vmcs_decode.h"
#include "debug/vmcs_print.h"
#include "vmx/entry.h"
#include "vmx/vmx.h"

static bool find_field(struct sp_machine *m, struct cpu *c, const char *field, uint32_t *encoding)
{
    if (!c)
        return false;
    if (!c->vmx)
        return api_fail(m, "the processor has no VMX");
    return vmcs_field_by_name(field, encoding) ||
           api_fail(m, "there is no VMCS field \"%s\"", field);
}

bool sp_vmcs_read(struct sp_machine *m, unsigned cpu, const char *field, uint64_t *value)
{
    struct cpu *c = api_cpu(m, cpu);
    uint32_t encoding;
    if (!find_field(m, c, field, &encoding))
        return false;
    return vmcs_read(c, encoding, value) ||
           api_fail(m, "%s cannot be read: no current VMCS, or the processor has no such field",
                    field);
}

bool sp_vmcs_write(struct sp_machine *m, unsigned cpu, const char *field, uint64_t value)
{
    struct cpu *c = api_cpu(m, cpu);
    uint32_t encoding;
    if (!find_field(m, c, field, &encoding))
        return false;
    return vmcs_write(c, encoding, value) ||
           api_fail(m, "%s cannot be written: no current VMCS, or the processor has no such field",
                    field);
}

const char *sp_exit_reason_name(uint32_t reason) { return vmx_exit_name(reason); }

bool sp_vmcs_field(struct sp_machine *m, unsigned cpu, unsigned n, const char **field,
                   uint32_t *encoding)
{
    struct cpu *c = api_cpu(m, cpu);
    const char *name;
    uint32_t number;
    if (!c)
        return false;
    if (!vmcs_field_at(c, n, &number, &name))
        return api_fail(m, "there is no VMCS field %u", n);
    if (field)
        *field = name;
    if (encoding)
        *encoding = number;
    return true;
}

bool sp_vmcs_decode(struct sp_machine *m, unsigned cpu, const char *field, char *text, size_t size)
{
    struct cpu *c = api_cpu(m, cpu);
    uint32_t encoding;
    struct entry e;
    bool high;
    if (!size || !find_field(m, c, field, &encoding))
        return false;
    int f = vmcs_find(encoding, &high);
    if (f < 0 || !vmcs_field_exists(c, (unsigned)f) || !vmx_view(c, &e))
        return api_fail(m, "%s: no current VMCS, or the processor has no such field", field);
    vmcs_decode(e.v, (enum vmcs_field)f, text, size);
    return true;
}

char *sp_vmcs_dump(struct sp_machine *m, unsigned cpu, bool json)
{
    struct cpu *c = api_cpu(m, cpu);
    char *text = NULL;
    size_t n;
    FILE *out = c && vmx_current_vmcs(c) != ~UINT64_C(0) ? open_memstream(&text, &n) : NULL;
    if (!out) {
        if (c)
            api_fail(m, "there is no current VMCS");
        return NULL;
    }
    if (json)
        explain_json_line(out, vmcs_json(c, "sp_vmcs_dump"));
    else
        vmcs_print(out, c, "sp_vmcs_dump");
    if (!fclose(out))
        return text;
    free(text);
    return NULL;
}
