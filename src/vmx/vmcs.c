// SPDX-License-Identifier: Apache-2.0
#include "vmx/vmcs.h"

#include <string.h>

#include "mem/phys.h"
#include "vmx/capability.h"

/* ---- existence: a control that uses the field may be 1 (SDM, "Field Encoding in VMCS") ---- */

static bool always(const uint64_t *cap) { return true; }
/* The control may be 1. */
#define HAS(name, word, bit)                                                                      \
    static bool has_##name(const uint64_t *cap) { return vmx_can(cap, WORD_##word, word##_##bit); }
HAS(apic_access, PROC2, VIRTUALIZE_APIC_ACCESSES)
HAS(apic_timer, PROC3, APIC_TIMER_VIRTUALIZATION)
HAS(ept, PROC2, ENABLE_EPT)
HAS(guest_pkrs, ENTRY, LOAD_PKRS)
HAS(guest_spec_ctrl, ENTRY, LOAD_SPEC_CTRL)
HAS(hlat, PROC3, ENABLE_HLAT)
HAS(guest_cet, ENTRY, LOAD_CET_STATE)
HAS(host_cet, EXIT, LOAD_CET_STATE)
HAS(host_efer, EXIT, LOAD_EFER)
HAS(host_pat, EXIT, LOAD_PAT)
HAS(host_perf, EXIT, LOAD_PERF_GLOBAL_CTRL)
HAS(host_pkrs, EXIT, LOAD_PKRS)
HAS(host_spec_ctrl, EXIT2, LOAD_SPEC_CTRL)
HAS(ipi_virtualization, PROC3, IPI_VIRTUALIZATION)
HAS(msr_bitmaps, PROC, USE_MSR_BITMAPS)
HAS(msr_list, PROC3, ENABLE_MSR_LIST)
HAS(ple, PROC2, PAUSE_LOOP_EXITING)
HAS(instruction_timeout, PROC2, INSTRUCTION_TIMEOUT)
HAS(pml, PROC2, ENABLE_PML)
HAS(posted, PIN, PROCESS_POSTED_INTERRUPTS)
HAS(secondary, PROC, SECONDARY_CONTROLS)
HAS(secondary_exit, EXIT, SECONDARY_CONTROLS)
HAS(shadowing, PROC2, VMCS_SHADOWING)
HAS(sub_pages, PROC2, SUB_PAGE_WRITE)
HAS(tertiary, PROC, TERTIARY_CONTROLS)
HAS(timer, PIN, PREEMPTION_TIMER)
HAS(tpr_shadow, PROC, USE_TPR_SHADOW)
HAS(tsc_scaling, PROC2, USE_TSC_SCALING)
HAS(ve, PROC2, EPT_VIOLATION_VE)
HAS(vid, PROC2, VIRTUAL_INTERRUPT_DELIVERY)
HAS(virtual_spec_ctrl, PROC3, VIRTUALIZE_SPEC_CTRL)
HAS(vmfunc, PROC2, ENABLE_VM_FUNCTIONS)
HAS(vpid, PROC2, ENABLE_VPID)
HAS(xsaves, PROC2, ENABLE_XSAVES)
#undef HAS
static bool has_eptp_switching(const uint64_t *cap)
{
    return cap[CAP_VMFUNC] & VMFUNC_EPTP_SWITCHING;
}
static bool has_guest_pat(const uint64_t *cap)
{
    return vmx_can(cap, WORD_ENTRY, ENTRY_LOAD_PAT) || vmx_can(cap, WORD_EXIT, EXIT_SAVE_PAT);
}
static bool has_guest_efer(const uint64_t *cap)
{
    return vmx_can(cap, WORD_ENTRY, ENTRY_LOAD_EFER) || vmx_can(cap, WORD_EXIT, EXIT_SAVE_EFER);
}
static bool has_guest_perf(const uint64_t *cap)
{
    return vmx_can(cap, WORD_ENTRY, ENTRY_LOAD_PERF_GLOBAL_CTRL) ||
           vmx_can(cap, WORD_EXIT, EXIT_SAVE_PERF_GLOBAL_CTRL);
}
static bool has_guest_uinv(const uint64_t *cap)
{
    return vmx_can(cap, WORD_ENTRY, ENTRY_LOAD_UINV) || vmx_can(cap, WORD_EXIT, EXIT_CLEAR_UINV);
}
static uint64_t cr3_targets(const uint64_t *cap) { return bits(cap[CAP_MISC], 24, 16); }
static bool has_cr3_target0(const uint64_t *cap) { return cr3_targets(cap) > 0; }
static bool has_cr3_target1(const uint64_t *cap) { return cr3_targets(cap) > 1; }
static bool has_cr3_target2(const uint64_t *cap) { return cr3_targets(cap) > 2; }
static bool has_cr3_target3(const uint64_t *cap) { return cr3_targets(cap) > 3; }

