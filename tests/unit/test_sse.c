// SPDX-License-Identifier: Apache-2.0
// Every register form of the MMX and SSE rows against the host processor: the same bytes run
// natively and through the decoder and handler, with random and special operands and MXCSR
// settings, unmasked exceptions included.  Registers, status flags, MXCSR and the fault must
// agree.
#define _GNU_SOURCE      /* REG_RIP in ucontext.h */
#include <criterion/criterion.h>
#include <criterion/logging.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "cpu/decode.h"
#include "cpu/flags.h"
#include "cpu/ops.h"

enum { CASES_PER_ROW = 4000 };

/* What an instruction under test may read and write: XMM and MMX registers 0 to 2, RAX, RCX, RDX.
 * */
struct operands_state {
    union xmm xmm[3];
    uint64_t mmx[3], gpr[3];
    uint64_t flags;
    uint32_t mxcsr, faulted;
};

/* ---- native execution ---- */

static uint8_t *code_page; /* the instruction, then RET                                */
static unsigned code_length;
static volatile sig_atomic_t native_faults;

static void on_sigfpe(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    (void)number, (void)info;
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)(code_page + code_length);
    native_faults = 1;
}

static void native_setup(void)
{
    struct sigaction action = { .sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO };
    code_page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(code_page != MAP_FAILED);
    cr_assert_eq(sigaction(SIGFPE, &action, NULL), 0);
}

static void run_native(struct operands_state *s)
{
    native_faults = 0;
    __asm__ volatile(
        "leaq -128(%%rsp), %%rsp\n\t"                     /* keep clear of the red zone */
        "movups 0(%%rbx), %%xmm0\n\t movups 16(%%rbx), %%xmm1\n\t movups 32(%%rbx), %%xmm2\n\t"
        "movq 48(%%rbx), %%mm0\n\t movq 56(%%rbx), %%mm1\n\t movq 64(%%rbx), %%mm2\n\t"
        "pushq 96(%%rbx)\n\t popfq\n\t"
        "movq 72(%%rbx), %%rax\n\t movq 80(%%rbx), %%rcx\n\t movq 88(%%rbx), %%rdx\n\t"
        "ldmxcsr 104(%%rbx)\n\t"
        "call *%%rsi\n\t"
        "stmxcsr 104(%%rbx)\n\t"
        "movq %%rax, 72(%%rbx)\n\t movq %%rcx, 80(%%rbx)\n\t movq %%rdx, 88(%%rbx)\n\t"
        "pushfq\n\t popq 96(%%rbx)\n\t"
        "movups %%xmm0, 0(%%rbx)\n\t movups %%xmm1, 16(%%rbx)\n\t movups %%xmm2, 32(%%rbx)\n\t"
        "movq %%mm0, 48(%%rbx)\n\t movq %%mm1, 56(%%rbx)\n\t movq %%mm2, 64(%%rbx)\n\t"
        "emms\n\t ldmxcsr (%%rdi)\n\t"
        "leaq 128(%%rsp), %%rsp"
        : : "b"(s), "S"(code_page), "D"(&(uint32_t){ 0x1f80 })
        : "memory", "cc", "rax", "rcx", "rdx", "xmm0", "xmm1", "xmm2", "mm0", "mm1", "mm2");
    s->flags &= FLAGS_STATUS;
    s->faulted = (uint32_t)native_faults;
}

/* ---- simulated execution ---- */

static void run_simulated(struct cpu *c, const struct insn *i, struct operands_state *s)
{
    memcpy(c->fpu.xmm, s->xmm, sizeof s->xmm);
    for (unsigned k = 0; k < 3; k++) {
        c->fpu.st[k].frac = s->mmx[k];
        c->gpr[k] = s->gpr[k];
    }
    c->fpu.mxcsr = s->mxcsr;
    flags_set_status(c, s->flags);
    s->faulted = insn_rows[i->row].op(c, i) != RETIRED;
    memcpy(s->xmm, c->fpu.xmm, sizeof s->xmm);
    for (unsigned k = 0; k < 3; k++) {
        s->mmx[k] = c->fpu.st[k].frac;
        s->gpr[k] = c->gpr[k];
    }
    s->mxcsr = c->fpu.mxcsr;
    s->flags = flags_status(c);
}

/* ---- operands ---- */

