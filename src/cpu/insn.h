// SPDX-License-Identifier: Apache-2.0
// A decoded instruction, and the rows of the instruction table that decoding binds it to.
#ifndef SP_CPU_INSN_H
#define SP_CPU_INSN_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/outcome.h"
#include "cpu/state.h"

/* A threaded runner: does instruction i, then calls the runner of the next one in tail position.
 * res and aux carry the lazy status flags (flags.h). */
typedef void run_fn(struct cpu *c, const struct insn *i, uint64_t res, uint64_t aux, uint64_t last);

/* The effect of one instruction; legality, privilege and interception were bound before. */
typedef enum outcome op_fn(struct cpu *c, const struct insn *i);

enum {                    /* struct insn.prefix */
    PFX_LOCK = 1 << 0, PFX_REP = 1 << 1 /* F3 */, PFX_REPNE = 1 << 2 /* F2 */, PFX_66 = 1 << 3,
    PFX_REX = 1 << 4, PFX_REX_W = 1 << 5, PFX_MEM = 1 << 6 /* the ModRM operand is in memory */,
    PFX_SEG = 1 << 7 /* a segment override stands there */,
};

enum { DST_NONE, DST_RM, DST_REG };                      /* struct insn.shape bits 1:0           */
enum { SRC_NONE, SRC_REG, SRC_RM, SRC_IMM, SRC_CL };     /* struct insn.shape bits 4:2           */

struct insn {
    run_fn *run;
    uint64_t imm;         /* immediate, sign-extended; moffs address; far pointer (selector << 32 |
                             offset); ENTER (level << 16 | size); branch displacement from next RIP; of a near
                             indirect branch, 1: it has a no-track prefix                        */
    int32_t disp;         /* displacement; RIP-relative ones count from REG_BLOCK_RIP             */
    uint16_t row;         /* index into insn_rows                                                 */
    uint8_t len;          /* bytes, 1 to 15                                                       */
    uint8_t off;          /* bytes from the block's start                                         */
    uint8_t left;         /* instructions from this one to the end of the block, this one counted */
    uint8_t reg;          /* ModRM.reg operand (REX.R applied; REG_HIGH + n for AH..BH)           */
    uint8_t rm;           /* ModRM.rm register operand, or the base register of a memory operand  */
    uint8_t index;        /* index register, REG_ZERO if none                                     */
    uint8_t sib;          /* 1:0 scale, 4:2 segment, 7:5 log2 of the address size in bytes        */
    uint8_t size;         /* operand size in bytes                                                */
    uint8_t prefix;       /* PFX_*                                                                */
    uint8_t shape;        /* DST_* | SRC_* << 2                                                   */
    uint8_t opcode;       /* last opcode byte                                                     */
    uint8_t modrm;        /* ModRM byte as it stands                                              */
    uint16_t room;        /* traced blocks: the word of the record that takes what is loaded      */
    uint8_t inner;        /* ... and the runner that run_traced stands for                        */
};
#ifndef SP_NO_SIZE_CHECK
_Static_assert(sizeof(struct insn) <= 40, "a decoded instruction is small");
#endif

static inline bool insn_is_mem(const struct insn *i) { return i->prefix & PFX_MEM; }
static inline enum seg insn_seg(const struct insn *i) { return (enum seg)(i->sib >> 2 & 7); }
static inline unsigned insn_asize(const struct insn *i) { return 1u << (i->sib >> 5); }

/* RIP of instruction i of the running block, and of the one after it. */
static inline uint64_t insn_rip(const struct cpu *c, const struct insn *i)
{
    return c->gpr[REG_BLOCK_RIP] + i->off;
}
static inline uint64_t insn_next_rip(const struct cpu *c, const struct insn *i)
{
    return c->gpr[REG_BLOCK_RIP] + i->off + i->len;
}

/* ---- the table ---- */

/* Form: what must hold for a row to match.  0 matches everything. */
enum {
    F_NP = 1 << 0,
    F_66 = 1 << 1,
    F_F3 = 1 << 2,
    F_F2 = 1 << 3, /* mandatory prefix (F2/F3 win over 66) */
    F_MEM = 1 << 4,
    F_REG = 1 << 5,
    F_64 = 1 << 6,
    F_NO64 = 1 << 7,
    F_W0 = 1 << 8,
    F_W1 = 1 << 9,
    F_HAS_EXT = 1 << 10,
    F_HAS_RM = 1 << 14,
};
#define F_EXT(n) (F_HAS_EXT | (n) << 11)                        /* ModRM.reg = n */
#define F_RM(n) (F_REG | F_HAS_RM | (n) << 15)                  /* ModRM.rm = n, register form */

