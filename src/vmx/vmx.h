// SPDX-License-Identifier: Apache-2.0
// VMX as the layers above see it.
#ifndef SP_VMX_VMX_H
#define SP_VMX_VMX_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/state.h"

enum { EXIT_REASONS = 96 };
struct vmx_stats {
    uint64_t exits[EXIT_REASONS];   /* by basic exit reason                                       */
    uint64_t entries;               /* that succeeded                                             */
    uint64_t failures; /* VMLAUNCH and VMRESUME that did not enter                    */
};

/* Gives c the VMX of its model: allocates struct vmx and sets c->vmx_ops (NULL if the model has no
 * VMX). False if memory is short.  c->model must be set. */
bool vmx_attach(struct cpu *c);
void vmx_detach(struct cpu *c);

/* NULL without VMX. */
const struct vmx_stats *vmx_stats(const struct cpu *c);
/* The VMX-abort indicator if an abort has stopped the processor for good; else 0. */
uint32_t vmx_abort_indicator(const struct cpu *c);
/* All ones: no current VMCS. */
uint64_t vmx_current_vmcs(const struct cpu *c);

/* VMCS fields for debuggers: by name as in vmcs_fields.def, in any letter case; by encoding in the
 * current VMCS, read-only fields too.  False: no such field, or no current VMCS. */
bool vmcs_field_by_name(const char *name, uint32_t *encoding);
bool vmcs_read(struct cpu *c, uint32_t encoding, uint64_t *value);
bool vmcs_write(struct cpu *c, uint32_t encoding, uint64_t value);
/* Walks the fields that exist on c's model: false when n is too large. */
bool vmcs_field_at(const struct cpu *c, unsigned n, uint32_t *encoding, const char **name);

/* Layouts of exit qualifications, for traces and debuggers. */
enum vmx_qualification {
    QUAL_NONE,
    QUAL_EXCEPTION,
    QUAL_VECTOR,
    QUAL_TASK_SWITCH,
    QUAL_ADDRESS,
    QUAL_DISPLACEMENT,
    QUAL_CR,
    QUAL_DR,
    QUAL_IO,
    QUAL_ENTRY_FAILURE,
    QUAL_MSR_ENTRY,
    QUAL_MWAIT,
    QUAL_EPT,
    QUAL_APIC_ACCESS,
};
/* Name of a basic exit reason (bits 15:0 count); "UNKNOWN" for those the simulator never produces.
 */
const char *vmx_exit_name(uint32_t reason);
enum vmx_qualification vmx_exit_qualification_kind(uint32_t reason);
/* Name of capability MSR 480H + index, "IA32_VMX_BASIC" ...; NULL beyond the last. */
const char *vmx_capability_name(unsigned index);
/* One-line text of a VM-instruction error number. */
const char *vmx_error_text(uint32_t error);

/* ---- EPT paging-structure entries; level 1 (EPT PTE) ... 4 (EPT PML4E) ---- */

/* Whether an entry maps a page. */
bool ept_is_leaf(uint64_t entry, unsigned level);
/* The bits of an entry that give access under the controls of the last VM entry; any of them makes
 * it present. */
unsigned ept_rights_mask(const struct cpu *c);
/* Why a present entry is misconfigured, in words, or NULL (SDM vol. 3, "EPT Misconfigurations"). */
const char *ept_misconfiguration(const struct cpu *c, uint64_t entry, unsigned level);

#endif
