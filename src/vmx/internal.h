// SPDX-License-Identifier: Apache-2.0
// The state of VMX on one logical processor, and what the files of this folder offer each other.
#ifndef SP_VMX_INTERNAL_H
#define SP_VMX_INTERNAL_H

#include "cpu/cpu.h"
#include "cpu/vmx_ops.h"
#include "vmx/capability.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

#define NO_VMCS (~UINT64_C(0))

struct vmx {
    uint64_t vmxon_pointer;
    uint64_t current;               /* address of the current VMCS, NO_VMCS: none                 */
    struct vmcs vmcs;               /* its native form                                            */
    const uint64_t *cap;            /* the model's capability MSRs                                */
    bool exists[VMCS_FIELD_COUNT];

    /* Non-root operation: controls in force since VM entry (proc2, proc3, exit2: 0 if not
     * activated). */
    uint32_t pin, proc, proc2, proc3, exit, exit2;
    uint64_t exit_mask, undefined_mask; /* see struct vmx_ops                                    */
    uint64_t timer_due;             /* tick at which the preemption timer reaches 0               */
    uint64_t guest_deadline;        /* of the virtual APIC timer, as a TSC value; 0: not armed    */
    bool injecting;                 /* the next event is VM entry's: it makes no exit itself      */
    bool virtual_nmi_blocking;
    uint64_t unblocked_rip, unblocked_tick;   /* of the last IRET that unblocked NMIs             */
    uint64_t pause_first, pause_last; /* ticks in the loop of PAUSEs that runs                    */
    bool pausing;
    uint32_t apic_write; /* page offset of a write to be emulated, or UINT32_MAX       */
    uint32_t apic_exit;  /* reason of the trap-like exit that is due, 0: none          */
    uint64_t apic_qualification;

    bool long_mode;                 /* IA32_EFER.LMA at the last check of the host-state area     */
    uint32_t abort;                 /* VMX-abort indicator                                        */
    struct vmx_stats stats;
    uint64_t traced;                /* instructions of this processor at the last VM entry or exit
                                       that was traced                                           */
};

static inline struct vmcs *current_vmcs(struct cpu *c) { return &c->vmx->vmcs; }
static inline uint64_t vmcs_field(const struct cpu *c, enum vmcs_field f)
{
    return c->vmx->vmcs.f[f];
}

/* ---- exit.c ---- */

struct vm_exit {
    uint32_t reason;
    uint32_t instruction_info;
    uint32_t event_info, event_error; /* VM-exit interruption information, with its valid bit  */
    uint64_t qualification;
    uint64_t linear, physical;
    bool has_linear, has_physical;
    bool has_length;  /* the instruction's length is to be saved               */
    bool at_rip;      /* c->rip is exact although an instruction runs          */
    bool vectoring;   /* the reason can occur in event delivery                */
    bool saves_debug; /* pending debug exceptions are saved                    */
    bool set_rf;      /* RFLAGS.RF is saved as 1                               */
    bool clear_rf;    /* ... as 0: an instruction exits by its nature          */
};
/* Performs a VM exit: saves the guest, loads the host.  Memory accessors also set c->vm_exited. */
void vm_exit(struct cpu *c, const struct vm_exit *x);
/* A VM-entry failure after the guest state was begun to load: exit reason 33 or 34. */
void vm_exit_failed_entry(struct cpu *c, uint32_t reason, uint64_t qualification);
/* RIP of the instruction that runs; c->rip is exact at boundaries and while an event is delivered.
 */
static inline uint64_t guest_rip(const struct cpu *c)
{
    return c->current && !c->is_delivering ? insn_rip(c, c->current) : c->rip;
}
/* CR0 bits that VM entry and VM exit leave alone (SDM, "Loading Host Control Registers ..."). */
#define CR0_KEPT                                                                                   \
    (~(uint64_t)(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_PG))

/* ---- enter.c ---- */

/* VMLAUNCH and VMRESUME after the basic checks. */
enum outcome vm_enter(struct cpu *c, bool resume);
/* A VMLAUNCH or VMRESUME that VMfails: tells the hooks. */
void vm_entry_refused(struct cpu *c, bool resume, uint32_t error);

/* ---- trace.c: what a trace gets, if it wants it ---- */

struct entry_failure;
void vmx_trace_entry(struct cpu *c);
void vmx_trace_failure(struct cpu *c, const struct entry_failure *f);
void vmx_trace_exit(struct cpu *c, uint32_t reason);
void vmx_trace_access(struct cpu *c, uint64_t vmcs, uint64_t encoding, uint64_t value, bool write);

