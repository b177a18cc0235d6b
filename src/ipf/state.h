// SPDX-License-Identifier: Apache-2.0
// The state of one Itanium processor.
#ifndef SP_IPF_STATE_H
#define SP_IPF_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "ipf/tlb.h"
#include "ipf/vti.h"

struct mem;
struct ipf_block;
struct ipf_code;
struct ipf_op;
struct ipf_trace;

/* A general register: its value and its NaT bit (0 or 1). */
struct ipf_gr {
    uint64_t v, nat;
};

/* A floating-point register (SDM vol. 1, "Floating-point Register Format"): 82 bits. */
struct ipf_fr {
    uint64_t significand;
    uint32_t exponent; /* 17 bits, biased by 65535 */
    uint32_t sign;
};

/* SDM vol. 2, "Processor Status Register (PSR)". */
#define PSR_BE BIT(1)
#define PSR_UP BIT(2)
#define PSR_AC BIT(3)
#define PSR_MFL BIT(4)
#define PSR_MFH BIT(5)
#define PSR_IC BIT(13)
#define PSR_I BIT(14)
#define PSR_PK BIT(15)
#define PSR_DT BIT(17)
#define PSR_DFL BIT(18)
#define PSR_DFH BIT(19)
#define PSR_SP BIT(20)
#define PSR_PP BIT(21)
#define PSR_DI BIT(22)
#define PSR_SI BIT(23)
#define PSR_DB BIT(24)
#define PSR_LP BIT(25)
#define PSR_TB BIT(26)
#define PSR_RT BIT(27)
#define PSR_CPL_SHIFT 32
#define PSR_CPL (UINT64_C(3) << PSR_CPL_SHIFT)
#define PSR_IS BIT(34)
#define PSR_MC BIT(35)
#define PSR_IT BIT(36)
#define PSR_ID BIT(37)
#define PSR_DA BIT(38)
#define PSR_DD BIT(39)
#define PSR_SS BIT(40)
#define PSR_RI_SHIFT 41
#define PSR_RI (UINT64_C(3) << PSR_RI_SHIFT)
#define PSR_ED BIT(43)
#define PSR_BN BIT(44)
#define PSR_IA BIT(45)
#define PSR_VM BIT(46)
#define PSR_USER_MASK UINT64_C(0x3f)
#define PSR_READABLE (UINT64_C(0xffffffff) | PSR_MC | PSR_IT) /* SDM vol. 3, mov psr */

enum ipf_ar {
    AR_K0 = 0,
    AR_RSC = 16,
    AR_BSP = 17,
    AR_BSPSTORE = 18,
    AR_RNAT = 19,
    AR_CSD = 25,
    AR_CCV = 32,
    AR_UNAT = 36,
    AR_FPSR = 40,
    AR_ITC = 44,
    AR_RUC = 45,
    AR_PFS = 64,
    AR_LC = 65,
    AR_EC = 66,
};
enum { RSC_BE = 0x10 };
enum ipf_cr {
    CR_DCR = 0,
    CR_ITM = 1,
    CR_IVA = 2,
    CR_PTA = 8,
    CR_IPSR = 16,
    CR_ISR = 17,
    CR_IIP = 19,
    CR_IFA = 20,
    CR_ITIR = 21,
    CR_IIPA = 22,
    CR_IFS = 23,
    CR_IIM = 24,
    CR_IHA = 25,
    CR_LID = 64,
    CR_IVR = 65,
    CR_TPR = 66,
    CR_EOI = 67,
    CR_IRR0 = 68,
    CR_ITV = 72,
    CR_PMV = 73,
    CR_CMCV = 74,
    CR_LRR0 = 80,
    CR_LRR1 = 81,
};

enum {
    IPF_STACKED = 96, /* physical stacked registers                                      */
    IPF_STACK_BUFFER = 1024,
    IPF_ALAT = 32,
};

/* SDM vol. 2, "Default Control Register (DCR)": the low bits of the fields that defer faults of
 * speculative loads are in translate.c. */
#define DCR_PP BIT(0)
#define DCR_BE BIT(1)

