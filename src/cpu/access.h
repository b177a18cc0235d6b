// SPDX-License-Identifier: Apache-2.0
// What handlers use to read and write registers, operands and memory, and to fault.
// Every function that returns bool returns false when c->event holds a fault (or a VM exit has
// happened: cpu_fault_outcome() tells which); the handler then returns at once and has written
// nothing.
#ifndef SP_CPU_ACCESS_H
#define SP_CPU_ACCESS_H

#include "cpu/flags.h"
#include "cpu/insn.h"
#include "mem/phys.h"

enum access_kind { ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE };

/* ---- faults ---- */

/* Record an exception and return FAULTED: `return cpu_raise(c, EXC_UD)`. */
enum outcome cpu_raise(struct cpu *c, enum exception vector);
enum outcome cpu_raise_code(struct cpu *c, enum exception vector, uint32_t error_code);
/* What a handler returns after a bool accessor said false: FAULTED, or EXITED when the access ended
 * in a VM exit (EPT violation, APIC access ...). */
enum outcome cpu_fault_outcome(struct cpu *c);
#define FAULT_IF(condition) do { if (unlikely(condition)) return cpu_fault_outcome(c); } while (0)

/* ---- registers ---- */

static inline uint64_t reg_read(const struct cpu *c, unsigned r, unsigned size)
{
    if (size == 1 && r >= REG_HIGH)
        return c->gpr[r - REG_HIGH] >> 8 & 0xff;
    return c->gpr[r] & size_mask(size);
}
/* 32-bit writes clear the upper half; 8- and 16-bit writes keep the rest. */
static inline void reg_write(struct cpu *c, unsigned r, unsigned size, uint64_t v)
{
    switch (size) {
    case 1:
        if (r >= REG_HIGH)
            c->gpr[r - REG_HIGH] = (c->gpr[r - REG_HIGH] & ~UINT64_C(0xff00)) | (v & 0xff) << 8;
        else
            c->gpr[r] = (c->gpr[r] & ~UINT64_C(0xff)) | (v & 0xff);
        break;
    case 2: c->gpr[r] = (c->gpr[r] & ~UINT64_C(0xffff)) | (v & 0xffff); break;
    case 4: c->gpr[r] = (uint32_t)v; break;
    default: c->gpr[r] = v; break;
    }
}

/* EDX:EAX */
static inline uint64_t pair_read(const struct cpu *c)
{
    return (uint32_t)c->gpr[RAX] | c->gpr[RDX] << 32;
}
static inline void pair_write(struct cpu *c, uint64_t v)
{
    c->gpr[RAX] = (uint32_t)v;
    c->gpr[RDX] = v >> 32;
}

/* ---- memory by segment and offset: segment checks, canonical check, paging, EPT, #AC ---- */

/* Effective address of i's memory operand: offset within its segment, truncated to the address
 * size. */
static inline uint64_t insn_ea(const struct cpu *c, const struct insn *i)
{
    uint64_t ea = c->gpr[i->rm] + (c->gpr[i->index] << (i->sib & 3)) + (uint64_t)(int64_t)i->disp;
    return ea & size_mask(insn_asize(i));
}
/* size 1, 2, 4 or 8; values are zero-extended. */
bool seg_read(struct cpu *c, enum seg s, uint64_t offset, unsigned size, uint64_t *value);
bool seg_write(struct cpu *c, enum seg s, uint64_t offset, unsigned size, uint64_t value);
/* Any n up to 4096: for SSE, x87, descriptors, FXSAVE.  `align` is 0, or a power of two that the
 * linear address must be a multiple of (#GP(0) if not). */
bool seg_read_bytes(struct cpu *c, enum seg s, uint64_t offset, void *buffer, unsigned n,
                    unsigned align);
bool seg_write_bytes(struct cpu *c, enum seg s, uint64_t offset, const void *buffer, unsigned n,
                     unsigned align);
/* Does all checks of a write of n bytes without writing: a later seg_write of that range cannot
 * fault. */
bool seg_probe_write(struct cpu *c, enum seg s, uint64_t offset, unsigned n);
/* #GP(0) if the linear address is no multiple of `align`, a power of two; 0: any will do. */
bool seg_aligned(struct cpu *c, enum seg s, uint64_t offset, unsigned align);
/* The segment's checks and #AC, for an operand of `unit` bytes whose bytes are then written one by
 * one. */
bool seg_check_alignment(struct cpu *c, enum seg s, uint64_t offset, unsigned unit);
/* Segment and canonical checks only; *linear is the linear address. */
bool seg_linear(struct cpu *c, enum seg s, uint64_t offset, unsigned n, bool write,
                uint64_t *linear);

/* Host address of the n bytes at s:offset if they lie in one page of plain RAM that the TLB knows
 * for this kind of access and no check can fail; else NULL: take the slow path.  Raises nothing. */
uint8_t *linear_host(struct cpu *c, enum seg s, uint64_t offset, unsigned n, enum access_kind kind);
/* To be called for what linear_host() has given once its bytes were read or written: traces get
 * them. */
