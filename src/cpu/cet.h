// SPDX-License-Identifier: Apache-2.0
// Control-flow Enforcement Technology: SDM vol. 1, chapter of that name.  Shadow stacks hold the
// return addresses a second time; their accesses go to shadow-stack pages only.
#ifndef SP_CPU_CET_H
#define SP_CPU_CET_H

#include "cpu/access.h"
#include "cpu/cpu.h"

enum {                    /* IA32_U_CET and IA32_S_CET */
    CET_SH_STK_EN = 1 << 0, CET_WR_SHSTK_EN = 1 << 1, CET_ENDBR_EN = 1 << 2, CET_LEG_IW_EN = 1 << 3,
    CET_NO_TRACK_EN = 1 << 4, CET_SUPPRESS_DIS = 1 << 5, CET_SUPPRESS = 1 << 10,
    CET_TRACKER = 1 << 11 /* 1: WAIT_FOR_ENDBRANCH */,
};
#define CET_BITMAP_BASE (~UINT64_C(0xfff))
/* Error codes of #CP. */
enum { CP_NEAR_RET = 1, CP_FAR_RET_IRET, CP_ENDBRANCH, CP_RSTORSSP, CP_SETSSBSY };

static inline uint64_t cet_control(const struct cpu *c, unsigned cpl)
{
    return cpl == 3 ? c->msr.u_cet : c->msr.s_cet;
}
/* ShadowStackEnabled(CPL) and EndbranchEnabled(CPL) of the manual: not in real-address and
 * virtual-8086 mode. */
static inline bool shadow_stack_enabled(const struct cpu *c, unsigned cpl)
{
    return c->cr4 & CR4_CET && !in_real_or_v86(c) && cet_control(c, cpl) & CET_SH_STK_EN;
}
static inline bool endbranch_enabled(const struct cpu *c, unsigned cpl)
{
    return c->cr4 & CR4_CET && !in_real_or_v86(c) && cet_control(c, cpl) & CET_ENDBR_EN;
}

/* ---- indirect branch tracking (indirect_branch.c) ---- */

/* The tracker of the current level, if it is enabled, begins to wait: after a near indirect CALL or
 * JMP, unless it is suppressed or the instruction has a no-track prefix that counts; after a far
 * transfer or an event always, for the caller to tell by cpu_mode_changed(). */
void track_near(struct cpu *c, bool no_track);
void track_far(struct cpu *c);
/* The next instruction is not the ENDBR that the tracker waits for.  True if a legacy code page
 * excuses it; else #CP, or what reading the bitmap ended in. */
bool endbranch_excused(struct cpu *c, uint64_t rip);

/* ---- the control MSRs (cet.c) ---- */

/* The processor has IA32_U_CET and IA32_S_CET. */
bool cet_exists(const struct cpu *c);
/* Bits of them that must be 0. */
uint64_t cet_control_reserved(const struct cpu_model *m);
/* What WRMSR asks of a value. */
bool cet_control_legal(const struct cpu *c, uint64_t v);
/* The same for IA32_PLi_SSP. */
static inline bool ssp_legal(const struct cpu *c, uint64_t v)
{
    return is_canonical(c, v) && !(v & 3);
}

/* State components 11 (IA32_U_CET and IA32_PL3_SSP) and 12 (IA32_PL0_SSP to IA32_PL2_SSP), as
 * xstate.def wants them; what WRMSR refuses is not legal. */
void save_CET_U(const struct cpu *c, void *image);
bool legal_CET_U(const struct cpu *c, const void *image);
void load_CET_U(struct cpu *c, const void *image);
void save_CET_S(const struct cpu *c, void *image);
bool legal_CET_S(const struct cpu *c, const void *image);
void load_CET_S(struct cpu *c, const void *image);

/* ---- shadow-stack accesses (shadow_stack.c) ---- */

/* How a shadow stack is addressed, and the privilege of the access. */
struct shadow_view {
    bool wide;             /* 64-bit addresses: 64-bit mode                                       */
    bool user;             /* to user shadow-stack pages                                          */
};
static inline struct shadow_view shadow_view(const struct cpu *c)
{
    return (struct shadow_view){ .wide = in_64bit(c), .user = c->cpl == 3 };
}
/* n is 4 or 8; `linear` is a multiple of 4.  False: #GP(0) for an address that is not canonical,
 * #PF, or a VM exit; then nothing was written. */
bool shadow_load(struct cpu *c, struct shadow_view s, uint64_t linear, unsigned n, uint64_t *value);
bool shadow_store(struct cpu *c, struct shadow_view s, uint64_t linear, unsigned n, uint64_t value);

