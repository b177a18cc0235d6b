// SPDX-License-Identifier: Apache-2.0
// The processor's view of VMX: the cpu layer calls these, the vmx layer provides them (never the
// other way round).  All are called only when the condition in their comment holds; c->vmx_ops is
// NULL on processors without VMX.
#ifndef SP_CPU_VMX_OPS_H
#define SP_CPU_VMX_OPS_H

#include "cpu/access.h"

enum vmx_insn {
    VMX_VMCALL,
    VMX_VMCLEAR,
    VMX_VMLAUNCH,
    VMX_VMPTRLD,
    VMX_VMPTRST,
    VMX_VMREAD,
    VMX_VMRESUME,
    VMX_VMWRITE,
    VMX_VMXOFF,
    VMX_VMXON,
    VMX_INVEPT,
    VMX_INVVPID,
    VMX_VMFUNC
};

/* Instructions that access MSRs. */
enum msr_insn { MSR_RDMSR, MSR_WRMSR, MSR_WRMSRNS, MSR_RDMSRLIST, MSR_WRMSRLIST };

/* The parts of vmx_ops.space(). */
enum { SPACE_VPID_SHIFT = 48 };
#define SPACE_EPT BIT(47)
#define SPACE_EPT_5_LEVELS BIT(41)
#define SPACE_EPTRTA (bits(~UINT64_C(0), 40, 1) << 1)
#define SPACE_EPT_AD BIT(0)

/* An access to a guest-physical address. */
struct guest_physical {
    uint64_t address;
    enum access_kind kind;
    bool structure;  /* to a guest paging structure          */
    bool has_linear; /* on the way to `linear`               */
    bool user_page;  /* `linear` is a user-mode address: every paging structure says so, or
                      * paging is off */
    bool writable_page, no_execute_page; /* of `linear`, by the paging structures; not on the way */
    bool unverified; /* EPT denies paging-write access to one of the paging structures used; an
                      * access to a structure adds to it */
    uint64_t linear;
    bool shadow_stack;  /* a shadow-stack access to the page of `linear` */
    bool user_access;   /* made in user mode, or treated so */
};

struct vmx_ops {
    /* A VMX instruction, in any mode (the #UD tests are its own). */
    enum outcome (*instruction)(struct cpu *c, const struct insn *i, enum vmx_insn which);

    /* --- non-root operation --- */

    /* Bits of exit reasons (insn.h EXIT_*) that make instructions exit unconditionally under the
     * current controls, and of those that they make undefined (RDTSCP, INVPCID, RDPID, XSAVES); part
     * of the mode. */
    uint64_t (*exit_mask)(struct cpu *c);
    uint64_t (*undefined_mask)(struct cpu *c);
    /* An instruction whose row's exit column is in exit_mask: performs the VM exit.  EXITED. */
    enum outcome (*instruction_exit)(struct cpu *c, const struct insn *i, unsigned reason);

    /* The following return true when a VM exit has happened (the handler returns EXITED). */
    bool (*io_exit)(struct cpu *c, const struct insn *i, uint16_t port, unsigned size, bool in,
                    bool string, uint64_t linear);
    /* An access to MSR `index`; `value` is what would be written. */
    bool (*msr_exit)(struct cpu *c, enum msr_insn which, uint32_t index, uint64_t value);
    /* RDMSRLIST and WRMSRLIST, before they look at their operands. */
    bool (*msr_list_exit)(struct cpu *c, enum msr_insn which);
    /* XSAVES and XRSTORS with this instruction mask (EDX:EAX); `reason` is the one's EXIT_*. */
    bool (*xss_exit)(struct cpu *c, const struct insn *i, uint64_t mask, unsigned reason);
   /* MOV to CR0/3/4/8: *value is what the guest writes; on return false *value is what the register
     * gets (guest/host masks applied).  `gpr` for the qualification. */
    bool (*cr_write_exit)(struct cpu *c, const struct insn *i, unsigned cr, unsigned gpr,
                          uint64_t *value);
    bool (*cr_read_exit)(struct cpu *c, const struct insn *i, unsigned cr, unsigned gpr);
    bool (*clts_exit)(struct cpu *c, const struct insn *i, bool *execute);  /* *execute: clear TS */
    bool (*lmsw_exit)(struct cpu *c, const struct insn *i, uint16_t source, bool memory,
                      uint64_t linear, uint64_t *cr0);
    bool (*task_switch_exit)(struct cpu *c, uint16_t selector,
                             unsigned source /* 0 CALL 1 IRET 2 JMP 3 gate */);
    /* What the guest sees of the time-stamp counter (offset, scaling), and of CR8 (TPR shadow). */
    uint64_t (*tsc)(struct cpu *c, uint64_t tsc);
    bool (*cr8_read)(struct cpu *c, uint64_t *value);       /* true: *value comes from the shadow */
    /* RDMSR and WRMSR that do not exit: true if the controls virtualize the MSR.  A read gives
     * *value; a write is done, or faults, as *o says. */
    bool (*msr_read)(struct cpu *c, uint32_t index, uint64_t *value);
    bool (*msr_write)(struct cpu *c, uint32_t index, uint64_t value, enum outcome *o);
    bool (*cr8_write)(struct cpu *c, uint64_t value, enum outcome *o); /* true: done, *o says how */
    /* CR0/CR4 as the guest sees them. */
    uint64_t (*cr_visible)(struct cpu *c, unsigned cr);