const struct vmcs_field_row vmcs_fields[VMCS_FIELD_COUNT] = {
#define FIELD(encoding, name, exists, dirty) [name] = { encoding, dirty, #name, exists },
#include "vmx/vmcs_fields.def"
};

/* ---- access ---- */

/* Width, type and index of an encoding, packed: 64 indices in each of 16 areas. */
enum { AREA_INDICES = 64, SLOTS = 16 * AREA_INDICES };
#define SLOT(e) (((e) >> 13 & 3) << 8 | ((e) >> 10 & 3) << 6 | ((e) >> 1 & 63))

static const uint8_t slot_field[SLOTS] = {
#define FIELD(encoding, name, exists, dirty) [SLOT(encoding)] = name + 1,
#include "vmx/vmcs_fields.def"
};
_Static_assert(VMCS_FIELD_COUNT < 255, "slot_field holds bytes");

int vmcs_find(uint64_t encoding, bool *high)
{
    if (encoding & ~UINT64_C(0x6c7f))
        return -1;
    int f = slot_field[SLOT(encoding)] - 1;
    *high = encoding & 1;
    return *high && !vmcs_is_64((uint16_t)encoding) ? -1 : f;
}

uint64_t vmcs_get(const struct vmcs *v, enum vmcs_field f, bool high)
{
    return high ? v->f[f] >> 32 : v->f[f];
}

void vmcs_set(struct vmcs *v, enum vmcs_field f, bool high, uint64_t value)
{
    if (high)
        value = value << 32 | (uint32_t)v->f[f];
    vmcs_save(v, f, value & size_mask(vmcs_width(vmcs_fields[f].encoding)), vmcs_fields[f].dirty);
}

uint64_t vmcs_enum_msr(const uint64_t *cap)
{
    unsigned highest = 0;
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++) {
        unsigned index = vmcs_fields[f].encoding >> 1 & 0x1ff;
        if (vmcs_fields[f].exists(cap) && index > highest)
            highest = index;
    }
    return highest << 1;
}

/* ---- the image ----
 *   0 revision   4 abort indicator   8 magic and version   12 launched   16 number of fields
 *  32 fields in the order of the rows, 8 bytes each */

enum { IMAGE_MAGIC = 0x31565053 /* "SPV1" */, IMAGE_FIELDS = 32 };
_Static_assert(IMAGE_FIELDS + 8 * VMCS_FIELD_COUNT <= VMCS_REGION_SIZE,
               "the image fits the region");

static bool image_valid(struct mem *m, uint64_t pa)
{
    return mem_read_le(m, pa + 8, 4) == IMAGE_MAGIC &&
           mem_read_le(m, pa + 16, 4) == VMCS_FIELD_COUNT;
}

void vmcs_store(const struct vmcs *v, struct mem *m, uint64_t pa)
{
    mem_write_le(m, pa + 8, 4, IMAGE_MAGIC);
    mem_write_le(m, pa + 12, 4, v->launched);
    mem_write_le(m, pa + 16, 4, VMCS_FIELD_COUNT);
    mem_write(m, pa + IMAGE_FIELDS, v->f, sizeof v->f);
}

void vmcs_load(struct vmcs *v, struct mem *m, uint64_t pa)
{
    *v = (struct vmcs){ .dirty = DIRTY_ALL, .shadow = mem_read_le(m, pa, 4) & VMCS_SHADOW };
    if (!image_valid(m, pa))
        return;
    v->launched = mem_read_le(m, pa + 12, 4) & 1;
    mem_read(m, pa + IMAGE_FIELDS, v->f, sizeof v->f);
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++) /* the region is ordinary, writable memory */
        v->f[f] &= size_mask(vmcs_width(vmcs_fields[f].encoding));
}

uint64_t vmcs_region_get(struct mem *m, uint64_t pa, enum vmcs_field f, bool high)
{
    uint64_t v = image_valid(m, pa) ? mem_read_le(m, pa + IMAGE_FIELDS + 8 * f, 8) : 0;
    v &= size_mask(vmcs_width(vmcs_fields[f].encoding));
    return high ? v >> 32 : v;
}

void vmcs_region_set(struct mem *m, uint64_t pa, enum vmcs_field f, bool high, uint64_t value)
{
    if (!image_valid(m, pa))
        vmcs_store(&(struct vmcs){ 0 }, m, pa);
    if (high)
        value = value << 32 | vmcs_region_get(m, pa, f, false) % BIT(32);
    mem_write_le(m, pa + IMAGE_FIELDS + 8 * f, 8,
                 value & size_mask(vmcs_width(vmcs_fields[f].encoding)));
}

void vmcs_clear_region(struct mem *m, uint64_t pa)
{
    if (image_valid(m, pa))
        mem_write_le(m, pa + 12, 4, 0);
    else
        vmcs_store(&(struct vmcs){ 0 }, m, pa);
}
