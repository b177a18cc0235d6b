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
/* Whether a field, by its index (enum vmcs_field), exists on c's model. */
bool vmcs_field_exists(const struct cpu *c, unsigned field);
/* What the checks of an entry with the current VMCS look at (vmx/entry.h), memory included; in
 * non-root operation, the next entry.  False: no current VMCS. */
struct entry;
bool vmx_view(struct cpu *c, struct entry *e);

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
    QUAL_SPP,
    QUAL_MSR,
    QUAL_STALL,
};
/* Name of a basic exit reason (bits 15:0 count); "UNKNOWN" for those the simulator never produces.
 */
const char *vmx_exit_name(uint32_t reason);
enum vmx_qualification vmx_exit_qualification_kind(uint32_t reason);
/* Name of capability MSR 480H + index, "IA32_VMX_BASIC" ...; NULL beyond the last. */
const char *vmx_capability_name(unsigned index);
/* One-line text of a VM-instruction error number. */
const char *vmx_error_text(uint32_t error);

/* ---- EPT ---- */

enum ept_result { EPT_MAPPED, EPT_NOT_PRESENT, EPT_MISCONFIGURED };
/* Entries as they were read, from the root down; the last one decided. */
struct ept_walk {
    unsigned levels;       /* of the EPTP: 4 or 5                                             */
    unsigned depth;        /* entries read; entry k is of level `levels` - k                  */
    uint64_t entry[5], entry_pa[5];
    unsigned rights;       /* AND of bits 2:0, and of bit 10 with mode-based execute control  */
    bool mapped;           /* the last entry is a leaf                                        */
    uint64_t hpa;          /* if mapped: the host-physical address                            */
    const char *verdict;   /* in words: why the walk ended                                    */
    bool dirty;            /* not the walk's: writes by this translation set no flag          */
};
/* Walks the EPT paging structures of the current VMCS under the controls of the last VM entry, and
 * changes nothing (SDM vol. 3, "EPT Translation Mechanism", "EPT Misconfigurations").  For VMX
 * non-root operation with EPT. */
enum ept_result ept_walk(struct cpu *c, uint64_t gpa, struct ept_walk *w);

/* With guest-paging verification: whether EPT gives paging-write access to the guest paging
 * structure at this guest-physical address.  Without it, true. */
bool ept_is_verified(struct cpu *c, uint64_t gpa);

enum spp_result { SPP_FOUND, SPP_MISS, SPP_MISCONFIGURED };
/* SPPL4E to SPPL1E as they were read; the last one decided. */
struct spp_walk {
    unsigned depth;
    uint64_t entry[4], entry_pa[4];
    const char *verdict;   /* in words, of a miss or misconfiguration; else NULL              */
};
/* Whether writes to the page to which an EPT walk has led go by sub-page write permissions: EPT
 * lets it be read but not be written, and bit 61 of the EPT PTE is 1 (SDM vol. 3, "Write Accesses
 * That Are Eligible for Sub-Page Write Permissions"). */
bool spp_governs(const struct cpu *c, const struct ept_walk *w);
/* Walks the sub-page permission table of the current VMCS and changes nothing ("Determining an
 * Access's Sub-Page Write Permission").  If found, the last entry is the sub-page permission
 * vector. */
enum spp_result spp_walk(struct cpu *c, uint64_t gpa, struct spp_walk *w);
enum { SUB_PAGE_SHIFT = 7, SUB_PAGES = 32 };
static inline bool spp_writable(uint64_t vector, unsigned sub_page)
{
    return vector >> (2 * sub_page) & 1;
}

#endif