/* ---- msr_list.c ---- */

/* Loads the list; returns 0, or the 1-based number of the entry that cannot be loaded. */
uint32_t msr_list_load(struct cpu *c, uint64_t address, uint32_t count, uint32_t *index,
                       uint64_t *value);
bool msr_list_store(struct cpu *c, uint64_t address, uint32_t count);

/* ---- insn.c: outcomes of VMX instructions (SDM, "Conventions") ---- */

enum outcome vm_succeed(struct cpu *c);
enum outcome vm_fail_invalid(struct cpu *c);
enum outcome vm_fail_valid(struct cpu *c, uint32_t error);
enum outcome vm_fail(struct cpu *c, uint32_t error);
enum outcome vmx_instruction(struct cpu *c, const struct insn *i, enum vmx_insn which);

/* ---- insn_info.c ---- */

/* The displacement as exit qualifications report it: sign-extended, RIP-relative resolved. */
uint64_t displacement_of(const struct cpu *c, const struct insn *i);
/* VM-exit instruction information for a VMX instruction, INVPCID, XSAVES, XRSTORS, or
 * descriptor-table access. */
uint32_t info_memory(const struct insn *i);
uint32_t info_memory_reg2(const struct insn *i);
uint32_t info_operands(const struct insn *i);          /* VMREAD, VMWRITE */
uint32_t info_table(const struct insn *i);             /* SGDT SIDT LGDT LIDT */
uint32_t info_selector(const struct insn *i);          /* SLDT STR LLDT LTR */
uint32_t info_random(const struct insn *i);            /* RDRAND RDSEED */
uint32_t info_wait(const struct insn *i);              /* TPAUSE UMWAIT */
uint32_t info_string_io(const struct insn *i);         /* INS OUTS */

/* ---- intercept.c, intercept_event.c, ept.c, timer.c: entries of struct vmx_ops ---- */

void intercept_prepare(struct cpu *c);      /* masks, from the controls in force */
uint64_t vmx_exit_mask(struct cpu *c);
uint64_t vmx_undefined_mask(struct cpu *c);
enum outcome vmx_instruction_exit(struct cpu *c, const struct insn *i, unsigned reason);
bool vmx_io_exit(struct cpu *c, const struct insn *i, uint16_t port, unsigned size, bool in,
                 bool string, uint64_t linear);
bool vmx_xss_exit(struct cpu *c, const struct insn *i, uint64_t mask, unsigned reason);

/* ---- intercept_msr.c ---- */

bool vmx_msr_exit(struct cpu *c, enum msr_insn which, uint32_t index, uint64_t value);
bool vmx_msr_list_exit(struct cpu *c, enum msr_insn which);
bool vmx_msr_read(struct cpu *c, uint32_t index, uint64_t *value);
bool vmx_msr_write(struct cpu *c, uint32_t index, uint64_t value, enum outcome *o);
uint64_t vmx_tsc(struct cpu *c, uint64_t tsc);

/* ---- intercept_cr.c ---- */

bool vmx_cr_write_exit(struct cpu *c, const struct insn *i, unsigned cr, unsigned gpr,
                       uint64_t *value);
bool vmx_cr_read_exit(struct cpu *c, const struct insn *i, unsigned cr, unsigned gpr);
bool vmx_clts_exit(struct cpu *c, const struct insn *i, bool *execute);
bool vmx_lmsw_exit(struct cpu *c, const struct insn *i, uint16_t source, bool memory,
                   uint64_t linear, uint64_t *cr0);
bool vmx_cr8_read(struct cpu *c, uint64_t *value);
bool vmx_cr8_write(struct cpu *c, uint64_t value, enum outcome *o);
uint64_t vmx_cr_visible(struct cpu *c, unsigned cr);
bool vmx_cr_fixed_ok(struct cpu *c, unsigned cr, uint64_t value);

/* ---- apic.c ---- */

/* After the guest is loaded: virtual interrupts are evaluated, a TPR below the threshold exits. */
void apic_enter(struct cpu *c);
/* An access whose translation led to the APIC-access page: *hpa moves to the virtual-APIC page, or
 * false: a VM exit has happened. */
bool apic_page_access(struct cpu *c, const struct guest_physical *g, uint64_t *hpa,
                      unsigned *page_ok);
