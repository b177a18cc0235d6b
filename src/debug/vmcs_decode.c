// SPDX-License-Identifier: Apache-2.0
#include "debug/vmcs_decode.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cpu/cpu.h"
#include "debug/explain.h"
#include "vmx/capability.h"
#include "vmx/vmx.h"

/* A list of words that grows. */
struct text {
    char *out;
    size_t size, used;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...)
{
    va_list args;
    int n = 0;
    if (t->used && t->used + 2 < t->size)
        t->used += (size_t)snprintf(t->out + t->used, t->size - t->used, ", ");
    va_start(args, format);
    if (t->used < t->size)
        n = vsnprintf(t->out + t->used, t->size - t->used, format, args);
    va_end(args);
    t->used += n > 0 ? (size_t)n : 0;
    if (t->used >= t->size)
        t->used = t->size - 1;
}

/* ---- bits with names ---- */

struct bit_name {
    uint8_t bit;
    const char *name;
};

static void add_bits(struct text *t, uint64_t v, const struct bit_name *names, size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (v >> names[k].bit & 1) {
            add(t, "%s", names[k].name);
            v &= ~BIT(names[k].bit);
        }
    for (unsigned bit = 0; bit < 64; bit++)
        if (v >> bit & 1)
            add(t, "bit %u", bit);
}
#define ADD_BITS(t, v, names) add_bits(t, v, names, ARRAY_SIZE(names))

static const struct bit_name cr0_bits[] = {
    { 0, "PE" }, { 1, "MP" }, { 2, "EM" }, { 3, "TS" }, { 4, "ET" }, { 5, "NE" },
    { 16, "WP" }, { 18, "AM" }, { 29, "NW" }, { 30, "CD" }, { 31, "PG" },
};
static const struct bit_name cr4_bits[] = {
    { 0, "VME" }, { 1, "PVI" }, { 2, "TSD" }, { 3, "DE" }, { 4, "PSE" }, { 5, "PAE" },
    { 6, "MCE" }, { 7, "PGE" }, { 8, "PCE" }, { 9, "OSFXSR" }, { 10, "OSXMMEXCPT" },
    { 11, "UMIP" }, { 12, "LA57" }, { 13, "VMXE" }, { 14, "SMXE" }, { 16, "FSGSBASE" },
    { 17, "PCIDE" }, { 18, "OSXSAVE" }, { 20, "SMEP" }, { 21, "SMAP" }, { 22, "PKE" },
    { 23, "CET" }, { 24, "PKS" }, { 25, "UINTR" },
};
static const struct bit_name rflags_bits[] = {
    { 0, "CF" }, { 1, "1" }, { 2, "PF" }, { 4, "AF" }, { 6, "ZF" }, { 7, "SF" }, { 8, "TF" },
    { 9, "IF" }, { 10, "DF" }, { 11, "OF" }, { 12, "IOPL bit 0" }, { 13, "IOPL bit 1" },
    { 14, "NT" }, { 16, "RF" }, { 17, "VM" }, { 18, "AC" }, { 19, "VIF" }, { 20, "VIP" },
    { 21, "ID" },
};
static const struct bit_name efer_bits[] = {
    { 0, "SCE" }, { 8, "LME" }, { 10, "LMA" }, { 11, "NXE" },
};
static const struct bit_name interruptibility_bits[] = {
    { 0, "blocking by STI" }, { 1, "blocking by MOV SS" }, { 2, "blocking by SMI" },
    { 3, "blocking by NMI" }, { 4, "enclave interruption" },
};
static const struct bit_name pending_debug_bits[] = {
    { 0, "B0" }, { 1, "B1" }, { 2, "B2" }, { 3, "B3" }, { 12, "enabled breakpoint" },
    { 14, "BS" }, { 16, "RTM" },
};
static const struct bit_name ept_violation_bits[] = {
    { 0, "read" }, { 1, "write" }, { 2, "fetch" }, { 3, "readable" }, { 4, "writable" },
    { 5, "executable" }, { 6, "executable in user mode" }, { 7, "linear address valid" },
    { 8, "of the linear address itself" }, { 12, "NMIs unblocked by IRET" },
};

/* ---- controls ---- */

static void add_control(struct text *t, const char *name)
{
    char words[64];
    size_t n = 0;
    for (; name[n] && n + 1 < sizeof words; n++)
        words[n] = name[n] == '_' ? ' ' : (char)tolower((unsigned char)name[n]);
    words[n] = 0;
    add(t, "%s", words);
}

