// SPDX-License-Identifier: Apache-2.0
// Other guests than the 64-bit one of vmx_guest.h, and code that the host runs itself.
#ifndef SP_TESTS_VMX_MODES_H
#define SP_TESTS_VMX_MODES_H

#include "vmx_guest.h"

enum {
    BITMAP = 0x220000, LIST = 0x222000, GUEST_TABLES = 0x230000, GUEST_TSS = 0x35000,
    KERNEL_STACK = 0x60000, HOST_IDT = 0x38000, HOST_HANDLERS = 0x39000, HOST_SNIPPET = 0x3a000,
    HOST_TABLES = 0x240000,
};
#define VALID UINT32_C(0x80000000)
/* Where the VMCALL of the handler of vector n stands. */
#define HANDLER(n) (GUEST_HANDLERS + 4u * (n))
#define EVENT(type, vector) (VALID | (uint32_t)(type) << 8 | (vector))
#define EVENT_CODE(type, vector) (EVENT(type, vector) | 1u << 11)

static inline void clear_bits(struct vm *v, enum vmcs_field f, uint64_t zeros)
{
    put(v, f, get(v, f) & ~zeros);
}
static inline void use_debug_controls(struct vm *v)
{
    put_bits(v, VM_ENTRY_CONTROLS, ENTRY_LOAD_DEBUG_CONTROLS);
    put_bits(v, VM_EXIT_CONTROLS, EXIT_SAVE_DEBUG_CONTROLS);
}
static inline void inject_event(struct vm *v, uint32_t info, unsigned length)
{
    put(v, VM_ENTRY_INTR_INFO_FIELD, info);
    put(v, VM_ENTRY_INSTRUCTION_LEN, length);
}
static inline uint64_t load(struct vm *v, uint64_t at, unsigned size)
{
    return mem_read_le(v->mem, at, size);
}
static inline void store(struct vm *v, uint64_t at, unsigned size, uint64_t value)
{
    mem_write_le(v->mem, at, size, value);
}
/* Replaces the handler of a vector: at most four bytes of code, little-endian. */
static inline void set_handler(struct vm *v, unsigned vector, uint32_t code)
{
    store(v, HANDLER(vector), 4, code);
}

/* ---- guests ---- */

static inline void use_segments(struct vm *v, uint32_t code, uint32_t data, unsigned rpl)
{
    for (unsigned s = ES; s <= GS; s++) {
        put(v, GUEST_ES_SELECTOR + s, (s == CS ? 8u : 16u) + rpl);
        put(v, GUEST_ES_BASE + s, 0);
        put(v, GUEST_ES_LIMIT + s, 0xffffffff);
        put(v, GUEST_ES_AR_BYTES + s, (s == CS ? code : data) | rpl << SEG_DPL_SHIFT);
    }
}

/* 64-bit code at CPL 3; the TSS has a stack for the handlers. */
static inline void user_guest(struct vm *v)
{
    use_segments(v, 0xa09b, 0xc093, 3);
    put(v, GUEST_CS_SELECTOR, 0x23);
    put(v, GUEST_TR_BASE, GUEST_TSS);
    store(v, GUEST_TSS + 4, 8, KERNEL_STACK);
    store(v, GUEST_TSS + 102, 2, 0x68);    /* no I/O map */
}

static inline void write_gates_32(struct vm *v)
{
    store(v, GUEST_GDT + 8, 8, UINT64_C(0x00cf9b000000ffff));
    for (unsigned n = 0; n < 256; n++)
        store(v, GUEST_IDT + 8 * n, 8,
              (HANDLER(n) & 0xffff) | 8 << 16 | UINT64_C(0x8e00) << 32 |
                  (uint64_t)(HANDLER(n) >> 16) << 48);
    put(v, GUEST_IDTR_LIMIT, 0x7ff);
}

/* 32-bit code, 32-bit paging in 4-MByte pages. */
static inline void guest_32(struct vm *v)
{
    clear_bits(v, VM_ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST);
    for (unsigned k = 0; k < 1024; k++)
        store(v, GUEST_TABLES + 4 * k, 4, k << 22 | 0xe7);
    put(v, GUEST_CR3, GUEST_TABLES);
    put(v, GUEST_CR4, CR4_VMXE | CR4_PSE);
    use_segments(v, 0xc09b, 0xc093, 0);
    put(v, GUEST_TR_BASE, GUEST_TSS);
    store(v, GUEST_TSS + 4, 4, KERNEL_STACK);
    store(v, GUEST_TSS + 8, 4, 16);
    store(v, GUEST_TSS + 102, 2, 0x68);
    write_gates_32(v);
}

