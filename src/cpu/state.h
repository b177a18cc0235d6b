// SPDX-License-Identifier: Apache-2.0
// The state of one logical processor.  Everything that a guest can observe about a processor, and
// the caches that make it fast, stand here; handlers change it through the accessors of access.h.
#ifndef SP_CPU_STATE_H
#define SP_CPU_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "cpu/outcome.h"
#include "cpu/pmu.h"

struct mem;
struct insn;
struct block;
struct code_cache;
struct cpu;

/* General registers by their encoding.  REG_ZERO always reads 0 (no base, no index); REG_BLOCK_RIP
 * holds the RIP of the running block's first instruction, the base of RIP-relative operands. */
enum reg {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15,
    REG_ZERO, REG_BLOCK_RIP, REG_COUNT,
    REG_HIGH = 16,   /* 8-bit operands only: REG_HIGH + n is AH, CH, DH, BH */
};

enum seg { ES, CS, SS, DS, FS, GS, LDTR, TR, SEG_COUNT };

/* Access rights have the VMCS's format (SDM vol. 3, "Guest Register State"):
 * 3:0 type, 4 S, 6:5 DPL, 7 P, 12 AVL, 13 L, 14 D/B, 15 G, 16 unusable. */
struct segment {
    uint64_t base;
    uint32_t limit;      /* in bytes, the G bit already applied */
    uint32_t access;
    uint16_t selector;
};
enum {
    SEG_TYPE = 0xf, SEG_S = 1 << 4, SEG_DPL_SHIFT = 5, SEG_P = 1 << 7, SEG_AVL = 1 << 12,
    SEG_L = 1 << 13, SEG_DB = 1 << 14, SEG_G = 1 << 15, SEG_UNUSABLE = 1 << 16,
};

struct dtable { uint64_t base; uint16_t limit; };

/* RFLAGS */
enum {
    FLAG_CF = 1 << 0, FLAG_PF = 1 << 2, FLAG_AF = 1 << 4, FLAG_ZF = 1 << 6, FLAG_SF = 1 << 7,
    FLAG_TF = 1 << 8, FLAG_IF = 1 << 9, FLAG_DF = 1 << 10, FLAG_OF = 1 << 11, FLAG_IOPL = 3 << 12,
    FLAG_NT = 1 << 14, FLAG_RF = 1 << 16, FLAG_VM = 1 << 17, FLAG_AC = 1 << 18, FLAG_VIF = 1 << 19,
    FLAG_VIP = 1 << 20, FLAG_ID = 1 << 21,
    FLAGS_STATUS = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
};

enum {
    CR0_PE = 1 << 0, CR0_MP = 1 << 1, CR0_EM = 1 << 2, CR0_TS = 1 << 3, CR0_ET = 1 << 4,
    CR0_NE = 1 << 5, CR0_WP = 1 << 16, CR0_AM = 1 << 18, CR0_NW = 1 << 29, CR0_CD = 1 << 30,
};
#define CR0_PG BIT(31)
enum {
    CR4_VME = 1 << 0, CR4_PVI = 1 << 1, CR4_TSD = 1 << 2, CR4_DE = 1 << 3, CR4_PSE = 1 << 4,
    CR4_PAE = 1 << 5, CR4_MCE = 1 << 6, CR4_PGE = 1 << 7, CR4_PCE = 1 << 8, CR4_OSFXSR = 1 << 9,
    CR4_OSXMMEXCPT = 1 << 10, CR4_UMIP = 1 << 11, CR4_LA57 = 1 << 12, CR4_VMXE = 1 << 13,
    CR4_SMXE = 1 << 14, CR4_FSGSBASE = 1 << 16, CR4_PCIDE = 1 << 17, CR4_OSXSAVE = 1 << 18,
    CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21, CR4_PKE = 1 << 22, CR4_CET = 1 << 23,
    CR4_PKS = 1 << 24, CR4_UINTR = 1 << 25,
};
/* IA32_DEBUGCTL: bits that do something, LBR's storage among them. */
enum {
    DEBUGCTL_LBR = 1 << 0, DEBUGCTL_BTF = 1 << 1, DEBUGCTL_BUS_LOCK_DETECT = 1 << 2,
    DEBUGCTL_KEPT = DEBUGCTL_LBR | DEBUGCTL_BTF | DEBUGCTL_BUS_LOCK_DETECT,
};
enum { EFER_SCE = 1 << 0, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11 };

