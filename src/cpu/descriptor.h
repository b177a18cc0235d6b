// SPDX-License-Identifier: Apache-2.0
// Segment and system descriptors: fetching, checking, and the preparation of segment registers.
// Nothing here changes a segment register: callers get a struct segment and commit it when no
// fault can follow any more (SDM vol. 3, "Protected-Mode Memory Management").
#ifndef SP_CPU_DESCRIPTOR_H
#define SP_CPU_DESCRIPTOR_H

#include "cpu/access.h"
#include "cpu/cpu.h"

/* Types of system descriptors (SDM vol. 3, "System Descriptor Types"). */
enum {
    SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4, SYS_TASK_GATE = 5,
    SYS_INT16 = 6, SYS_TRAP16 = 7, SYS_TSS32 = 9, SYS_TSS32_BUSY = 11, SYS_CALL32 = 12,
    SYS_INT32 = 14, SYS_TRAP32 = 15, TSS_BUSY_BIT = 2,
};
/* Bits of the type of code and data descriptors. */
enum { TYPE_ACCESSED = 1, TYPE_WRITABLE = 2, TYPE_READABLE = 2, TYPE_EXPAND_DOWN = 4,
       TYPE_CONFORMING = 4, TYPE_CODE = 8 };

struct descriptor {
    uint64_t raw;          /* the first eight bytes                                               */
    uint64_t high;         /* the second eight, of 16-byte descriptors in IA-32e mode; else 0     */
    uint64_t linear;       /* where it stands                                                     */
    struct segment seg;    /* what a segment register would get; selector as given                */
};

/* A gate, 8 or 16 bytes: call, interrupt, trap or task. */
struct gate {
    uint64_t offset;
    uint16_t selector;
    uint8_t count;         /* parameters (call gate), or IST index (64-bit interrupt gate)        */
};

/* Record a fault and say false: for functions that return bool. */
static inline bool refuse(struct cpu *c, enum exception vector, uint32_t code)
{
    cpu_raise_code(c, vector, code);
    return false;
}

static inline bool is_null(uint16_t selector) { return !(selector & 0xfffc); }
static inline unsigned selector_rpl(uint16_t selector) { return selector & 3; }
static inline unsigned seg_type(const struct segment *s) { return s->access & SEG_TYPE; }
static inline unsigned seg_dpl(const struct segment *s) { return s->access >> SEG_DPL_SHIFT & 3; }
static inline bool seg_present(const struct segment *s) { return s->access & SEG_P; }
static inline bool seg_is_system(const struct segment *s) { return !(s->access & SEG_S); }
static inline bool seg_is_code(const struct segment *s)
{
    return (s->access & SEG_S) && (s->access & TYPE_CODE);
}
static inline bool seg_is_conforming(const struct segment *s)
{
    return seg_is_code(s) && (s->access & TYPE_CONFORMING);
}
static inline bool seg_is_writable_data(const struct segment *s)
{
    return (s->access & (SEG_S | TYPE_CODE | TYPE_WRITABLE)) == (SEG_S | TYPE_WRITABLE);
}
static inline bool seg_is_readable(const struct segment *s)
{
    return (s->access & SEG_S) && (!(s->access & TYPE_CODE) || (s->access & TYPE_READABLE));
}
/* A linear address as this mode computes it: 32 bits outside IA-32e mode. */
static inline uint64_t linear_wrap(const struct cpu *c, uint64_t a)
{
    return in_long_mode(c) ? a : (uint32_t)a;
}

/* Does an access of n bytes at `offset` stay within the limit of a segment?  Not for 64-bit mode.
 */
bool segment_covers(const struct segment *s, uint64_t offset, unsigned n);
/* May RIP become `offset` in code segment cs?  Canonical in 64-bit code, else within the limit. */
bool code_target_ok(const struct cpu *c, const struct segment *cs, uint64_t offset);

/* Reads the descriptor that a non-null selector names.  False: `vector`(selector) when the table is
 * too short, or a fault of the access itself. */
bool descriptor_fetch(struct cpu *c, uint16_t selector, enum exception vector,
                      struct descriptor *d);
/* The same without #GP for a selector beyond the table (LAR, LSL, VERR, VERW): *found says.  False
 * only for faults of the access itself. */
bool descriptor_probe(struct cpu *c, uint16_t selector, struct descriptor *d, bool *found);
/* Bits 12:8 of the fourth doubleword of a 16-byte descriptor must be 0. */
static inline bool descriptor_high_ok(const struct descriptor *d)
{
    return !(d->high >> 40 & 0x1f);
}
/* Replaces bits of the type in memory: the accessed bit, the busy bit. */
bool descriptor_write_type(struct cpu *c, const struct descriptor *d, unsigned set, unsigned clear);
/* Sets the accessed bit in memory and in d->seg unless it is set. */
bool descriptor_set_accessed(struct cpu *c, struct descriptor *d);
/* The fields of a gate descriptor. */
struct gate descriptor_gate(const struct cpu *c, const struct descriptor *d);

/* A null selector's segment; SS keeps the DPL, which is the CPL. */
struct segment segment_null(uint16_t selector, unsigned dpl);
/* What a segment register gets in real-address and virtual-8086 mode. */
struct segment segment_real(const struct cpu *c, enum seg s, uint16_t selector);
/* The flat segments that SYSCALL, SYSENTER and their returns load. */
struct segment segment_flat_code(uint16_t selector, unsigned dpl, bool long_mode);
struct segment segment_flat_stack(uint16_t selector, unsigned dpl);

/* MOV, POP and LxS to ES, SS, DS, FS or GS in the current mode, with all checks. */
bool segment_prepare(struct cpu *c, enum seg s, uint16_t selector, struct segment *out);
/* SS for privilege level `cpl`: faults are `vector`(selector), #SS(selector) if not present.  A
 * null selector is refused with vector(0). */
bool segment_prepare_stack(struct cpu *c, uint16_t selector, unsigned cpl, enum exception vector,
                           struct segment *out);
/* ES, DS, FS or GS for privilege level `cpl`, with `vector` (#GP, or #TS in a task switch). */
bool segment_prepare_data(struct cpu *c, uint16_t selector, unsigned cpl, enum exception vector,
                          struct segment *out);
/* LDTR: null is allowed. */
bool segment_prepare_ldt(struct cpu *c, uint16_t selector, enum exception vector,
                         struct segment *out);
/* After a return to an outer level: data segments that it may not use become null. */
void segments_drop_privileged(struct cpu *c);

#endif