/* The same with PAE paging in 2-MByte pages. */
static inline void guest_pae(struct vm *v)
{
    guest_32(v);
    for (unsigned k = 0; k < 4; k++)
        store(v, GUEST_TABLES + 8 * k, 8, (GUEST_TABLES + 0x1000 + 0x1000 * k) | 1);
    for (uint64_t k = 0; k < 2048; k++)
        store(v, GUEST_TABLES + 0x1000 + 8 * k, 8, k << 21 | 0xe7);
    put(v, GUEST_CR4, CR4_VMXE | CR4_PAE);
    for (unsigned k = 0; k < 4; k++)
        put(v, GUEST_PDPTE0 + k, load(v, GUEST_TABLES + 8 * k, 8));
}

static inline void flat_16(struct vm *v, uint32_t access)
{
    for (unsigned s = ES; s <= GS; s++) {
        put(v, GUEST_ES_SELECTOR + s, GUEST_CODE >> 4);
        put(v, GUEST_ES_BASE + s, GUEST_CODE);
        put(v, GUEST_ES_LIMIT + s, 0xffff);
        put(v, GUEST_ES_AR_BYTES + s, access);
    }
    put(v, GUEST_RIP, 0);
    put(v, GUEST_RSP, 0x1000);
}

static inline void guest_v86(struct vm *v, unsigned iopl)
{
    guest_32(v);
    put(v, GUEST_RFLAGS, 2 | FLAG_VM | (uint64_t)iopl << 12);
    flat_16(v, 0xf3);
}

static inline void guest_real(struct vm *v)
{
    use_ept(v);
    put_bits(v, SECONDARY_VM_EXEC_CONTROL, PROC2_UNRESTRICTED_GUEST);
    clear_bits(v, VM_ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST);
    put(v, GUEST_CR0, CR0_NE);
    put(v, GUEST_CR4, CR4_VMXE);
    flat_16(v, 0x93);
    put(v, GUEST_IDTR_BASE, 0);
    put(v, GUEST_IDTR_LIMIT, 0x3ff);
    for (unsigned n = 0; n < 256; n++)     /* seg:offset of HANDLER(n) */
        store(v, 4 * n, 4, (GUEST_HANDLERS >> 4) << 16 | 4 * n);
}

/* 4-KByte EPT pages for the first 2 MBytes. */
static inline uint64_t ept_pte(uint64_t gpa) { return EPT_TABLES + 0x3000 + (gpa >> 12) * 8; }
static inline void use_small_ept(struct vm *v)
{
    use_ept(v);
    store(v, EPT_TABLES + 0x2000, 8, (EPT_TABLES + 0x3000) | 7);
    for (uint64_t k = 0; k < 512; k++)
        store(v, EPT_TABLES + 0x3000 + 8 * k, 8, k << 12 | 0x37);
}

/* ---- the host ---- */

/* An IDT for the host: the handler of each vector halts at HOST_HANDLERS + 16 * vector. */
static inline void host_catches(struct vm *v)
{
    for (unsigned n = 0; n < 32; n++) {
        uint64_t at = HOST_HANDLERS + 16 * n;
        store(v, HOST_IDT + 16 * n, 8,
              (at & 0xffff) | 8 << 16 | UINT64_C(0x8e00) << 32 | (at >> 16) << 48);
        store(v, HOST_IDT + 16 * n + 8, 8, 0);
        store(v, at, 1, 0xf4);
    }
    v->c->idtr = (struct dtable){ HOST_IDT, 0x1ff };
    v->c->gdtr = (struct dtable){ GUEST_GDT, 0x1f };
}

/* Runs code that ends in HLT in the host.  The vector of the exception that stopped it, or -1. */
static inline int host_runs(struct vm *v, const uint8_t *start, const uint8_t *end)
{
    mem_write(v->mem, HOST_SNIPPET, start, (size_t)(end - start));
    host_catches(v);
    v->c->gpr[RSP] = BARE_STACK;
    wake_at(v, HOST_SNIPPET);
    uint64_t at = v->c->rip - 1;
    return at >= HOST_HANDLERS && at < HOST_SNIPPET ? (int)(at - HOST_HANDLERS) / 16 : -1;
}
#define HOST_RUNS(v, program) host_runs(v, program##_start, program##_end)

/* The outcome of the VMX instruction that ran last: 0, -1 for VMfailInvalid, or the error. */
static inline int64_t vmx_result(struct vm *v)
{
    uint64_t flags = flags_status(v->c);
    if (flags & FLAG_ZF)
        return (int64_t)get(v, VM_INSTRUCTION_ERROR);
    cr_expect_eq(flags & ~(uint64_t)FLAG_CF, 0);
    return flags & FLAG_CF ? -1 : 0;
}

#endif
