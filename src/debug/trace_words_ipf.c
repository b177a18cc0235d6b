// SPDX-License-Identifier: Apache-2.0
// Names for what stands in traces of Itanium machines.
#include <string.h>

#include "base/bits.h"
#include "debug/trace_text.h"
#include "ipf/vti.h"

/* SDM vol. 2, table "Interruption Vector Table (IVT)". */
static const char *vector_name(uint64_t vector)
{
    static const struct {
        uint16_t vector;
        const char *name;
    } rows[] = {
        { 0x0000, "VHPT Translation" },      { 0x0400, "Instruction TLB" },
        { 0x0800, "Data TLB" },              { 0x0c00, "Alternate Instruction TLB" },
        { 0x1000, "Alternate Data TLB" },    { 0x1400, "Data Nested TLB" },
        { 0x1800, "Instruction Key Miss" },  { 0x1c00, "Data Key Miss" },
        { 0x2000, "Dirty-Bit" },             { 0x2400, "Instruction Access-Bit" },
        { 0x2800, "Data Access-Bit" },       { 0x2c00, "Break Instruction" },
        { 0x3000, "External Interrupt" },    { 0x3400, "Virtual External Interrupt" },
        { 0x5000, "Page Not Present" },      { 0x5100, "Key Permission" },
        { 0x5200, "Instruction Access Rights" }, { 0x5300, "Data Access Rights" },
        { 0x5400, "General Exception" },     { 0x5500, "Disabled FP-Register" },
        { 0x5600, "NaT Consumption" },       { 0x5700, "Speculation" },
        { 0x5900, "Debug" },                 { 0x5a00, "Unaligned Reference" },
        { 0x5b00, "Unsupported Data Reference" }, { 0x5c00, "Floating-point Fault" },
        { 0x5d00, "Floating-point Trap" },   { 0x5e00, "Lower-Privilege Transfer Trap" },
        { 0x5f00, "Taken Branch Trap" },     { 0x6000, "Single Step Trap" },
        { 0x6100, "Virtualization" },
    };
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if (rows[k].vector == vector)
            return rows[k].name;
    return NULL;
}

/* SDM vol. 2, "PAL Procedure Summary": the numbers in a row from 1 on, and others. */
static const char *pal_name(uint64_t n)
{
    static const char *const names[] = {
        NULL,                     "PAL_CACHE_FLUSH",       "PAL_CACHE_INFO",
        "PAL_CACHE_INIT",         "PAL_CACHE_SUMMARY",     "PAL_MEM_ATTRIB",
        "PAL_PTCE_INFO",          "PAL_VM_INFO",           "PAL_VM_SUMMARY",
        "PAL_BUS_GET_FEATURES",   "PAL_BUS_SET_FEATURES",  "PAL_DEBUG_INFO",
        "PAL_FIXED_ADDR",         "PAL_FREQ_BASE",         "PAL_FREQ_RATIOS",
        "PAL_PERF_MON_INFO",      "PAL_PLATFORM_ADDR",     "PAL_PROC_GET_FEATURES",
        "PAL_PROC_SET_FEATURES",  "PAL_RSE_INFO",          "PAL_VERSION",
        "PAL_MC_CLEAR_LOG",       "PAL_MC_DRAIN",          "PAL_MC_EXPECTED",
        "PAL_MC_DYNAMIC_STATE",   "PAL_MC_ERROR_INFO",     "PAL_MC_RESUME",
        "PAL_MC_REGISTER_MEM",    "PAL_HALT",              "PAL_HALT_LIGHT",
        "PAL_COPY_INFO",          "PAL_CACHE_LINE_INIT",   "PAL_PMI_ENTRYPOINT",
        "PAL_ENTER_IA_32_ENV",    "PAL_VM_PAGE_SIZE",      NULL,
        NULL,                     "PAL_MEM_FOR_TEST",      "PAL_CACHE_PROT_INFO",
        "PAL_REGISTER_INFO",      NULL,                    "PAL_PREFETCH_VISIBILITY",
        "PAL_LOGICAL_TO_PHYSICAL", "PAL_CACHE_SHARED_INFO",
    };
    static const struct {
        uint16_t number;
        const char *name;
    } others[] = {
        { 256, "PAL_COPY_PAL" },   { 257, "PAL_HALT_INFO" },  { 258, "PAL_TEST_PROC" },
        { 261, "PAL_VM_TR_READ" }, { 274, "PAL_BRAND_INFO" },
#define VP_PROCEDURE(number, name) { number, #name },
#include "ipf/vpd.def"
    };
    for (size_t k = 0; k < ARRAY_SIZE(others); k++)
        if (others[k].number == n)
            return others[k].name;
    return n < ARRAY_SIZE(names) ? names[n] : NULL;
}

static const char *service_name(uint64_t n)
{
    unsigned services = VP_CALLS - CALL_PAL_VPS_RESUME_NORMAL;
    return n < services ? ipf_vp_call_name((enum ipf_vp_call)(CALL_PAL_VPS_RESUME_NORMAL + n))
                        : NULL;
}

const char *trace_ipf_word(enum trace_kind kind, uint64_t first)
{
    switch (kind) {
    case TRACE_EVENT_INTERRUPTION:
    case TRACE_EVENT_EXTERNAL_INTERRUPT: return vector_name(first);
    case TRACE_EVENT_PAL_CALL: return pal_name(first);
    case TRACE_EVENT_VPS_CALL: return service_name(first);
    case TRACE_EVENT_VIRTUALIZATION:
    case TRACE_EVENT_ACCELERATED:
        return first < CAUSES ? ipf_cause_name((enum ipf_cause)first) : NULL;
    default: return NULL;
    }
}