/* What an instruction or a transfer will do: its stores are checked and translated, so that
 * shadow_commit() cannot fault. */
enum { SHADOW_STORES = 5 };
struct shadow_store { uint64_t linear, pa, value; unsigned n; };
struct shadow_move {
    uint64_t ssp;          /* SSP after it                                                        */
    bool saves_user;       /* IA32_PL3_SSP gets the SSP of before                                 */
    unsigned stores;
    struct shadow_store store[SHADOW_STORES];
};
/* Adds a store of 4 bytes, or of 8 that are aligned. */
bool shadow_plan(struct cpu *c, struct shadow_view s, struct shadow_move *m, uint64_t linear,
                 unsigned n, uint64_t value);
/* What stands now where the last store of m goes. */
uint64_t shadow_planned(struct cpu *c, const struct shadow_move *m);
/* shadow_stack_lock_cmpxchg8b of the manual: adds the store if memory holds the expected value, and
 * *is says so. */
bool shadow_plan_exchange(struct cpu *c, struct shadow_view s, struct shadow_move *m,
                          uint64_t linear, uint64_t value, uint64_t expected, bool *is);
void shadow_commit(struct cpu *c, const struct shadow_move *m);

/* A supervisor shadow-stack token is its own address, with this bit while the stack is in use.  It
 * stands in one aligned region with the frame that is pushed under it. */
enum { SHADOW_BUSY = 1, SHADOW_FRAME = 24, SHADOW_REGION = 32 };
static inline bool shadow_token_aligned(uint64_t ssp)
{
    return !(ssp & 7) && !((ssp ^ (ssp - SHADOW_FRAME)) & ~(uint64_t)(SHADOW_REGION - 1));
}

/* ---- far transfers and events (shadow_transfer.c) ---- */

/* What far transfers keep: where to return to, and the SSP there. */
struct shadow_frame { uint64_t cs, lip, ssp; };
bool shadow_plan_frame(struct cpu *c, struct shadow_view s, struct shadow_move *m,
                       const struct shadow_frame *f);
/* The frame at SSP. */
bool shadow_load_frame(struct cpu *c, struct shadow_frame *f);

/* A far CALL or the delivery of an event, to `cs` at level cpl. */
struct shadow_call {
    const struct segment *cs;
    unsigned cpl;
    uint64_t return_lip;   /* linear address of the instruction to return to                     */
    bool switches;         /* takes the supervisor shadow stack whose token stands at `ssp`       */
    uint64_t ssp;
};
bool shadow_call_prepare(struct cpu *c, const struct shadow_call *t, struct shadow_move *m);
/* RET far and IRET to `cs` and rip at level cpl. */
struct shadow_return {
    const struct segment *cs;
    uint16_t selector;
    uint64_t rip;
    unsigned cpl;
    bool iret;
};
bool shadow_return_prepare(struct cpu *c, const struct shadow_return *t, struct shadow_move *m);
/* IRET to virtual-8086 mode. */
bool shadow_return_to_v86(struct cpu *c, struct shadow_move *m);

/* SYSCALL and SYSENTER: SSP goes to IA32_PL3_SSP before the change of level, and is 0 after it. */
void shadow_save_user(struct cpu *c);
void shadow_enter_by_syscall(struct cpu *c);
/* SYSRET and SYSEXIT: SSP comes back after it. */
void shadow_return_by_syscall(struct cpu *c);

/* ---- task switches (shadow_task.c) ---- */

struct shadow_task {
    bool enabled;              /* in the old task                                                */
    bool pushes, verifies;     /* `frame` goes on the new stack, or came from the old one         */
    struct shadow_frame frame;
    struct shadow_move leave;  /* what is left behind in the old task                             */
    uint32_t ssp;              /* from the new TSS                                                */
};
/* What CR4.CET asks of the new TSS, and IRET of SSP. */
bool shadow_task_legal(struct cpu *c, const struct segment *tss, bool iret);
/* In the old task, when the new one's level is known; `links` tells CALL, interrupts and exceptions
 * from JMP.  shadow_task_leave() cannot fault and belongs to the commit. */
bool shadow_task_prepare(struct cpu *c, struct shadow_task *t, bool iret, bool links, unsigned cpl,
                         uint64_t next_rip);
void shadow_task_leave(struct cpu *c, const struct shadow_task *t);
/* In the new task; faults are its own. */
bool shadow_task_enter(struct cpu *c, const struct shadow_task *t, bool iret);

#endif
