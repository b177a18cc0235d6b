// SPDX-License-Identifier: Apache-2.0
// Control registers in VMX operation: exits, guest/host masks and read shadows, fixed bits, TPR
// shadow (SDM vol. 3, "Guest/Host Masks and Read Shadows for CR0 and CR4", "Changes to Instruction
// Behavior").
#include "mem/phys.h"
#include "vmx/internal.h"

enum { REASON_CR = 28 };
enum { ACCESS_MOV_TO = 0, ACCESS_MOV_FROM = 1, ACCESS_CLTS = 2, ACCESS_LMSW = 3 };

/* SDM, "Exit Qualification for Control-Register Accesses": 3:0 register, 5:4 kind, 11:8 general
 * register. */
static void cr_exit(struct cpu *c, unsigned cr, unsigned kind, unsigned gpr)
{
    vm_exit(c, &(struct vm_exit){ .reason = REASON_CR, .has_length = true, .clear_rf = true,
                                  .qualification = cr | kind << 4 | (gpr & 15) << 8 });
}

/* MOV to CR0 or CR4: exits if it would change a bit that the host owns; others reach the register.
 */
static bool write_masked(struct cpu *c, unsigned cr, unsigned gpr, enum vmcs_field mask_field,
                         enum vmcs_field shadow_field, uint64_t now, uint64_t *value)
{
    uint64_t mask = vmcs_field(c, mask_field);
    if ((*value ^ vmcs_field(c, shadow_field)) & mask) {
        cr_exit(c, cr, ACCESS_MOV_TO, gpr);
        return true;
    }
    *value = (*value & ~mask) | (now & mask);
    return false;
}

static bool is_cr3_target(const struct cpu *c, uint64_t value)
{
    for (unsigned k = 0; k < 4 && k < vmcs_field(c, CR3_TARGET_COUNT); k++)
        if (vmcs_field(c, CR3_TARGET_VALUE0 + k) == value)
            return true;
    return false;
}

bool vmx_cr_write_exit(struct cpu *c, const struct insn *i, unsigned cr, unsigned gpr,
                       uint64_t *value)
{
    bool exits = false;
    switch (cr) {
    case 0:
        return write_masked(c, 0, gpr, CR0_GUEST_HOST_MASK, CR0_READ_SHADOW, c->cr0, value);
    case 4:
        return write_masked(c, 4, gpr, CR4_GUEST_HOST_MASK, CR4_READ_SHADOW, c->cr4, value);
    case 3: exits = c->vmx->proc & PROC_CR3_LOAD_EXITING && !is_cr3_target(c, *value); break;
    case 8: exits = c->vmx->proc & PROC_CR8_LOAD_EXITING; break;
    default: break;
    }
    if (exits)
        cr_exit(c, cr, ACCESS_MOV_TO, gpr);
    return exits;
}

bool vmx_cr_read_exit(struct cpu *c, const struct insn *i, unsigned cr, unsigned gpr)
{
    uint32_t control = cr == 3 ? PROC_CR3_STORE_EXITING : cr == 8 ? PROC_CR8_STORE_EXITING : 0;
    if (!(c->vmx->proc & control))
        return false;
    cr_exit(c, cr, ACCESS_MOV_FROM, gpr);
    return true;
}

bool vmx_clts_exit(struct cpu *c, const struct insn *i, bool *execute)
{
    bool owned = vmcs_field(c, CR0_GUEST_HOST_MASK) & CR0_TS;
    *execute = !owned;
    if (!owned || !(vmcs_field(c, CR0_READ_SHADOW) & CR0_TS))
        return false;
    cr_exit(c, 0, ACCESS_CLTS, 0);
    return true;
}

/* LMSW exits if it would set an owned PE, or change an owned MP, EM or TS. */
bool vmx_lmsw_exit(struct cpu *c, const struct insn *i, uint16_t source, bool memory,
                   uint64_t linear, uint64_t *cr0)
{
    uint64_t mask = vmcs_field(c, CR0_GUEST_HOST_MASK), shadow = vmcs_field(c, CR0_READ_SHADOW);
    uint64_t changes = (source ^ shadow) & mask & 0xe;
    bool sets_pe = mask & source & ~shadow & CR0_PE;
    if (!changes && !sets_pe) {
        uint64_t owned = mask & 0xf;
        *cr0 = (*cr0 & ~owned) | (c->cr0 & owned);
        return false;
    }
    vm_exit(c, &(struct vm_exit){
        .reason = REASON_CR, .has_length = true, .clear_rf = true, .has_linear = memory,
        .linear = linear,
        .qualification = ACCESS_LMSW << 4 | (uint64_t)memory << 6 | (uint64_t)source << 16,
    });
    return true;
}

uint64_t vmx_cr_visible(struct cpu *c, unsigned cr)
{
    uint64_t mask = vmcs_field(c, cr == 0 ? CR0_GUEST_HOST_MASK : CR4_GUEST_HOST_MASK);
    uint64_t shadow = vmcs_field(c, cr == 0 ? CR0_READ_SHADOW : CR4_READ_SHADOW);
    return ((cr == 0 ? c->cr0 : c->cr4) & ~mask) | (shadow & mask);
}

/* SDM, appendix "VMX-Fixed Bits in CR0" and "in CR4". */
bool vmx_cr_fixed_ok(struct cpu *c, unsigned cr, uint64_t value)
{
    const uint64_t *cap = c->vmx->cap;
    uint64_t ones = cap[cr == 0 ? CAP_CR0_FIXED0 : CAP_CR4_FIXED0];
    uint64_t may = cap[cr == 0 ? CAP_CR0_FIXED1 : CAP_CR4_FIXED1];
    if (cr == 0 && c->vmx_nonroot && c->vmx->proc2 & PROC2_UNRESTRICTED_GUEST)
        ones &= ~(uint64_t)(CR0_PE | CR0_PG);
    return (value & ones) == ones && !(value & ~may);
}
