// SPDX-License-Identifier: Apache-2.0
// VMX as a part of a processor: creation, reset, the table of entry points, the debugger's view.
#include "vmx/vmx.h"

#include <stdlib.h>
#include <string.h>

#include "vmx/internal.h"

static bool capability_msr(struct cpu *c, uint32_t index, uint64_t *value)
{
    unsigned k = index - 0x480;
    if (index < 0x480 || k >= VMX_CAPABILITY_MSRS || !vmx_capability_exists(c->vmx->cap, k))
        return false;
    *value = c->vmx->cap[k];
    return true;
}

static void reset(struct cpu *c)
{
    struct vmx *x = c->vmx;
    c->vmx_root = c->vmx_nonroot = c->vm_exited = false;
    c->mtf_armed = false;
    c->hlat = HLAT_NONE;
    x->current = NO_VMCS;
    x->vmxon_pointer = NO_VMCS;
    x->abort = 0;
    x->injecting = x->virtual_nmi_blocking = false;
}

static const struct vmx_ops vmx_table = {
    .instruction = vmx_instruction,
    .exit_mask = vmx_exit_mask,
    .undefined_mask = vmx_undefined_mask,
    .instruction_exit = vmx_instruction_exit,
    .io_exit = vmx_io_exit,
    .msr_exit = vmx_msr_exit,
    .msr_list_exit = vmx_msr_list_exit,
    .xss_exit = vmx_xss_exit,
    .cr_write_exit = vmx_cr_write_exit,
    .cr_read_exit = vmx_cr_read_exit,
    .clts_exit = vmx_clts_exit,
    .lmsw_exit = vmx_lmsw_exit,
    .task_switch_exit = vmx_task_switch_exit,
    .tsc = vmx_tsc,
    .msr_read = vmx_msr_read,
    .msr_write = vmx_msr_write,
    .cr8_read = vmx_cr8_read,
    .cr8_write = vmx_cr8_write,
    .cr_visible = vmx_cr_visible,
    .user_ipi = vmx_user_ipi,
    .event_exit = vmx_event_exit,
    .triple_fault_exit = vmx_triple_fault_exit,
    .translate = vmx_translate,
    .ept_enabled = vmx_ept_enabled,
    .peek = vmx_peek,
    .space = vmx_space,
    .eptp = vmx_eptp,
    .resume_after_smm = vmx_resume_after_smm,
    .iret = vmx_iret,
    .boundary = vmx_boundary,
    .deadline = vmx_deadline,
    .cr_fixed_ok = vmx_cr_fixed_ok,
    .capability_msr = capability_msr,
    .reset = reset,
};

bool vmx_attach(struct cpu *c)
{
    c->vmx = NULL;
    c->vmx_ops = NULL;
    if (!c->model->vmx_capability[CAP_BASIC])
        return true;
    c->vmx = calloc(1, sizeof *c->vmx);
    if (!c->vmx)
        return false;
    c->vmx->cap = c->model->vmx_capability;
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        c->vmx->exists[f] = vmcs_fields[f].exists(c->vmx->cap);
    c->vmx_ops = &vmx_table;
    reset(c);
    return true;
}

void vmx_detach(struct cpu *c)
{
    free(c->vmx);
    c->vmx = NULL;
    c->vmx_ops = NULL;
}

const struct vmx_stats *vmx_stats(const struct cpu *c) { return c->vmx ? &c->vmx->stats : NULL; }
uint32_t vmx_abort_indicator(const struct cpu *c) { return c->vmx ? c->vmx->abort : 0; }
uint64_t vmx_current_vmcs(const struct cpu *c) { return c->vmx ? c->vmx->current : NO_VMCS; }

/* ---- the debugger's view ---- */

static int readable_field(const struct cpu *c, uint32_t encoding, bool *high)
{
    if (!c->vmx || c->vmx->current == NO_VMCS)
        return -1;
    int f = vmcs_find(encoding, high);
    return f >= 0 && c->vmx->exists[f] ? f : -1;
}

bool vmcs_read(struct cpu *c, uint32_t encoding, uint64_t *value)
{
    bool high;
    int f = readable_field(c, encoding, &high);
    if (f < 0)
        return false;
    *value = vmcs_get(&c->vmx->vmcs, (enum vmcs_field)f, high);
    return true;
}

bool vmcs_write(struct cpu *c, uint32_t encoding, uint64_t value)
{
    bool high;
    int f = readable_field(c, encoding, &high);
    if (f < 0)
        return false;
    vmcs_set(&c->vmx->vmcs, (enum vmcs_field)f, high, value);
    return true;
}

bool vmcs_field_exists(const struct cpu *c, unsigned field)
{
    return c->vmx && c->vmx->exists[field];
}

bool vmcs_field_at(const struct cpu *c, unsigned n, uint32_t *encoding, const char **name)
{
    for (unsigned f = 0; c->vmx && f < VMCS_FIELD_COUNT; f++)
        if (c->vmx->exists[f] && n-- == 0) {
            *encoding = vmcs_fields[f].encoding;
            *name = vmcs_fields[f].name;
            return true;
        }
    return false;
}