static void decode_controls(struct text *t, enum control_word word, uint64_t v)
{
    struct vmx_control_bit row;
    for (unsigned k = 0; vmx_control_bit(k, &row); k++)
        if (row.word == word && row.name && v >> row.bit & 1) {
            add_control(t, row.name);
            v &= ~BIT(row.bit);
        }
    if (v)
        add(t, "others %#" PRIx64, v);
}

/* ---- events: SDM vol. 3, "VM-Entry Controls for Event Injection" ---- */

enum { INFO_ERROR = 1 << 11, INFO_UNBLOCKED = 1 << 12 };

static void decode_event(struct text *t, enum vmcs_field f, uint64_t v)
{
    static const char *const types[] = {
        "external interrupt", "type 1", "NMI", "hardware exception", "software interrupt",
        "privileged software exception", "software exception", "other event",
    };
    unsigned type = v >> 8 & 7, vector = v & 0xff;
    if (!(v >> 31 & 1)) {
        add(t, "not valid");
        return;
    }
    add(t, "%s", types[type]);
    if (type == EVENT_OTHER && !vector)
        add(t, "monitor trap flag");
    else if (type == EVENT_HARDWARE || type == EVENT_SOFTWARE_EXC || type == EVENT_PRIVILEGED_SW)
        add(t, "%s", explain_vector(vector));
    else
        add(t, "vector %u", vector);
    if (v & INFO_ERROR)
        add(t, "error code");
    if (v & INFO_UNBLOCKED && f != VM_ENTRY_INTR_INFO_FIELD)
        add(t, "NMIs unblocked by IRET");
}

/* ---- segments: SDM vol. 3, "Guest Register State" ---- */

static void decode_type(struct text *t, uint64_t v)
{
    static const char *const system[16] = {
        [1] = "16-bit TSS", [2] = "LDT", [3] = "busy 16-bit TSS",
        [9] = "TSS", [11] = "busy TSS",
    };
    if (!(v & SEG_S)) {
        if (system[v & SEG_TYPE])
            add(t, "%s", system[v & SEG_TYPE]);
        else
            add(t, "system type %u", (unsigned)v & SEG_TYPE);
        return;
    }
    bool code = v & 8;
    add(t, "%s", code ? "code" : "data");
    if (v & 4)
        add(t, "%s", code ? "conforming" : "expand-down");
    if (v & 2)
        add(t, "%s", code ? "readable" : "writable");
    if (v & 1)
        add(t, "accessed");
}

static void decode_access(struct text *t, uint64_t v)
{
    if (v & SEG_UNUSABLE)
        add(t, "unusable");
    decode_type(t, v);
    add(t, "DPL %u", (unsigned)(v >> SEG_DPL_SHIFT & 3));
    add(t, "%s", v & SEG_P ? "present" : "not present");
    if (v & SEG_AVL)
        add(t, "AVL");
    if (v & SEG_L)
        add(t, "L");
    if (v & SEG_DB)
        add(t, "D/B");
    if (v & SEG_G)
        add(t, "G");
    add_bits(t, v & ~UINT64_C(0x1f0ff), NULL, 0);
}

/* ---- VM-exit information ---- */

static void decode_reason(struct text *t, uint64_t v)
{
    add(t, "%s", vmx_exit_name((uint32_t)v));
    if (v >> 31 & 1)
        add(t, "VM-entry failure");
    static const struct bit_name bits[] = {
        { 27, "enclave mode" }, { 28, "pending MTF VM exit" }, { 29, "from VMX root operation" },
    };
    ADD_BITS(t, v & 0x7fff0000, bits);
}