void linear_host_used(struct cpu *c, enum seg s, uint64_t offset, unsigned n,
                      enum access_kind kind);

/* Read-modify-write of one operand: rmw_read does all checks for writing, rmw_write cannot fault.
 * The operand may also be a register: the same code serves both. */
struct rmw {
    uint64_t value;          /* zero-extended */
    uint8_t *host;           /* set when the operand is plain RAM: it may be written directly */
    uint64_t pa[2];       /* physical address of the first part, and of the part on a second page */
    uint64_t linear;      /* where there is no `host` */
    uint8_t first;           /* bytes of the first part */
    uint8_t size;
    uint8_t reg;             /* register number if !is_mem */
    bool is_mem;
};
bool rmw_read(struct cpu *c, enum seg s, uint64_t offset, unsigned size, struct rmw *r);
void rmw_write(struct cpu *c, const struct rmw *r, uint64_t value);

/* ---- the operands of i ---- */

static inline bool rm_read(struct cpu *c, const struct insn *i, unsigned size, uint64_t *v)
{
    if (insn_is_mem(i))
        return seg_read(c, insn_seg(i), insn_ea(c, i), size, v);
    *v = reg_read(c, i->rm, size);
    return true;
}
static inline bool rm_write(struct cpu *c, const struct insn *i, unsigned size, uint64_t v)
{
    if (insn_is_mem(i))
        return seg_write(c, insn_seg(i), insn_ea(c, i), size, v);
    reg_write(c, i->rm, size, v);
    return true;
}
/* The far pointer that is i's memory operand: an offset of i's operand size, then the selector. */
static inline bool far_pointer_read(struct cpu *c, const struct insn *i, uint64_t *offset,
                                    uint16_t *selector)
{
    uint64_t ea = insn_ea(c, i), v;
    if (!seg_read(c, insn_seg(i), ea, i->size, offset) ||
        !seg_read(c, insn_seg(i), (ea + i->size) & size_mask(insn_asize(i)), 2, &v))
        return false;
    *selector = (uint16_t)v;
    return true;
}
/* The source of i by its shape: register, r/m, immediate or CL; size i->size. */
bool src_read(struct cpu *c, const struct insn *i, uint64_t *v);
/* The destination of i by its shape, to be written with rmw_write (register or memory). */
bool dst_rmw(struct cpu *c, const struct insn *i, struct rmw *r);
/* The destination's value alone (CMP, TEST): read access only. */
bool dst_read(struct cpu *c, const struct insn *i, uint64_t *v);

/* ---- stack: SS:rSP with the stack's address size ---- */

unsigned stack_asize(const struct cpu *c);                         /* 2, 4 or 8 */
bool push(struct cpu *c, unsigned size, uint64_t value);           /* rSP changes only on success */
bool pop(struct cpu *c, unsigned size, uint64_t *value);           /* idem */
static inline void stack_pointer_write(struct cpu *c, uint64_t v)  /* keeps the upper part of rSP */
{
    unsigned n = stack_asize(c);
    c->gpr[RSP] = n == 8 ? v : (c->gpr[RSP] & ~size_mask(n)) | (v & size_mask(n));
}

/* ---- branches ---- */

/* Truncates *rip to opsize and checks it against CS's limit or canonicality: false with #GP(0). */
bool branch_target(struct cpu *c, uint64_t *rip, unsigned opsize);
/* Near jump to `rip` (truncated to opsize 2 or 4; canonical or CS-limit check: #GP(0)).  JUMPED. */
enum outcome jump_near(struct cpu *c, uint64_t rip, unsigned opsize);

/* ---- system accesses by linear address (descriptor tables, TSS, IDT): implicit supervisor ---- */

bool linear_read_system(struct cpu *c, uint64_t linear, void *buffer, unsigned n);
bool linear_write_system(struct cpu *c, uint64_t linear, const void *buffer, unsigned n);

/* After an access: breakpoints that it meets become pending debug exceptions. */
void check_data_breakpoints(struct cpu *c, uint64_t linear, unsigned n, bool write);

/* ---- paging (paging.c) ---- */

/* Translates one linear address for an access, with the exact fault, A/D updates and EPT.
 * `user` says whether the access is a user-mode access; `implicit` marks system accesses (SMAP). */
bool linear_translate(struct cpu *c, uint64_t linear, enum access_kind kind, bool user,
                      bool implicit, uint64_t *pa);
/* The same for a shadow-stack access (SDM vol. 3, "Determination of Access Rights"); the TLB does
 * not remember it. */
bool shadow_translate(struct cpu *c, uint64_t linear, enum access_kind kind, bool user,
                      uint64_t *pa);
/* The fetch of one byte at `linear` by the current code segment's privilege, through the fetch TLB.
 */
bool fetch_translate(struct cpu *c, uint64_t linear, uint64_t *pa);
/* For debuggers and the explainer: no faults, no A/D updates; false if not mapped. */
bool linear_peek(struct cpu *c, uint64_t linear, uint64_t *pa);
/* The same, and what paging says of the page: its address before EPT, and the PAT entry that it
 * selects (0 while paging is off). */