/* SDM vol. 1, "Current Frame Marker". */
struct ipf_cfm {
    uint8_t sof, sol; /* registers of the frame; those of them that are local            */
    uint8_t sor;      /* registers that rotate, a multiple of 8                          */
    uint8_t rrb_gr, rrb_fr, rrb_pr;
};

struct ipf_alat_entry {
    uintptr_t address; /* the host's                                                       */
    uint8_t size;      /* 0: invalid                                                       */
    uint64_t reg;      /* alat.c                                                           */
    bool fr;
};

/* A fault that was found and is to be raised: the row of interruption.def, ISR's access bits. */
struct ipf_fault {
    unsigned what;
    uint64_t isr;
    uint64_t address;
};

/* An interruption that is about to be delivered: the row of interruption.def, what ISR gets, what
 * IFA or IIM gets (if it gets something), and the instruction that faulted or trapped; for an
 * external interrupt and its kind, the one that it comes in front of. */
struct ipf_event {
    unsigned what;
    uint64_t isr, value;
    uint64_t ip;
    unsigned slot;
};
/* So many interruptions in a row, each raised by the first instruction of the handler of the one
 * before (fault.c): the processor will do nothing else any more. */
enum { IPF_CHAIN_MAX = 256 };

/* Blocks of code by the virtual address at which they were entered. */
#ifdef SP_HOSTILE
enum { IPF_JUMPS = 2 };
#else
enum { IPF_JUMPS = 4096 };
#endif
struct ipf_jump {
    uint64_t at;  /* bundle address, slot in the low bits                               */
    uint64_t key; /* c->fetch_key then                                                  */
    const struct ipf_block *block;
};

/* Reasons to look around between two operations. */
enum {
    ATTENTION_CODE = 1,      /* code was written: the blocks are old                        */
    ATTENTION_INTERRUPT = 2, /* an external interrupt is pending and not masked, but by PSR.i */
    ATTENTION_FRAME = 4,     /* the frame is incomplete (RSE.CFLE)                          */
    ATTENTION_PAUSE = 8,     /* the machine wants to look: ipf_run_until() returns          */
    ATTENTION_ALONE = 16,    /* the next operation runs alone: op.h, ipf_repeat_alone()     */
    ATTENTION_INIT = 32,     /* an INIT is pending                                          */
};

/* What came of a call of firmware: it returns behind the break; it has set c->ip and c->slot to
 * where the processor goes on; c->fault is to be raised before it has done anything; or it was
 * none, but a break like any other. */
enum ipf_called { FIRMWARE_DONE, FIRMWARE_GOES, FIRMWARE_FAULTS, FIRMWARE_NONE };

enum ipf_stop {
    IPF_RUNS,
    IPF_EXIT, /* SSC_EXIT */
    IPF_NOT_MODELLED,
    IPF_HALTED,
    IPF_CHAINED, /* IPF_CHAIN_MAX interruptions */
};

struct ipf_cpu {
    /* Used by every instruction.  gr[16] to gr[31] are those of the bank that PSR.bn selects. */
    struct ipf_gr gr[32];
    union {
        struct ipf_gr *base[2]; /* of r0 and of r32                                          */
        struct {
            struct ipf_gr *globals, *frame; /* gr; stack + bof: r32 without rotation         */
        };
    };
    uint64_t pr;          /* as instructions number them: rotation turns bits 63:16          */
    struct ipf_cfm cfm;
    unsigned reach; /* 32 + CFM.sof; 0 if CFM.rrb.gr is not 0                               */
    uint64_t psr;
    struct ipf_line *lines; /* of data accesses: line[] of the mode and privilege level        */
    const struct ipf_block *block; /* that runs                                              */
    uint64_t block_ip;      /* address at which it was entered                                 */
    uint64_t block_key;     /* and fetch_key, then                                             */
    uint64_t end;           /* no block begins that would pass it                                */
    uint64_t ip;            /* between blocks: the bundle to go on with                        */
    unsigned slot;          /* and its slot: PSR.ri, whose place in psr is 0                   */
    unsigned attention;
    uint64_t last_ip; /* bundle of the last operation of the previous block, for CR.IIPA; or
                         IPF_NO_LAST                                                     */
    bool branched;    /* a branch was taken (only set)                                      */
    bool host_rounds_to_nearest; /* the host's arithmetic (float_fast.c)                        */