enum exception {
    EXC_DE = 0, EXC_DB = 1, EXC_NMI = 2, EXC_BP = 3, EXC_OF = 4, EXC_BR = 5, EXC_UD = 6, EXC_NM = 7,
    EXC_DF = 8, EXC_TS = 10, EXC_NP = 11, EXC_SS = 12, EXC_GP = 13, EXC_PF = 14, EXC_MF = 16,
    EXC_AC = 17, EXC_MC = 18, EXC_XM = 19, EXC_VE = 20, EXC_CP = 21,
};

/* Event types as in the VM-entry interruption-information field. */
enum event_type {
    EVENT_EXTERNAL = 0, EVENT_NMI = 2, EVENT_HARDWARE = 3, EVENT_SOFTWARE_INT = 4,
    EVENT_PRIVILEGED_SW = 5 /* INT1 */, EVENT_SOFTWARE_EXC = 6 /* INT3, INTO */, EVENT_OTHER = 7,
};

/* An exception or interrupt on its way to its handler. */
struct event {
    uint8_t vector;
    uint8_t type;          /* enum event_type                                                   */
    bool has_error;
    bool injected;         /* by VM entry: CR2, DR6, DR7 and IA32_DEBUGCTL stay as they are       */
    bool redirected;       /* INT n to the handler of a virtual-8086 task itself                  */
    uint8_t length;        /* instruction length, for software events                           */
    uint32_t error;
    uint64_t address;      /* #PF: the linear address for CR2                                   */
    uint64_t debug;        /* #DB: the DR6 bits it reports                                      */
};

/* Things that wait for an instruction boundary: bits of cpu.pending. */
enum {
    PEND_RESET = 1 << 0,
    PEND_SMI = 1 << 1,
    PEND_INIT = 1 << 2,
    PEND_SIPI = 1 << 3,
    PEND_MTF = 1 << 4,        /* a monitor-trap-flag VM exit                                  */
    PEND_DEBUG = 1 << 5,      /* cpu.pending_debug holds trap bits of the last instruction    */
    PEND_VMX_TIMER = 1 << 6,  /* the VMX-preemption timer reached 0                           */
    PEND_NMI = 1 << 7,        /* an NMI arrived                                               */
    PEND_INTR = 1 << 8,       /* the local APIC or the 8259 asserts INTR                      */
    PEND_VMX_WINDOW = 1 << 9, /* interrupt-window or NMI-window exiting is on                 */
    PEND_VMX_APIC = 1 << 10,  /* TPR-below-threshold and other trap-like APIC exits           */
    PEND_MWAIT = 1 << 11,     /* MWAIT waits: its line is looked at at each boundary          */
    PEND_VIRTUAL = 1 << 12,   /* a virtual interrupt is recognized                            */
    PEND_BUS_LOCK = 1 << 13,  /* the last instruction asserted a bus lock, which is to exit   */
    PEND_STALL = 1 << 14,     /* a delivery goes on: cpu.redelivery, before anything else         */
    PEND_USER = 1 << 15,      /* a user interrupt is recognized: IA32_UINTR_RR is not 0           */
};

enum activity { ACTIVITY_ACTIVE, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, ACTIVITY_WAIT_SIPI,
                ACTIVITY_MWAIT };

enum { SHADOW_STI = 1, SHADOW_MOV_SS = 2 };   /* as in the VMCS's interruptibility state */

/* x87, MMX and SSE.  Registers are physical: ST(i) is st[(top + i) & 7]; MMX register n is st[n].
 */
struct f80 { uint64_t frac; uint16_t sexp; };          /* bit 15 of sexp is the sign             */
union xmm { uint8_t b[16]; uint16_t w[8]; uint32_t d[4]; uint64_t q[2]; float f[4]; double g[2]; };
struct fpu {
    struct f80 st[8];
    uint16_t control;      /* FCW */
    uint16_t status;       /* FSW without TOP (bits 13:11 are kept in `top`)                     */
    uint8_t top;
    uint8_t tag;           /* one bit for each physical register: 1 = not empty (FXSAVE's format) */
    uint16_t opcode;       /* FOP, 11 bits */
    uint16_t cs, ds;       /* selectors of FIP and FDP */
    uint64_t ip, dp;
    union xmm xmm[16];
    uint32_t mxcsr;
};