    /* SENDUIPI sends the interrupt that a UPID asks for: true if the controls virtualize that. */
    bool (*user_ipi)(struct cpu *c, uint32_t ndst, uint8_t vector);

    /* An exception or interrupt is about to be delivered: true if it makes a VM exit instead. */
    bool (*event_exit)(struct cpu *c, const struct event *e);
    /* Delivery of an event failed three times. */
    void (*triple_fault_exit)(struct cpu *c);
    /* Second-stage translation; *hpa and *page_ok, the accesses to the whole page that may be
     * cached (1 << kind).  False: a VM exit has happened, or #VE is raised. */
    bool (*translate)(struct cpu *c, struct guest_physical *g, uint64_t *hpa, unsigned *page_ok);
    bool (*ept_enabled)(struct cpu *c);
    /* The same translation for debuggers: no exits, no accessed and dirty flags. */
    bool (*peek)(struct cpu *c, uint64_t gpa, uint64_t *hpa);
    /* Identifies the address space for the TLB (0 in root operation): the VPID, SPACE_EPT if EPT is
     * enabled, and then bits 51:12 of the EPTP in SPACE_EPTRTA, its bit 6 in SPACE_EPT_AD, and
     * whether its page-walk length is 5: translations made with other flags or another length stay
     * apart. */
    uint64_t (*space)(struct cpu *c);
    /* IRET executed (virtual NMIs), and whether NMIs are blocked from the guest's view. */
    void (*iret)(struct cpu *c);
    /* At an instruction boundary with c->pending != 0: takes the highest-priority VM exit that is
     * due; true if one happened.  Called before the cpu layer considers its own events at that
     * priority: `priority` is the row of SDM vol. 3 "Priority Among Concurrent Events" as in enum
     * boundary. */
    bool (*boundary)(struct cpu *c, unsigned priority);
    /* The earliest tick at which VMX wants control (preemption timer); UINT64_MAX if none. */
    uint64_t (*deadline)(struct cpu *c);

    /* The EPTP; false if EPT is not enabled. */
    bool (*eptp)(struct cpu *c, uint64_t *eptp);

    /* --- root operation --- */
    /* Bits that MOV to CR0/CR4 may not change in VMX operation; true if `value` is allowed. */
    bool (*cr_fixed_ok)(struct cpu *c, unsigned cr, uint64_t value);
    /* Capability MSRs 480H to 493H and IA32_FEATURE_CONTROL live in the model; RDMSR of them. */
    bool (*capability_msr)(struct cpu *c, uint32_t index, uint64_t *value);
    void (*reset)(struct cpu *c);

    /* RSM has returned to VMX operation, root or non-root: sets what is fixed there. */
    void (*resume_after_smm)(struct cpu *c);
};

enum boundary {
    BOUNDARY_TRAP_EXITS,
    BOUNDARY_SMI,                   /* no VM exit: default treatment */
    BOUNDARY_INIT,
    BOUNDARY_MTF,
    BOUNDARY_DEBUG,
    BOUNDARY_TIMER,
    BOUNDARY_NMI_WINDOW,
    BOUNDARY_NMI,
    BOUNDARY_INTR_WINDOW,
    BOUNDARY_INTR,
    BOUNDARY_SIPI,
    BOUNDARY_USER,
    BOUNDARY_STALL /* no boundary: time passes in the delivery of events */
};

#endif
