// SPDX-License-Identifier: Apache-2.0
// The state of one Itanium processor.
#ifndef SP_IPF_STATE_H
#define SP_IPF_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

struct mem;
struct ipf_block;
struct ipf_code;
struct ipf_op;

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
#define PSR_PP BIT(21)
#define PSR_RT BIT(27)
#define PSR_CPL_SHIFT 32
#define PSR_CPL (UINT64_C(3) << PSR_CPL_SHIFT)
#define PSR_MC BIT(35)
#define PSR_IT BIT(36)
#define PSR_RI_SHIFT 41
#define PSR_BN BIT(44)
#define PSR_USER_MASK UINT64_C(0x3f)

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

/* SDM vol. 1, "Current Frame Marker". */
struct ipf_cfm {
    uint8_t sof, sol; /* registers of the frame; those of them that are local            */
    uint8_t sor;      /* registers that rotate, a multiple of 8                          */
    uint8_t rrb_gr, rrb_fr, rrb_pr;
};

struct ipf_alat_entry {
    uint64_t address;
    uint8_t size; /* 0: invalid                                                      */
    uint8_t reg;
    bool fr;
};

enum ipf_stop { IPF_RUNS, IPF_EXIT /* SSC_EXIT */, IPF_NOT_MODELLED, IPF_HALTED };

struct ipf_cpu {
    /* Used by every instruction.  gr[16] to gr[31] are those of the bank that PSR.bn selects. */
    struct ipf_gr gr[32];
    struct ipf_gr *frame; /* stack + bof: r32 without rotation                               */
    uint64_t pr;          /* as instructions number them: rotation turns bits 63:16          */
    struct ipf_cfm cfm;
    uint64_t psr;
    const struct ipf_block *block;
    uint64_t ip;   /* between blocks: the bundle to go on with                        */
    unsigned slot; /* and its slot: PSR.ri, whose place in psr is 0                   */

    struct ipf_fr fr[128];
    uint64_t br[8];
    uint64_t ar[128], cr[128];
    struct ipf_gr bank[16]; /* r16 to r31 of the other bank                                    */
    uint64_t cpuid[5], rr[8], pkr[16], ibr[8], dbr[8], pmc[32], pmd[32];

    /* The register stack (rse.c): stack[bof - dirty] to stack[bof - 1] are the registers between
     * AR.BSPSTORE and AR.BSP. */
    struct ipf_gr stack[IPF_STACK_BUFFER];
    unsigned bof, dirty;
    uint64_t bsp, bspstore, rnat;

    struct ipf_alat_entry alat[IPF_ALAT];
    unsigned alat_next;
    bool alat_used; /* since it was last cleared                                       */

    uint64_t retired;
    struct mem *mem;
    struct ipf_code *code;

    bool ssc; /* break 0x80001 calls the simulator                               */
    void (*put)(void *user, uint8_t byte);
    void *put_user;
    enum ipf_stop stop;
    int exit_status;
    char stop_text[160];
};

#endif