struct linear_page {
    uint64_t physical, guest_physical;
    unsigned pat_entry;
};
bool linear_peek_page(struct cpu *c, uint64_t linear, struct linear_page *p);

/* What the protection key in the entry that maps a page disables (SDM vol. 3, "Protection Keys"):
 * by PKRU for a user-mode address, by IA32_PKRS for a supervisor-mode one; 0 if keys are not in
 * use. */
enum { KEY_ACCESS_DISABLE = 1 << 0 /* of data */, KEY_WRITE_DISABLE = 1 << 1 };
unsigned key_rights(const struct cpu *c, uint64_t leaf, bool user_page);

/* ---- TLB (tlb.c) ---- */

/* Linear and combined mappings go (SDM vol. 3, "Invalidation of TLBs and Paging-Structure Caches"
 * and "Invalidating Cached Translation Information").  The TLB may lose more than a name says; with
 * -tlb sticky and --strict tlb it is the letter that counts. */
void tlb_flush_all(struct cpu *c);
/* The same, and the TLB is as a new one: it fills and evicts as it did from the first entry on. */
void tlb_restart(struct cpu *c);
/* Of one VPID, with all PCIDs, global pages and EPTRTAs. */
void tlb_flush_vpid(struct cpu *c, uint16_t vpid);
/* Of a VPID and PCID (0 while CR4.PCIDE = 0), or of all its PCIDs; not global pages. */
enum { TLB_ANY_PCID = -1 };
void tlb_flush_pcid(struct cpu *c, uint16_t vpid, int pcid);
/* Of one linear page in a VPID, global or not, with all PCIDs; the whole page if it is large. */
void tlb_flush_page(struct cpu *c, uint16_t vpid, uint64_t linear);
/* The same as INVLPG and page faults do: current VPID and PCID, and global pages. */
void tlb_flush_linear(struct cpu *c, uint64_t linear);
/* ... and as INVPCID does: one PCID of the current VPID, not global pages. */
void tlb_flush_page_pcid(struct cpu *c, uint16_t pcid, uint64_t linear);
/* What MOV to CR3 and VM transitions do to a VPID and PCID, or all PCIDs: translations that a walk
 * would find again stay, for no paging structure that they came from has been written since. */
void tlb_refresh(struct cpu *c, uint16_t vpid, int pcid);
/* A walk has read an entry of a paging structure at a host-physical address. */
void tlb_watch_table(struct cpu *c, uint64_t pa);
static inline void tlb_depends_on(struct cpu *c, uint64_t pa)
{
    if (unlikely(!mem_table_watched(c->mem, pa)))
        tlb_watch_table(c, pa);
}
/* Of all VPIDs but 0000H. */
void tlb_flush_all_vpids(struct cpu *c);
/* Combined and guest-physical mappings of one EPTRTA given by its EPTP, or of all. */
void tlb_flush_ept(struct cpu *c, uint64_t eptp);
void tlb_flush_all_ept(struct cpu *c);
/* The VPID that accesses use now: 0000H outside VMX non-root operation or without VPIDs. */
uint16_t tlb_vpid(const struct cpu *c);
/* The PCID that accesses use now. */
static inline uint16_t tlb_pcid(const struct cpu *c)
{
    return c->cr4 & CR4_PCIDE ? c->cr3 & 0xfff : 0;
}
/* To be called after any change of CPL, CR0, CR3, CR4, EFER, RFLAGS.AC/VM, segments' flatness, VMX
 * mode or intercepts, DR7: recomputes the decode mode, the TLB view and the address space, and
 * makes the block end after this instruction. */
void cpu_mode_changed(struct cpu *c);
/* Drops write entries for a host page that is about to hold decoded code. */
void tlb_forget_writes(struct cpu *c, const uint8_t *host_page);
/* Remembers a translation for the current view; kind ACCESS_EXECUTE fills the fetch TLB.
 * `page_mask` holds the bits of the linear address that are the offset in its page. */
void tlb_fill(struct cpu *c, uint64_t linear, uint64_t page_mask, uint64_t pa,
              enum access_kind kind);
/* The same for an access that was not made: no entry in use gives way. */
void tlb_fill_spare(struct cpu *c, uint64_t linear, uint64_t page_mask, uint64_t pa,
                    enum access_kind kind);
/* The same, when only CPL or AC changed the privilege (kept separate because it is frequent). */
void cpu_privilege_changed(struct cpu *c);

/* Accesses at `linear`, in one page, which was translated to pa before: of the system, and to a
 * stack. */
uint64_t located_load(struct cpu *c, uint64_t linear, uint64_t pa, unsigned n);
void located_store(struct cpu *c, uint64_t linear, uint64_t pa, unsigned n, uint64_t value);
void located_push(struct cpu *c, uint64_t linear, uint64_t pa, const uint8_t *bytes, unsigned n);

#endif