/* The software TLB.  tag = linear page | generation (12 bits); host = linear + addend. */
#ifdef SP_HOSTILE
enum { TLB_SLOTS = 2 /* neighbouring pages differ in slot */, JUMP_SLOTS = 1, TLB_SPACES = 1 };
#else
enum { TLB_SLOTS = 1024, JUMP_SLOTS = 4096, TLB_SPACES = 16 };
#endif
struct tlb_entry { uint64_t tag; uintptr_t addend; };
enum tlb_view { VIEW_SUPER, VIEW_SUPER_AC, VIEW_USER, VIEW_COUNT,   /* AC: EFLAGS.AC=1 lifts SMAP */
                VIEW_NONE = VIEW_COUNT };
/* How long translations live (-tlb): as in real parts; not beyond the instruction that used them; as
 * long as the SDM permits (kept.h). */
enum tlb_mode { TLB_EXACT, TLB_NONE, TLB_STICKY };
/* What makes two address spaces different; key[] as space_key() in tlb.c builds it. */
enum { SPACE_KEY_WORDS = 5 };
struct tlb_space {
    uint64_t key[SPACE_KEY_WORDS];
    uint64_t serial;
    uint64_t tables;            /* mem_table_serial() when it began, or NO_TABLES                */
    uint16_t pcid;
};
#define NO_TABLES UINT64_MAX    /* it rests on paging structures that are not watched            */
/* A set of pages by hash: it may hold more than was put in, never less. */
enum { PAGE_SET_BITS = 8192 };
struct page_set {
    uint64_t word[PAGE_SET_BITS / 64];
    unsigned used;
};

/* Which linear addresses HLAT paging translates (SDM vol. 3, "Ordinary Paging and HLAT Paging"). */
enum hlat { HLAT_NONE, HLAT_BIT_63, HLAT_ALL };

/* RIP -> block, valid while `key` (TLB generation and mode) is the current one. */
struct jump_entry { uint64_t rip; uint64_t key; const struct insn *first; };

struct msr_state {
    uint64_t efer, star, lstar, cstar, fmask, kernel_gs_base, tsc_aux, tsc_adjust, tsc_offset;
    uint64_t umwait_control, spec_ctrl, test_ctrl;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, debugctl, misc_enable, apic_base, feature_control, xss;
    uint64_t mtrr_def_type, mtrr_fixed[11], mtrr_base[8], mtrr_mask[8];
    uint64_t mcg_status, mc_ctl[4], mc_status[4], mc_addr[4], mc_misc[4], bios_sign_id;
    uint64_t tsc_deadline, smbase;
    uint64_t pkrs;                              /* like cpu.pkru, for supervisor-mode addresses */
    uint64_t u_cet, s_cet, pl_ssp[4], interrupt_ssp_table;
    uint64_t uintr_rr, uintr_handler, uintr_stackadjust, uintr_misc, uintr_pd, uintr_tt;
    uint64_t power_ctl, pkg_cst_config;         /* idle-state switches of the platform: storage */
};

/* The I/O instruction that caused an SMI (SDM vol. 3, "I/O State Implementation"). */
struct smm_io {
    bool valid;
    uint32_t misc;         /* IO_MISC, the field of the save-state area */
    uint64_t rip, linear;  /* of the instruction; of its memory operand */
    uint64_t rcx, rsi, rdi;             /* before it                                 */
};
/* What an SMI saves inside the processor, where SMM cannot reach it: hidden parts of segments,
 * events that wait, and VMX-critical state ("Default Treatment of SMI Delivery"). */
struct smm_saved {
    struct segment seg[SEG_COUNT];
    struct dtable gdtr, idtr;
    uint64_t pdpte[4], pending_debug;
    uint32_t pending;
    uint8_t cpl, shadow, activity;
    bool v86, nmi_blocked, init_blocked, mtf_armed;
    bool vmxe, vmx_root, vmx_nonroot;
    struct smm_io io;
};
enum { SMBASE_RESET = 0x30000 };