static uint64_t random_state = 1;
static uint64_t random64(void)
{
    uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint32_t random_single(void)
{
    static const uint32_t special[] = {
        0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
        0x7fc00001, 0xffc12345, 0x7f800001, 0xffbfffff, 1,          0x80000001,
        0x007fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x4f000000,
        0xcf000000, 0x4effffff, 0x3f000000, 0x40200000, 0x00800001, 0x34000000,
    };
    uint64_t r = random64();
    switch (r >> 60) {
    case 0: case 1: case 2: case 3: return special[(r & 0xff) % ARRAY_SIZE(special)];
    case 4: return ((uint32_t)r & 0x80ffffff);                                  /* near underflow */
    case 5: return ((uint32_t)r & 0x80ffffff) | 0x7e000000;                     /* near overflow  */
    case 6: case 7: case 8: return ((uint32_t)r & 0x81ffffff) | 0x3e000000;     /* near 1         */
    case 9: return ((uint32_t)r & 0x81ffffff) | 0x4e000000;                     /* near 2^31      */
    case 10: return ((uint32_t)r & 0x81ffffff) | 0x1e000000;           /* products underflow      */
    default: return (uint32_t)r;
    }
}

static uint64_t random_double(void)
{
    static const uint64_t high[] = {
        0,          0x80000000, 0x3ff00000, 0xbff00000, 0x7ff00000, 0xfff00000,
        0x7ff80000, 0xfff80000, 0x7ff40000, 0x00000001, 0x000fffff, 0x00100000,
        0x7fefffff, 0x41dfffff, 0x41e00000, 0xc1e00000, 0x43e00000, 0xc3e00000,
        0x3fe00000, 0x40040000, 0x36a00000, 0x38100000, 0x47efffff, 0x47f00000,
    };
    static const uint32_t low[] = { 0,          0,          1,          0xffffffff,
                                    0xe0000000, 0xffc00000, 0x80000000, 0xf0000000 };
    uint64_t r = random64();
    switch (r >> 60) {
    case 0: case 1: case 2: case 3:
        return high[(r & 0xff) % ARRAY_SIZE(high)] << 32 | low[r >> 8 & 7];
    case 4: return r & UINT64_C(0x801fffffffffffff);
    case 5: return (r & UINT64_C(0x801fffffffffffff)) | UINT64_C(0x7fc0000000000000);
    case 6:
    case 7:
    case 8: return (r & UINT64_C(0x803fffffffffffff)) | UINT64_C(0x3fc0000000000000);
    case 9: return (r & UINT64_C(0x803fffffffffffff)) | UINT64_C(0x41c0000000000000);
    case 10: return (r & UINT64_C(0x803fffffffffffff)) | UINT64_C(0x1fc0000000000000);
    case 11:
        return (r & UINT64_C(0x80ffffffffffffff)) |
               UINT64_C(0x3600000000000000); /* single's range */
    default: return r;
    }
}

static union xmm random_xmm(void)
{
    union xmm v;
    uint64_t kind = random64() & 7;
    for (unsigned k = 0; k < 4; k++)
        v.d[k] = random_single();
    for (unsigned k = 0; k < 2 && kind & 1; k++)
        v.q[k] = random_double();
    for (unsigned k = 0; k < 16 && kind == 2; k++)
        v.b[k] = (uint8_t)(random64() & (k & 1 ? 0x83 : 0x3)); /* small lanes, strings with zeros */
    for (unsigned k = 0; k < 8 && kind == 4; k++)
        v.w[k] = (uint16_t)(random64() & 0x8003);
    if (kind == 6)
        v = (union xmm){ .q = { random64() & 0x7f, random64() } };              /* shift counts */
    return v;
}

static uint32_t random_mxcsr(void)
{
    static const uint16_t common[] = { 0x1f80, 0x1f80, 0x1fbf, 0x3f80, 0x5f80, 0x7f80,
                                       0x1fc0, 0x9f80, 0x9fc0, 0xffff, 0x0000, 0x8000,
                                       0x0f80, 0x1780, 0x1b80, 0x1e80 };
    uint64_t r = random64();
    return r & 0x100 ? common[r & 15] : (uint32_t)(r >> 16 & 0xffff);
}

static struct operands_state random_operands(void)
{
    struct operands_state s = { .mxcsr = random_mxcsr() };
    for (unsigned k = 0; k < 3; k++) {
        s.xmm[k] = random_xmm();
        s.mmx[k] = random_xmm().q[0];
        s.gpr[k] = random64() >> (random64() & 63);
    }
    if (random64() & 1)
        s.xmm[1] = s.xmm[2];
    s.flags = random64() & FLAGS_STATUS;
    return s;
}

/* ---- the rows ---- */

/* Register operands are number 2 (ModRM.reg) and number 1 (ModRM.rm). */
static unsigned encode(const struct insn_row *row, bool wide, uint8_t *out)
{
    unsigned n = 0;
    if (row->form & F_66)
        out[n++] = 0x66;
    if (row->form & F_F3)
        out[n++] = 0xf3;
    if (row->form & F_F2)
        out[n++] = 0xf2;
    if (wide)
        out[n++] = 0x48;
    out[n++] = 0x0f;
    if (row->map > 1)
        out[n++] = row->map == 2 ? 0x38 : 0x3a;
    out[n++] = row->opcode;
    if (row->operands != none)
        out[n++] = (uint8_t)(0xc1 | (row->form & F_HAS_EXT ? row->form >> 11 & 7 : 2) << 3);
    out[n] = (uint8_t)random64();       /* an immediate, if one follows */
    return n + 1;
}

static bool is_tested(const struct insn_row *row)
{
    return row->attributes & (A_SSE | A_MMX) && !(row->form & F_MEM) && row->op != op_maskmovq &&
           row->op != op_maskmovdqu;
}

static void report(const struct insn_row *row, const struct operands_state *in,
                   const struct operands_state *native, const struct operands_state *simulated)
{
    const struct operands_state *states[] = { in, native, simulated };
    static const char *const titles[] = { "input", "native", "simulated" };
    for (unsigned k = 0; k < 3; k++) {
        const struct operands_state *s = states[k];
        cr_log_error(
            "%s %-9s mxcsr %04x fault %u flags %03lx rcx %lx rdx %lx mm1 %016lx mm2 %016lx",
            row->name, titles[k], s->mxcsr, s->faulted, s->flags, s->gpr[1], s->gpr[2], s->mmx[1],
            s->mmx[2]);
        cr_log_error("   xmm0 %016lx%016lx xmm1 %016lx%016lx xmm2 %016lx%016lx", s->xmm[0].q[1],
                     s->xmm[0].q[0], s->xmm[1].q[1], s->xmm[1].q[0], s->xmm[2].q[1],
                     s->xmm[2].q[0]);
    }
}

/* The number of cases that differ. */
static unsigned test_row(struct cpu *c, const struct decoder *d, const struct insn_row *row,
                         bool wide)
{
    unsigned bad = 0;
    for (unsigned k = 0; k < CASES_PER_ROW; k++) {
        uint8_t bytes[16];
        struct insn i;
        unsigned n = encode(row, wide, bytes);
        cr_assert_eq(decode(d, bytes, n, 64, &i), DECODE_OK, "%s does not decode", row->name);
        cr_assert_eq(insn_rows[i.row].op, row->op, "%s decodes as another row", row->name);
        memcpy(code_page, bytes, i.len);
        code_page[i.len] = 0xc3;
        code_length = i.len;
        struct operands_state in = random_operands(), native = in, simulated = in;
        run_native(&native);
        run_simulated(c, &i, &simulated);
        if (memcmp(&native, &simulated, sizeof native) == 0)
            continue;
        if (bad++ < 2)
            report(row, &in, &native, &simulated);
    }
    return bad;
}

Test(sse, every_register_form_agrees_with_the_host)
{
    struct decoder d;
    struct cpu *c = calloc(1, sizeof *c);
    unsigned bad_rows = 0, rows = 0;
    cr_assert(c && decoder_init(&d));
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    native_setup();
    for (unsigned r = 0; r < insn_row_count; r++) {
        const struct insn_row *row = &insn_rows[r];
        if (!is_tested(row))
            continue;
        rows++;
        for (unsigned wide = 0; wide < 2; wide++) {
            unsigned bad = test_row(c, &d, row, wide);
            bad_rows += bad != 0;
            if (bad)
                cr_log_error("%s%s: %u of %u cases differ", row->name, wide ? " (REX.W)" : "", bad,
                             CASES_PER_ROW);
        }
    }
    cr_expect_gt(rows, 250);
    cr_expect_eq(bad_rows, 0);
    decoder_free(&d);
    free(c);
}