    struct ipf_fr fr[128];
    uint64_t br[8];
    uint64_t ar[128], cr[128];
    struct ipf_gr bank[16]; /* r16 to r31 of the other bank                                    */
    uint64_t cpuid[5], rr[8], pkr[16], ibr[8], dbr[8], pmc[32], pmd[32];

    /* The register stack (rse.c): stack[bof - dirty] to stack[bof - 1] are the registers between
     * AR.BSPSTORE and AR.BSP.  If dirty is negative, the first -dirty registers of the frame are
     * still in memory, below AR.BSPSTORE. */
    struct ipf_gr stack[IPF_STACK_BUFFER];
    unsigned bof;
    int dirty;
    uint64_t bsp, bspstore, rnat;

    struct ipf_alat_entry alat[IPF_ALAT];
    unsigned alat_next;
    uint64_t alat_own;    /* ALAT_BIT of what may be in it                                 */
    uint64_t alat_filter; /* and in those of the processors beside, when this one runs     */

    /* Translation: [0] physical, [1 + level] virtual, [5] always empty: big-endian accesses,
     * [6 + level] virtual with PSR.vm = 1. */
    struct ipf_line line[IPF_CONTEXTS][IPF_LINES];
    unsigned contexts; /* those that may not be empty: the last are, until PSR.vm is set       */
    struct ipf_tlb tlb[2];
    uint64_t fetch_key, fetch_generation; /* which entries of jump are good                     */
    struct ipf_jump jump[IPF_JUMPS];
    struct ipf_fault fault;
    unsigned va_msb;     /* IMPL_VA_MSB                                                        */
    bool ibr_on, dbr_on; /* some instruction or data breakpoint is enabled                     */

    /* External interrupts (interrupt.c). */
    uint64_t irr[4], in_service[4];
    bool timer_on;      /* AR.ITC did not reach CR.ITM yet                                    */
    uint64_t timer_due; /* in ticks: retired + idle                                           */
    uint64_t interruptions;
    unsigned chain; /* interruptions in a row: IPF_CHAIN_MAX                            */
    uint64_t chain_ip, chain_retired; /* of the last: its handler, c->retired                    */
    /* Told of each interruption before it changes anything.  NULL: nobody. */
    void (*interrupting)(void *user, struct ipf_cpu *c, const struct ipf_event *e);
    void *interrupting_user;

    uint64_t retired;    /* operations done                                                  */
    uint64_t idle;       /* ticks in which it waited                                         */
    uint64_t itc_offset; /* AR.ITC = retired + idle + itc_offset                             */
    bool halted;         /* waits for an interrupt that TPR does not mask                    */
    bool alone;          /* one operation runs: retired is exact while it does               */
    struct mem *mem;
    struct ipf_code *code;
    unsigned index;
    struct ipf_cpu *beside; /* the next processor of the machine, in a ring */

    /* Asked at each break instruction; true: it was a call of the simulator, and is done.  NULL:
     * there are none. */
    bool (*ssc)(void *user, struct ipf_cpu *c, uint64_t number);
    void *ssc_user;
    /* break 0x100000 + n inside [firmware_base, firmware_end), physical addresses, calls
     * firmware with n. */
    enum ipf_called (*firmware)(void *user, struct ipf_cpu *c, uint64_t number);
    void *firmware_user;
    uint64_t firmware_base, firmware_end;
    /* An INIT that PSR.mc does not mask, between two operations: it goes to firmware. */
    void (*init)(void *firmware_user, struct ipf_cpu *c);
    uint64_t service_base, service_end; /* PAL virtualization services: the same              */
    struct ipf_vti vti;
    struct ipf_trace *trace; /* NULL: nobody records what it does (trace.h)                */
    enum ipf_stop stop;
    int exit_status;
    char stop_text[160];
};
#define IPF_NO_LAST UINT64_C(1)

/* PSR.be, it, dt, vm or cpl, or a translation of code changed: what depends on them. */
void ipf_mode_changed(struct ipf_cpu *c);
/* Changes PSR.bn, and gr[16] to gr[31] with it. */
void ipf_switch_bank(struct ipf_cpu *c, bool bank1);

#endif