/* After an instruction: emulates a write to the page; true if a VM exit is due. */
bool apic_boundary(struct cpu *c, uint64_t *qualification, uint32_t *reason);
/* Delivers the virtual interrupt that is recognized; false if there is none or it is blocked. */
bool apic_deliver_virtual(struct cpu *c);
/* The acknowledged interrupt is the posted-interrupt notification; its processing. */
bool apic_is_notification(const struct cpu *c, unsigned vector);
void apic_process_posted(struct cpu *c);
/* A request for a virtual interrupt. */
void apic_request_virtual(struct cpu *c, unsigned vector);
/* SENDUIPI's write of the interrupt command register; false: it is not virtualized. */
bool vmx_user_ipi(struct cpu *c, uint32_t ndst, uint8_t vector);
/* x2APIC MSRs: true if the access is virtualized, as vmx_ops.msr_read and msr_write have it. */
bool apic_msr_read(struct cpu *c, uint32_t index, uint64_t *value);
bool apic_msr_write(struct cpu *c, uint32_t index, uint64_t value, enum outcome *o);

/* ---- apic_timer.c ---- */

void apic_timer_enter(struct cpu *c);
/* At a VM exit: saves the deadline and disarms the timer. */
void apic_timer_leave(struct cpu *c);
/* The tick at which the timer expires, UINT64_MAX: it is not armed. */
uint64_t apic_timer_due(const struct cpu *c);
/* The guest's IA32_TSC_DEADLINE. */
bool apic_timer_read(struct cpu *c, uint64_t *value);
bool apic_timer_write(struct cpu *c, uint64_t value);
/* "Guest-timer events": processes one that is due. */
void apic_timer_expire(struct cpu *c);

/* Whether the RFLAGS image that a delivery of e pushes (and an exit saves) has RF = 1 by itself. */
bool event_pushes_rf(const struct event *e);
bool vmx_event_exit(struct cpu *c, const struct event *e);
void vmx_triple_fault_exit(struct cpu *c);
bool vmx_task_switch_exit(struct cpu *c, uint16_t selector, unsigned source);
void vmx_iret(struct cpu *c);
bool vmx_boundary(struct cpu *c, unsigned priority);
uint64_t vmx_deadline(struct cpu *c);
void timer_start(struct cpu *c);
uint64_t timer_value(const struct cpu *c);

/* ---- ept.c, ept_walk.c ---- */

/* EPT paging-structure entries. */
enum {
    EPT_R = 1 << 0,
    EPT_W = 1 << 1,
    EPT_X = 1 << 2,
    EPT_RWX = 7,
    EPT_TYPE_SHIFT = 3,
    EPT_A = 1 << 8,
    EPT_D = 1 << 9,
    EPT_XU = 1 << 10, /* with mode-based execute control: fetches from user-mode addresses */
};
#define EPT_ADDRESS (bits(~UINT64_C(0), 51, 12) << 12)

bool vmx_translate(struct cpu *c, struct guest_physical *g, uint64_t *hpa, unsigned *page_ok);
bool vmx_ept_enabled(struct cpu *c);
bool vmx_peek(struct cpu *c, uint64_t gpa, uint64_t *hpa);
uint64_t vmx_space(struct cpu *c);

/* ---- guest_paging.c ---- */

/* At VM entry: which linear addresses HLAT paging translates, and from where. */
void hlat_enter(struct cpu *c);
/* Whether an EPT entry that maps a page lets guest paging update the page. */
bool ept_paging_write(const struct cpu *c, uint64_t leaf);
/* The rights that an access has where a walk has led: for the update of guest paging structures,
 * paging-write access stands in for the write access of the entry that maps the page. */
unsigned ept_access_rights(const struct cpu *c, const struct ept_walk *w,
                           const struct guest_physical *g);
/* Guest-paging verification of an access that EPT allows: keeps account of the paging structures in
 * *g; for other accesses, false if it fails. */
bool ept_verify(const struct cpu *c, struct guest_physical *g, const struct ept_walk *w);
/* For --strict tlb, what the translation of the linear address rests on: of the way to a paging
 * structure, only the entry that guest-paging verification looks at. */
void ept_record(struct cpu *c, const struct guest_physical *g, const struct ept_walk *w);

/* ---- spp.c ---- */

/* Whether a write that EPT does not allow goes by sub-page write permissions. */
bool spp_eligible(const struct cpu *c, const struct ept_walk *w, const struct guest_physical *g);
/* Whether the vector lets all sub-pages be written that the access touches in the page of gpa. */
bool spp_allows(const struct cpu *c, uint64_t gpa, uint64_t vector);

/* ---- smm.c ---- */

bool vmx_eptp(struct cpu *c, uint64_t *eptp);
void vmx_resume_after_smm(struct cpu *c);

#endif