/* What the layers above give to the processor.  Set once, before it runs; any may be NULL unless a
 * comment says otherwise.  `context` is cpu.machine. */
struct cpu_bus {
    uint32_t (*io_read)(void *machine, struct cpu *c, uint16_t port, unsigned size);
    void (*io_write)(void *machine, struct cpu *c, uint16_t port, unsigned size, uint32_t value);
    int (*interrupt_acknowledge)(void *machine, struct cpu *c);   /* vector, or -1: nothing there */
    /* x2APIC and APIC-base MSRs, TSC deadline; return false for #GP(0). */
    bool (*apic_msr_read)(void *machine, struct cpu *c, uint32_t index, uint64_t *value);
    bool (*apic_msr_write)(void *machine, struct cpu *c, uint32_t index, uint64_t value);
    uint8_t (*tpr_read)(void *machine, struct cpu *c);              /* CR8: TPR bits 7:4 */
    void (*tpr_write)(void *machine, struct cpu *c, uint8_t cr8);
    void (*ignne)(void *machine, struct cpu *c);                    /* FERR# with CR0.NE = 0 */
    void (*triple_fault)(void *machine, struct cpu *c);             /* outside VMX non-root */
    void (*bad_rsm)(void *machine, struct cpu *c, const char *why); /* RSM shuts down */
    void (*smm)(void *machine, struct cpu *c);                      /* c->smm has changed */
    void (*apic_eoi)(void *machine, struct cpu *c);                 /* the local APIC's EOI */
    /* The interrupt that a posted-interrupt descriptor asks for: its NDST and NV. */
    void (*apic_notify)(void *machine, struct cpu *c, uint32_t ndst, uint8_t vector);
    void (*init)(void *machine, struct cpu *c);                     /* an INIT was taken: the local
                                                                       APIC resets, too */
    void (*tsc_moved)(void *machine, struct cpu *c);                /* msr.tsc_offset changed */
    /* A performance counter overflowed that asks for an interrupt. */
    void (*performance_interrupt)(void *machine, struct cpu *c);
};

struct vmx_ops;      /* cpu/vmx_ops.h: the processor's view of VMX */
struct cpu_model;    /* cpu/model.h: CPUID and capability profile  */
struct cpu_hooks;    /* cpu/hooks.h: observation by embedders      */
struct cpu_trace;    /* cpu/trace.h */
struct trace_log;    /* trace/log.h */

struct cpu {
    uint64_t gpr[REG_COUNT];
    /* Lazy status flags (flags.h) while no handler carries them in registers. */
    uint64_t res, aux;
    int64_t budget;                 /* instructions left until the next event, blocks pre-paid    */
    struct tlb_entry *tlb_read;     /* views for the current privilege                            */
    struct tlb_entry *tlb_write;
    uint64_t tlb_generation;        /* low 12 bits only                                           */
    const struct insn *current;     /* the instruction a general handler runs                     */
    uint64_t jump_key;
    uint64_t rip;                   /* exact only outside blocks; in handlers use insn_rip()      */
    uint32_t attention;             /* non-zero: leave the block after this instruction           */
    uint32_t mode;                  /* index of the interned mode (mode.h)                        */
    uint8_t outcome;                /* enum outcome of the instruction that left a block          */
    const struct insn *next;        /* builds without tail calls: the instruction to run next     */