static void decode_cr_access(struct text *t, uint64_t q)
{
    static const char *const gpr[16] = { "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                         "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15" };
    const char *reg = gpr[q >> 8 & 15];
    unsigned cr = q & 15;
    switch (q >> 4 & 3) {
    case 0: add(t, "MOV to CR%u from %s", cr, reg); break;
    case 1: add(t, "MOV from CR%u to %s", cr, reg); break;
    case 2: add(t, "CLTS"); break;
    default:
        add(t, "LMSW of %#x from %s", (unsigned)(q >> 16 & 0xffff), q >> 6 & 1 ? "memory" : "a register");
    }
}

static void decode_qualification(struct text *t, const struct vmcs *v)
{
    uint64_t q = v->f[EXIT_QUALIFICATION];
    switch (vmx_exit_qualification_kind((uint32_t)v->f[VM_EXIT_REASON])) {
    case QUAL_CR: decode_cr_access(t, q); break;
    case QUAL_EPT: ADD_BITS(t, q & 0x11ff, ept_violation_bits); break;
    case QUAL_DR:
        add(t, "MOV %s DR%u", q >> 4 & 1 ? "from" : "to", (unsigned)q & 7);
        break;
    case QUAL_IO:
        add(t, "%s%s%s, port %#x, %u bytes", q >> 5 & 1 ? "REP " : "", q >> 3 & 1 ? "IN" : "OUT",
            q >> 4 & 1 ? "S" : "", (unsigned)(q >> 16 & 0xffff), (unsigned)(q & 7) + 1);
        break;
    case QUAL_VECTOR: add(t, "vector %u", (unsigned)q & 0xff); break;
    default: break;
    }
}

static void decode_activity(struct text *t, uint64_t v)
{
    static const char *const states[] = { "active", "HLT", "shutdown", "wait-for-SIPI" };
    if (v < ARRAY_SIZE(states))
        add(t, "%s", states[v]);
}

/* SDM vol. 3, "Extended-Page-Table Pointer (EPTP)" */
static void decode_eptp(struct text *t, uint64_t v)
{
    add(t, "memory type %u", (unsigned)v & 7);
    add(t, "walk of %u levels", (unsigned)(v >> 3 & 7) + 1);
    if (v >> 6 & 1)
        add(t, "accessed and dirty flags");
}

/* ---- fields ---- */

static bool is_access(enum vmcs_field f)
{
    return f >= GUEST_ES_AR_BYTES && f <= GUEST_TR_AR_BYTES;
}

const char *vmcs_decode(const struct vmcs *v, enum vmcs_field f, char *out, size_t size)
{
    struct text t = { out, size, 0 };
    uint64_t value = v->f[f];
    *out = 0;
    switch (f) {
    case PIN_BASED_VM_EXEC_CONTROL: decode_controls(&t, WORD_PIN, value); break;
    case CPU_BASED_VM_EXEC_CONTROL: decode_controls(&t, WORD_PROC, value); break;
    case SECONDARY_VM_EXEC_CONTROL: decode_controls(&t, WORD_PROC2, value); break;
    case TERTIARY_VM_EXEC_CONTROL: decode_controls(&t, WORD_PROC3, value); break;
    case VM_EXIT_CONTROLS: decode_controls(&t, WORD_EXIT, value); break;
    case VM_ENTRY_CONTROLS: decode_controls(&t, WORD_ENTRY, value); break;
    case VM_ENTRY_INTR_INFO_FIELD:
    case VM_EXIT_INTR_INFO:
    case IDT_VECTORING_INFO_FIELD: decode_event(&t, f, value); break;
    case VM_EXIT_REASON: decode_reason(&t, value); break;
    case EXIT_QUALIFICATION: decode_qualification(&t, v); break;
    case VM_INSTRUCTION_ERROR:
        if (value)
            add(&t, "%s", vmx_error_text((uint32_t)value));
        break;
    case GUEST_ACTIVITY_STATE: decode_activity(&t, value); break;
    case GUEST_INTERRUPTIBILITY_INFO: ADD_BITS(&t, value, interruptibility_bits); break;
    case GUEST_PENDING_DBG_EXCEPTIONS: ADD_BITS(&t, value, pending_debug_bits); break;
    case GUEST_CR0: case HOST_CR0: case CR0_READ_SHADOW: case CR0_GUEST_HOST_MASK:
        ADD_BITS(&t, value & UINT32_MAX, cr0_bits);
        break;
    case GUEST_CR4: case HOST_CR4: case CR4_READ_SHADOW: case CR4_GUEST_HOST_MASK:
        ADD_BITS(&t, value & UINT32_MAX, cr4_bits);
        break;
    case GUEST_IA32_EFER: case HOST_IA32_EFER: ADD_BITS(&t, value, efer_bits); break;
    case GUEST_RFLAGS: ADD_BITS(&t, value, rflags_bits); break;
    case EPT_POINTER: decode_eptp(&t, value); break;
    default:
        if (is_access(f))
            decode_access(&t, value);
    }
    return out;
}