enum imm_kind {
    IMM_NONE, IMM_B /* sign-extended */, IMM_UB, IMM_W, IMM_Z, IMM_V, IMM_WB /* ENTER */,
    IMM_FAR, IMM_JB, IMM_JZ, IMM_MOFFS,
};
enum size_rule {
    SZ_B, SZ_W, SZ_D, SZ_Q,
    SZ_V,       /* 2, 4 or 8 by operand-size attribute                                            */
    SZ_V64,     /* as SZ_V, but 8 by default in 64-bit mode (PUSH, POP)                           */
    SZ_F64,     /* as SZ_V, but always 8 in 64-bit mode (near branches on Intel processors)       */
    SZ_Y,       /* 4, or 8 with REX.W                                                             */
    SZ_SYS,     /* 4, or 8 in 64-bit mode whatever the prefixes (MOV CR/DR, VMREAD, INVLPG ...)   */
    SZ_X,       /* 16: a vector                                                                   */
};
enum reg_source {
    REGS_MODRM,
    REGS_OPCODE /* rm = low opcode bits */,
    REGS_ACC /* rm = rAX */,
    REGS_NONE
};

enum operands {
#define OPERANDS(name, regs, imm, size, dst, src) name,
#include "cpu/operands.def"
    OPERANDS_COUNT
};

enum {                    /* row attributes */
    A_LOCK = 1 << 0,      /* LOCK is legal with a memory destination                              */
    A_CPL0 = 1 << 1,      /* #GP(0) at CPL > 0                                                    */
    A_PE = 1 << 2,        /* #UD in real-address and virtual-8086 mode                            */
    A_END = 1 << 3,       /* ends the block: branches, and what changes mode, TLB or interrupts   */
    A_FPU = 1 << 4,       /* #NM if CR0.EM or TS; pending x87 exceptions are the handler's        */
    A_WAIT = 1 << 5,      /* #NM if CR0.MP and TS                                                 */
    A_MMX = 1 << 6,       /* #UD if CR0.EM, #NM if TS; pending x87 exceptions are the handler's   */
    A_SSE = 1 << 7,       /* #UD if CR0.EM or not CR4.OSFXSR, #NM if TS                           */
    A_UMIP = 1 << 8,      /* #GP(0) at CPL > 0 with CR4.UMIP                                      */
    A_XSAVE = 1 << 9,     /* #UD if not CR4.OSXSAVE                                               */
    A_EXIT_FIRST = 1 << 10, /* the VM exit comes before the privilege check (MOV DR, VMX, CPUID) */
    A_NO_REP = 1 << 11,   /* #UD with F2, F3 (and 66 where F_NP says so is a matter of matching)  */
    A_FSGSBASE = 1 << 12, /* #UD if not CR4.FSGSBASE                                              */
    A_RM8 = 1 << 13,      /* the r/m operand is a byte register whatever the size (MOVZX Gv,Eb) */
    A_PKE = 1 << 14,      /* #UD if not CR4.PKE                                                   */
    A_SHADOW = 1 << 15,   /* #UD unless shadow stacks are enabled at this CPL                     */
};

enum feature {
    FEAT_NONE,
#define FEATURE(name, leaf, subleaf, reg, bit) FEAT_##name,
#include "cpu/features.def"
    FEATURE_COUNT
};

/* Exit column: basic exit reason that a control may attach to the instruction at decode. */
enum {
    EXIT_NONE = 0xff,
    EXIT_CPUID = 10,
    EXIT_GETSEC = 11,
    EXIT_HLT = 12,
    EXIT_INVD = 13,
    EXIT_INVLPG = 14,
    EXIT_RDPMC = 15,
    EXIT_RDTSC = 16,
    EXIT_RSM = 17,
    EXIT_VMX_INSN = 18 /* all of 18 to 27, 50, 53 */,
    EXIT_MOV_DR = 29,
    EXIT_MSRLIST = 34 /* pseudo: only made #UD */,
    EXIT_WAITPKG = 35 /* pseudo: only made #UD */,
    EXIT_MWAIT = 36,
    EXIT_RDPID = 38 /* pseudo: only made #UD */,
    EXIT_MONITOR = 39,
    EXIT_PAUSE = 40,
    EXIT_UINTR = 41 /* pseudo: only made #UD */,
    EXIT_BUS_LOCK = 42 /* pseudo: locked accesses are looked at */,
    EXIT_SENDUIPI = 43 /* pseudo: only made #UD */,
    EXIT_GDTR_IDTR = 46,
    EXIT_LDTR_TR = 47,
    EXIT_RDTSCP = 51,
    EXIT_WBINVD = 54,
    EXIT_XSETBV = 55,
    EXIT_RDRAND = 57,
    EXIT_INVPCID = 58,
    EXIT_RDSEED = 61,
    EXIT_XSAVES = 63 /* XRSTORS, too; only made #UD: the handlers ask for the exit */,
    EXIT_XRSTORS = 64 /* from here on they are no row's, and the handlers ask, too */,
    EXIT_UMWAIT = 67,
    EXIT_TPAUSE = 68,
};

struct insn_row {
    uint8_t map;          /* 0 one byte, 1 0F, 2 0F 38, 3 0F 3A                                   */
    uint8_t opcode;
    uint8_t operands;     /* enum operands                                                        */
    uint8_t feature;      /* enum feature                                                         */
    uint8_t exit;         /* EXIT_*                                                               */
    uint16_t attributes;  /* A_*                                                                  */
    uint32_t form;        /* F_*                                                                  */
    const char *name;
    op_fn *op;
};
extern const struct insn_row insn_rows[];
extern const unsigned insn_row_count;

#endif