    uint64_t rflags;                /* all but the status flags; bit 1 set                        */
    uint64_t cr0, cr2, cr3, cr4, cr8;
    uint64_t dr[8];                 /* 4 and 5 unused                                             */
    uint64_t xcr0;
    bool uif;                       /* the user-interrupt flag: they may be delivered             */
    uint32_t pkru;                  /* access (bit 2i) and write (2i + 1) disable of key i        */
    uint64_t ssp;                   /* the shadow-stack pointer                                   */
    struct segment seg[SEG_COUNT];
    struct dtable gdtr, idtr;
    uint8_t cpl;
    uint8_t shadow;                 /* SHADOW_*: blocks events at the next boundary               */
    bool nmi_blocked;
    bool init_blocked;              /* VMX root operation                                         */
    bool smm;                       /* system-management mode                                     */
    uint8_t activity;               /* enum activity                                              */
    uint8_t sipi_vector;
    uint32_t pending;               /* PEND_*                                                     */
    uint64_t pending_debug;         /* DR6-style bits: 3:0 B, 13 BD, 14 BS, 15 BT; 12 "enabled",
                                     * and 11 for a bus lock */
    struct event event;             /* the exception of the last FAULTED                          */
    struct event delivering;        /* the event whose delivery is going on (IDT vectoring)       */
    bool is_delivering;
    bool delivering_user;           /* a user interrupt: its accesses are no instruction's        */
    struct event redelivery;        /* what delivery has led to; there may be no end to it        */
    uint64_t stall_tick;            /* when the last instruction ended then; 0: no stall          */
    uint64_t monitor_address;       /* armed when monitor_armed                                   */
    bool monitor_armed;
    uint8_t monitor_line[64];       /* what stood there when MONITOR executed                     */
    bool mwait_breaks_masked;       /* MWAIT ECX[0]: interrupts wake even if IF = 0               */
    uint32_t declined;              /* PEND_* that did not wake the inactive processor            */
    uint64_t pdpte[4];              /* PAE paging's registers                                     */

    struct fpu fpu;
    struct msr_state msr;
    struct pmu pmu;
    struct smm_saved smm_saved;

    /* VMX: everything else stands in struct vmx, which the vmx layer owns. */
    struct vmx *vmx;
    const struct vmx_ops *vmx_ops;
    bool vmx_root, vmx_nonroot;     /* both false: not in VMX operation                           */
    uint8_t hlat;                   /* enum hlat; HLAT_NONE outside non-root operation            */
    uint64_t hlat_root;             /* guest-physical address of the first HLAT paging structure  */
    bool vm_exited;               /* an accessor ended in a VM exit (cpu_fault_outcome clears it) */

    /* Surroundings */
    unsigned index;                 /* logical processor number = initial APIC ID                 */
    struct mem *mem;
    struct code_cache *code;
    void *machine;
    const struct cpu_bus *bus;
    const struct cpu_model *model;
    struct cpu_hooks *hooks;
    uint64_t tick_end;              /* the tick (instruction count) at which budget reaches 0     */
    uint64_t retired;               /* instructions retired, exact outside blocks                 */
    uint64_t exceptions;            /* and interrupts: delivered                                  */
    uint64_t cycle_offset;          /* see cpu_cycles()                                           */
    uint64_t seed;                  /* state of RDRAND's generator                                */
    bool single_iteration;          /* REP stops after each iteration (TF, MTF, watch)            */
    bool mtf_armed;                 /* the vmx layer wants PEND_MTF after the next instruction */
    bool a20_closed;                /* address bit 20 reads as 0 outside VMX operation            */
    uint32_t physical_bits, linear_bits;
    unsigned access_bytes; /* in one page, of the access that linear_translate() serves */

    /* Address spaces that have entries in the TLB, and the generation that tags them. */
    struct tlb_space space[TLB_SPACES];
    struct tlb_space *space_now;
    unsigned space_clock;           /* the space to evict next                                    */
    uint64_t space_serial;          /* of the newest space; generation = low 12 bits              */
    struct stale_records *stale;    /* --strict tlb: no TLB, every access is compared; else NULL  */
    struct kept_pages *kept;        /* -tlb sticky; else NULL                                     */
    bool no_tlb;                    /* -tlb none                                                  */
    struct trace_log *log;          /* where events are traced, or NULL                           */
    struct cpu_trace *trace;        /* instructions are traced (trace.h), or NULL                 */
    uint64_t *record;               /* ... of the running block                                   */
    struct tlb_entry *traced_read, *traced_write; /* what tlb_read and tlb_write would be         */
    struct page_set fetched;        /* pages whose translations jumps may rest on                 */
    struct page_set large;          /* regions whose translations came from large pages           */
    uint8_t view;               /* enum tlb_view in force, VIEW_NONE when every access is checked */
    struct tlb_entry tlb[2 * VIEW_COUNT + 1][TLB_SLOTS]; /* [view] reads, [VIEW_COUNT + view]
                                                            writes, the last one stays empty */
    struct tlb_entry fetch[2][TLB_SLOTS];                /* [CPL = 3]; addend = physical - linear */
    struct jump_entry jump[JUMP_SLOTS];
};

#endif
