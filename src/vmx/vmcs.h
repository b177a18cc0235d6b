// SPDX-License-Identifier: Apache-2.0
// The virtual-machine control structure: fields by their rows, the native form of the current VMCS,
// and its image in the guest's VMCS region.
#ifndef SP_VMX_VMCS_H
#define SP_VMX_VMCS_H

#include <stdbool.h>
#include <stdint.h>

struct mem;

/* Groups of entry checks, made dirty by writes to the fields that they read. */
enum {
    DIRTY_CONTROLS = 1 << 0,
    DIRTY_INJECTION = 1 << 1,
    DIRTY_HOST = 1 << 2,
    DIRTY_REGISTERS = 1 << 3,
    DIRTY_SEGMENTS = 1 << 4,
    DIRTY_RIP = 1 << 5,
    DIRTY_NONREGISTER = 1 << 6,
    DIRTY_ALWAYS = 1 << 7, /* depends on memory: checked at every entry */
    DIRTY_ALL = 0xff,
};

/* Index of a field in struct vmcs, in the order of the rows; fields of neighbouring encodings are
 * neighbours here, so GUEST_ES_BASE + n is the base of segment register n (enum seg). */
enum vmcs_field {
#define FIELD(encoding, name, exists, dirty) name,
#include "vmx/vmcs_fields.def"
    VMCS_FIELD_COUNT
};

struct vmcs_field_row {
    uint16_t encoding;
    uint8_t dirty;
    const char *name;
    bool (*exists)(const uint64_t *capability);
};
extern const struct vmcs_field_row vmcs_fields[VMCS_FIELD_COUNT];

struct vmcs {
    uint64_t f[VMCS_FIELD_COUNT]; /* by enum vmcs_field; a value never exceeds its field's width */
    bool launched;
    bool shadow;                  /* its region has the shadow-VMCS indicator */
    uint8_t dirty;                /* DIRTY_* */
};

enum vmcs_type { VMCS_CONTROL, VMCS_EXIT_INFORMATION, VMCS_GUEST, VMCS_HOST };

/* SDM vol. 3, "Structure of VMCS Component Encoding". */
static inline unsigned vmcs_width(uint16_t encoding)    /* bytes; natural-width fields have 8 */
{
    return (const unsigned[]){ 2, 8, 4, 8 }[encoding >> 13 & 3];
}
static inline enum vmcs_type vmcs_type(uint16_t encoding)
{
    return (enum vmcs_type)(encoding >> 10 & 3);
}
static inline bool vmcs_is_64(uint16_t encoding) { return (encoding >> 13 & 3) == 1; }

/* The field of an encoding as VMREAD and VMWRITE give it (with bit 0: its high half, *high).
 * Negative if there is none in the table. */
int vmcs_find(uint64_t encoding, bool *high);
uint64_t vmcs_get(const struct vmcs *v, enum vmcs_field f, bool high);
/* Truncates to the field's width and marks its groups dirty if the value is a new one. */
void vmcs_set(struct vmcs *v, enum vmcs_field f, bool high, uint64_t value);
/* The same for VM exits, which have values of the right width. */
static inline void vmcs_save(struct vmcs *v, enum vmcs_field f, uint64_t value, unsigned dirty)
{
    if (v->f[f] == value)
        return;
    v->f[f] = value;
    v->dirty |= (uint8_t)dirty;
}
/* IA32_VMX_VMCS_ENUM for a set of capabilities. */
uint64_t vmcs_enum_msr(const uint64_t *capability);

/* The image in the VMCS region at pa: a private, versioned format.  Dword 0 (revision) and dword 1
 * (abort indicator) are the architecture's. */
void vmcs_store(const struct vmcs *v, struct mem *m, uint64_t pa);
/* A region that holds no image of ours gives a clear VMCS of zeros. */
void vmcs_load(struct vmcs *v, struct mem *m, uint64_t pa);
/* One field of a VMCS in memory, for VMREAD and VMWRITE of a shadow VMCS. */
uint64_t vmcs_region_get(struct mem *m, uint64_t pa, enum vmcs_field f, bool high);
void vmcs_region_set(struct mem *m, uint64_t pa, enum vmcs_field f, bool high, uint64_t value);
/* VMCLEAR of a VMCS that is not current. */
void vmcs_clear_region(struct mem *m, uint64_t pa);

#endif
